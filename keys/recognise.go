package keys

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a provider can be recognised from.
const (
	FromJWKSURL        = "JWKS URL"
	FromIssuer         = "issuer"
	FromDiscoveryURL   = "discovery URL"
	FromToken          = "token"
	FromPublishableKey = "publishable key"
)

// Recognised is what a paste tells of a provider. Nothing of it was verified: a person must want it.
type Recognised struct {
	Preset Preset
	// Sure: the vendor's own host says so. Else it is a guess by form, to be confirmed by the discovery document or a person.
	Sure bool
	From string // one of the From constants

	JWKSURL      string // "" where it isn't known, and DiscoveryURL may lead to it
	DiscoveryURL string // "" where the provider is not known to have one

	Issuers           []string
	Audience          []string
	AuthorizedParties []string
	Algorithms        []string
	Role              string   // "" is authenticated
	AllowPrivate      []string // hosts that are no public ones, and must be allowed by name

	// Missing is what Check says of all this: what must still be given. Each begins with the configuration's key.
	Missing []string
	// Hints are worth a look before the result is used. Those of a key begin with it.
	Hints []string
}

const maxPaste = 32 << 10 // bytes

var (
	errNothing    = errors.New("there is nothing in it: give a JWKS URL, an issuer, a discovery URL, a token or Clerk's publishable key")
	errTooMuch    = errors.New("it is too long for an address or a token")
	errUnknown    = errors.New("it is none of JWKS URL, issuer, discovery URL, token and Clerk's publishable key: addresses begin with https://, tokens are three parts with two dots between")
	errSecretKey  = errors.New("this is a secret key, which nobody but your own servers may see: replace it if it was shown to anybody, and give the publishable key (pk_…)")
	errNoClerkKey = errors.New("it begins as Clerk's publishable key but is none: copy the whole of it")
)

// Recognise says whose address, issuer or token paste is, and with what preset its tokens are to be verified. It asks
// nobody. A token is read without being verified, and nothing of it but iss, aud, azp, client_id and alg is in the result;
// errors quote nothing of paste, which may be a secret.
func Recognise(paste string) (Recognised, error) {
	text := trimPaste(paste)
	r, err := recognise(text)
	if err != nil {
		return Recognised{}, fmt.Errorf("recognising provider: %w", err)
	}
	r.settle()
	return r, nil
}

func trimPaste(paste string) string {
	text := strings.TrimSpace(paste)
	if name, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(name, "authorization") {
		text = strings.TrimSpace(value)
	}
	if scheme, value, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "bearer") {
		text = value
	}
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(text), "\"'`"))
}

func recognise(text string) (Recognised, error) {
	switch {
	case text == "":
		return Recognised{}, errNothing
	case len(text) > maxPaste:
		return Recognised{}, errTooMuch
	case strings.ContainsAny(text, "<>{}"):
		return Recognised{}, errPlaceholder
	case strings.HasPrefix(text, "sk_"):
		return Recognised{}, errSecretKey
	case strings.HasPrefix(text, "pk_"):
		return recognisePublishable(text)
	case isSample(text):
		return recogniseToken(text)
	case strings.Contains(text, "://"):
		return recogniseAddress(text)
	}
	return recogniseName(text)
}

// recogniseName takes an issuer that is no URL, and a vendor's address whose https:// was left out.
func recogniseName(text string) (Recognised, error) {
	if owner, v := table().issuerVendor(text); owner != nil {
		return finding{row: owner, values: v, sure: true, from: FromIssuer, terms: Terms{Issuer: text}}.result(), nil
	}
	if r, err := recogniseAddress("https://" + text); err == nil && r.Sure {
		return r, nil
	}
	return Recognised{}, errUnknown
}

func recogniseAddress(text string) (Recognised, error) {
	a, err := parseAddress(text)
	if err != nil {
		return Recognised{}, err
	}
	if err := a.checkPlain(); err != nil {
		return Recognised{}, err
	}
	if err := table().mistakenAddress(a.text); err != nil {
		return Recognised{}, err
	}
	return table().find(a).result(), nil
}

// recognisePublishable reads Clerk's key: pk_test_ or pk_live_, and the Frontend API's host with a $ in base64.
func recognisePublishable(text string) (Recognised, error) {
	kind, encoded, _ := strings.Cut(strings.TrimPrefix(text, "pk_"), "_")
	host, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	name, ok := strings.CutSuffix(string(host), "$")
	if err != nil || !ok || kind != "test" && kind != "live" {
		return Recognised{}, errNoClerkKey
	}
	a, err := parseAddress("https://" + name)
	if err != nil || a.text != "https://"+a.host || !strings.Contains(a.host, ".") {
		return Recognised{}, errNoClerkKey
	}
	clerk := table().row("clerk")
	v, sure := firstMatch(clerk.IssuerMatch, a.text)
	if !sure && table().isLookAlike(a.host) {
		return Recognised{}, errNoClerkKey
	}
	if !sure {
		v = values{"fapi": {a.host}}
	}
	return finding{row: clerk, values: v, sure: sure, from: FromPublishableKey}.result(), nil
}

// settle works out what depends on all the rest.
func (r *Recognised) settle() {
	r.AllowPrivate = nil
	for _, text := range []string{r.JWKSURL, r.DiscoveryURL} {
		a, err := parseAddress(text)
		if err == nil && a.isPrivate() && !slices.Contains(r.AllowPrivate, a.hostPort()) {
			r.AllowPrivate = append(r.AllowPrivate, a.hostPort())
		}
	}
	if a, err := parseAddress(cmp.Or(r.JWKSURL, r.DiscoveryURL)); err == nil && a.plain && !a.isLoopback() {
		r.Hints = append(r.Hints, "allow_private: the keys of tokens come from "+a.hostPort()+" over http, unencrypted: whoever is on the way can put in keys of "+
			"their own, and be any user. Keep this only if nobody else is in that network; https is better")
	}
	if r.From == FromToken && len(r.AllowPrivate) > 0 {
		r.Hints = append(r.Hints, "allow_private: the token alone says that its keys are on a host of your own network: keep this only if they are")
	}
	r.Missing = r.Preset.Check(r.Terms())
	if r.JWKSURL == "" && r.DiscoveryURL == "" && !slices.ContainsFunc(r.Missing, func(m string) bool { return strings.HasPrefix(m, "jwks_url: ") }) {
		r.Missing = append(r.Missing, "jwks_url: the issuer's own address is http, which anybody on the way can change: give the key set's https address, or its "+
			"http address and its host in allow_private")
	}
}

// Terms are those of the provider that Block writes.
func (r Recognised) Terms() Terms {
	t := Terms{
		JWKSURL: r.JWKSURL, Issuers: r.Issuers, Audience: r.Audience, AuthorizedParties: r.AuthorizedParties,
		Algorithms: r.Algorithms, Role: r.Role,
	}
	if r.JWKSURL == "" && r.DiscoveryURL != "" && len(r.Issuers) > 0 {
		t.Issuer = r.Issuers[0]
	}
	return t
}
