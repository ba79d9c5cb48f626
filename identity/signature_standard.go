package identity

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Versions of signatures in Standard Webhooks: HMAC-SHA256 and Ed25519.
const (
	symmetric  = "v1"
	asymmetric = "v1a"
)

// standardHeaders are the names of the three headers: Standard Webhooks' own, and Svix's, who had them before.
func standardHeaders() []string { return []string{"webhook-", "svix-"} }

// standardHeader is the value of one of the three, in whichever way all of them are named.
func standardHeader(h http.Header, name string) string {
	for _, prefix := range standardHeaders() {
		if h.Get(prefix+"signature") != "" {
			return h.Get(prefix + name)
		}
	}
	return ""
}

// standardMark is what the headers of an event say of it.
type standardMark struct {
	id, stamp  string
	at         time.Time // by stamp
	signatures []signature
}

// readStandard refuses what no body could make good. An id with a full stop is that: id.timestamp.body is what is signed, and
// an old event that quotes a later timestamp could be taken apart at that, and so be sent again under another id and body.
func readStandard(h http.Header) (standardMark, error) {
	m := standardMark{id: standardHeader(h, "id"), stamp: standardHeader(h, "timestamp")}
	list := standardHeader(h, "signature")
	if m.id == "" || m.stamp == "" || list == "" {
		return m, ErrUnsigned
	}
	if strings.Contains(m.id, ".") {
		return m, fmt.Errorf("%w (its id has a full stop, which Standard Webhooks doesn't allow)", ErrSignature)
	}
	seconds, err := strconv.ParseInt(m.stamp, 10, 64)
	m.at, m.signatures = time.Unix(seconds, 0), readSignatures(list)
	if err != nil || len(m.signatures) == 0 {
		return m, ErrSignature
	}
	return m, nil
}

// verifyStandard is standard-webhooks.md, "Verifying signatures": what is signed is id.timestamp.body. The signature comes
// before the timestamp, so that ErrStale is only said of an event that was genuine once.
func (k keyring) verifyStandard(h http.Header, body []byte, now time.Time) error {
	m, err := readStandard(h)
	if err != nil {
		return err
	}
	if !k.signs(slices.Concat([]byte(m.id+"."+m.stamp+"."), body), m.signatures) {
		return ErrSignature
	}
	return within(m.at, now, standardWindow)
}

// signature is one of those in the header.
type signature struct {
	version string
	value   []byte
}

var signatureVersion = regexp.MustCompile(`^v[0-9]+[a-z]?$`)

// readSignatures takes a list apart that is written with spaces, as the standard has it, or commas and spaces, as Supabase
// does. What it doesn't know is passed over: a sender may add versions.
func readSignatures(list string) []signature {
	var found []signature
	version := ""
	for _, part := range strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		if signatureVersion.MatchString(part) {
			version = part
			continue
		}
		value, err := base64.StdEncoding.DecodeString(part)
		if err == nil && len(found) < maxSignatures && (version == symmetric || version == asymmetric) {
			found = append(found, signature{version, value})
		}
		version = ""
	}
	return found
}

// signs says whether one of the signatures is by one of the keys.
func (k keyring) signs(message []byte, signatures []signature) bool {
	macs := [][]byte{}
	for _, secret := range k.shared {
		macs = append(macs, macOf(secret, message))
	}
	return slices.ContainsFunc(signatures, func(s signature) bool {
		if s.version == symmetric {
			return slices.ContainsFunc(macs, func(mac []byte) bool { return hmac.Equal(mac, s.value) })
		}
		return slices.ContainsFunc(k.public, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, message, s.value) })
	})
}

func macOf(secret []byte, message ...[]byte) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range message {
		mac.Write(part)
	}
	return mac.Sum(nil)
}
