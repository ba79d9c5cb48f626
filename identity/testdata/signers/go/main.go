// Command signers signs the messages on standard input, one JSON object a line, with the Go library of Standard Webhooks.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type message struct {
	Secret, ID, Body string
	Seconds          int64
}

func main() {
	if err := sign(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func sign(r io.Reader, w io.Writer) error {
	decoder, encoder := json.NewDecoder(r), json.NewEncoder(w)
	for {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		webhook, err := standardwebhooks.NewWebhook(m.Secret)
		if err != nil {
			return err
		}
		signature, err := webhook.Sign(m.ID, time.Unix(m.Seconds, 0), []byte(m.Body))
		if err != nil {
			return err
		}
		if err := encoder.Encode(map[string]string{"standardwebhooks": signature}); err != nil {
			return err
		}
	}
}
