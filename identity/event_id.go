package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

const maxEventID = 512 // bytes

// Message is one event out of what a provider sent.
type Message struct {
	ID   string // as EventID
	Body []byte
}

// Messages gives the events of a body that was verified, in their order: several where it is an array, else the body as it
// is. An empty array has none.
func (s *Source) Messages(h http.Header, body []byte) []Message {
	var parts []json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) || json.Unmarshal(body, &parts) != nil {
		return []Message{{ID: s.EventID(h, body), Body: body}}
	}
	var all []Message
	for i, part := range parts {
		id := s.bodyID(part)
		if signed := s.signedID(h); signed != "" {
			id = bounded(fmt.Sprintf("%s#%d", signed, i))
		}
		all = append(all, Message{ID: id, Body: part})
	}
	return all
}

// EventID names an event that was verified, the same however often it is sent: at most 512 bytes that PostgreSQL can hold.
// It is what the signature covers: the header's ID for Standard Webhooks, else the body's own, else the body's hash.
func (s *Source) EventID(h http.Header, body []byte) string {
	if id := s.signedID(h); id != "" {
		return id
	}
	return s.bodyID(body)
}

// signedID is "" where no header's ID is signed.
func (s *Source) signedID(h http.Header) string {
	if s.cfg.Signature != StandardSignature {
		return ""
	}
	return bounded(standardHeader(h, "id"))
}

func (s *Source) bodyID(body []byte) string {
	var root any
	if len(s.row.Fields.EventID) > 0 && json.Unmarshal(body, &root) == nil {
		if id, ok := first(s.row.Fields.EventID, root).(string); ok {
			return bounded(id)
		}
	}
	return hashed(body)
}

// bounded is the ID itself where it can be kept. One that looks like a hash is hashed, so that nobody's ID is another's.
func bounded(id string) string {
	if len(id) > maxEventID || !utf8.ValidString(id) || strings.ContainsRune(id, 0) || strings.HasPrefix(id, "sha256:") {
		return hashed([]byte(id))
	}
	return id
}

func hashed(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
