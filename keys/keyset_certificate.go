package keys

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
)

const certificateHead = "-----BEGIN CERTIFICATE-----"

// isCertificates knows Google's older form, in which each kid names a certificate in PEM.
func isCertificates(set map[string]json.RawMessage) bool {
	for _, raw := range set {
		var text string
		if json.Unmarshal(raw, &text) != nil || !strings.HasPrefix(text, certificateHead) {
			return false
		}
	}
	return len(set) > 0
}

// parseCertificates takes the keys and nothing else: who vouches for them is whoever answers at the provider's address.
// They are made and taken away by their being in the set, so the dates don't count.
func parseCertificates(set map[string]json.RawMessage) (KeySet, error) {
	if err := checkCount(len(set)); err != nil {
		return KeySet{}, err
	}
	var s KeySet
	for _, id := range slices.Sorted(maps.Keys(set)) {
		k, err := parseCertificate(id, set[id])
		if err != nil {
			s.add(PublicKey{}, &SkippedKey{ID: id, Why: err.Error()})
			continue
		}
		s.add(k, nil)
	}
	return s, nil
}

func parseCertificate(id string, raw json.RawMessage) (PublicKey, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return PublicKey{}, errNoObject
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return PublicKey{}, errors.New("its certificate is no PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return PublicKey{}, errors.New("its certificate cannot be read")
	}
	if usage := certificate.KeyUsage; usage != 0 && usage&x509.KeyUsageDigitalSignature == 0 {
		return PublicKey{}, errors.New("its certificate is not for signatures")
	}
	return newPublicKey(certificate.PublicKey, id, "", "")
}
