package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// workOSMark is what WorkOS's header says of an event.
type workOSMark struct {
	stamp string
	at    time.Time // by stamp
	macs  [][]byte
}

// readWorkOS takes "t=<milliseconds>, v1=<hex>", and refuses what no body could make good.
func readWorkOS(header string) (m workOSMark, err error) {
	if header == "" {
		return m, ErrUnsigned
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			m.stamp = value
		case "v1":
			m.macs = append(m.macs, readMAC(value))
		}
	}
	millis, err := strconv.ParseInt(m.stamp, 10, 64)
	if err != nil || len(m.macs) == 0 || len(m.macs) > maxSignatures {
		return m, ErrSignature
	}
	m.at = time.UnixMilli(millis)
	return m, nil
}

// verifyWorkOS wants the HMAC of "t.body".
func (k keyring) verifyWorkOS(header string, body []byte, now time.Time) error {
	m, err := readWorkOS(header)
	if err != nil {
		return err
	}
	if !k.authenticates(m.macs, []byte(m.stamp+"."), body) {
		return ErrSignature
	}
	return within(m.at, now, workOSWindow)
}

// readHMAC takes a MAC in hex or base64, with or without the name of the algorithm before it.
func readHMAC(header string) ([]byte, error) {
	if header == "" {
		return nil, ErrUnsigned
	}
	mac := readMAC(strings.TrimPrefix(header, "sha256="))
	if len(mac) != sha256.Size {
		return nil, ErrSignature
	}
	return mac, nil
}

// verifyHMAC wants the HMAC of the raw body. Nothing says when it was sent: that an old event changes nothing is up to its ID
// and its own time.
func (k keyring) verifyHMAC(header string, body []byte) error {
	mac, err := readHMAC(header)
	if err != nil {
		return err
	}
	if !k.authenticates([][]byte{mac}, body) {
		return ErrSignature
	}
	return nil
}

// readMAC gives nothing that could be a MAC where text is none.
func readMAC(text string) []byte {
	if mac, err := hex.DecodeString(text); err == nil {
		return mac
	}
	mac, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return mac
}

func (k keyring) authenticates(macs [][]byte, message ...[]byte) bool {
	return slices.ContainsFunc(k.shared, func(secret []byte) bool {
		own := macOf(secret, message...)
		return slices.ContainsFunc(macs, func(mac []byte) bool { return hmac.Equal(mac, own) })
	})
}

// verifyBearer takes the secret itself, alone, as a bearer token (RFC 6750, section 2.1), or, where it is user:password, by
// basic authentication (RFC 7617).
func (k keyring) verifyBearer(header string) error {
	if header == "" {
		return ErrUnsigned
	}
	sent := sha256.Sum256([]byte(presented(header))) // of equal length, whatever was sent
	if !slices.ContainsFunc(k.shared, func(secret []byte) bool {
		own := sha256.Sum256(secret)
		return hmac.Equal(sent[:], own[:])
	}) {
		return ErrSignature
	}
	return nil
}

func presented(header string) string {
	scheme, rest, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return strings.TrimSpace(rest)
	case "basic":
		if pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			return string(pair)
		}
	}
	return header
}
