// Command verify-tokens is a service beside rowpass that takes rowpass's tokens, three times over: with golang-jwt, with
// go-oidc and with go-jose. Each accepts a token, and refuses it where it is meant for somebody else and where it was altered.
package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// service is who verifies: it trusts one issuer, and takes only what is meant for it.
type service struct {
	issuer   string // iss, to the letter: rowpass's public_url
	audience string // aud: the name under which tokens are meant for this service
}

// caller is what a service learns from a token.
type caller struct {
	Subject string `json:"sub"`
	Tenant  string `json:"tenant_id"`
}

// verify takes a token to who presents it.
type verify func(ctx context.Context, raw string) (caller, error)

var libraries = []struct {
	name string
	open func(ctx context.Context, s service) (verify, error)
}{
	{"golang-jwt", golangJWT},
	{"go-oidc", goOIDC},
	{"go-jose", goJOSE},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	us := service{issuer: cmp.Or(os.Getenv("ROWPASS_URL"), "http://localhost:8080"), audience: "rowpass"}
	for _, l := range libraries {
		if err := show(ctx, l.name, l.open, us, os.Getenv("ROWPASS_TOKEN")); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", l.name, err)
			os.Exit(1)
		}
	}
}

// show ends with an error where a token is refused that is good, or accepted that is not.
func show(ctx context.Context, name string, open func(context.Context, service) (verify, error), us service, raw string) error {
	forged, err := altered(raw)
	if err != nil {
		return err
	}
	ours, err := open(ctx, us)
	if err != nil {
		return err
	}
	theirs, err := open(ctx, service{us.issuer, "https://billing.example"})
	if err != nil {
		return err
	}
	c, err := ours(ctx, raw)
	if err != nil {
		return fmt.Errorf("the token of ROWPASS_TOKEN: %w", err)
	}
	fmt.Printf("%s\n  accepts:       user %s of tenant %s\n", name, c.Subject, c.Tenant)
	_, notForThem := theirs(ctx, raw)
	_, notSigned := ours(ctx, forged)
	if notForThem == nil || notSigned == nil {
		return errors.New("accepted what it should refuse")
	}
	fmt.Printf("  not for us:    %v\n  altered:       %v\n", notForThem, notSigned)
	return nil
}

// altered is the token as somebody would like it who has no key: the same signature, another tenant.
func altered(raw string) (string, error) {
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		return "", errors.New("ROWPASS_TOKEN holds no token; README.md says how to get one")
	}
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return "", fmt.Errorf("decoding the token: %w", err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", fmt.Errorf("decoding the token: %w", err)
	}
	claims["tenant_id"] = "b0000000-0000-4000-8000-000000000001"
	if payload, err = json.Marshal(claims); err != nil {
		return "", fmt.Errorf("encoding the altered token: %w", err)
	}
	return part[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + part[2], nil
}
