package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxKeySet     = 64 << 10 // bytes
	maxKeys       = 100      // in one set
	maxCandidates = 8        // keys that one token is tried with
)

// KeySet is somebody else's public keys, an immutable value. The zero KeySet is empty.
type KeySet struct {
	keys    []PublicKey
	skipped []SkippedKey
	byID    map[string][]PublicKey
}

// SkippedKey is a key of a set that verifies nothing.
type SkippedKey struct {
	ID      string // its kid as it came, "" where there is none: a stranger's text, to be quoted where it is shown
	Why     string // in words for whoever runs the provider
	Exposed bool   // a private or a symmetric key: whoever fetched the set can sign with it
}

var (
	errPage      = errors.New("it is a web page and no key set: check the address")
	errNoObject  = errors.New("it is no JSON object, so no key set")
	errTwice     = errors.New("a name is in it twice")
	errDiscovery = errors.New("it is a discovery document: the key set is at the address in its jwks_uri")
	errOneKey    = errors.New("it is one key: a key set has it in the array keys")
	errNoKeys    = errors.New("it has no array keys, so it is no key set")
)

// ParseKeySet reads a JWKS (RFC 7517 section 5), or Google's object of certificates by kid: at most 64 KiB and 100 keys. Keys
// that must not verify are skipped with the reason: of an unknown type or algorithm, for something else than signatures,
// symmetric, private, too short, or no point of their curve. What else comes with a key (x5c, x5u, …) is ignored: its own
// numbers are what counts. The error says why data is no key set at all, and quotes nothing of it.
func ParseKeySet(data []byte) (KeySet, error) {
	s, err := parseKeySet(data)
	if err != nil {
		return KeySet{}, fmt.Errorf("reading key set: %w", err)
	}
	return s, nil
}

func parseKeySet(data []byte) (KeySet, error) {
	if len(data) > maxKeySet {
		return KeySet{}, fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return KeySet{}, errPage
	}
	set, err := readMembers(data)
	if err != nil {
		return KeySet{}, err
	}
	if set["keys"] == nil && isCertificates(set) {
		return parseCertificates(set)
	}
	var all []json.RawMessage
	if json.Unmarshal(set["keys"], &all) != nil || all == nil {
		return KeySet{}, notASet(set)
	}
	if err := checkCount(len(all)); err != nil {
		return KeySet{}, err
	}
	var s KeySet
	for _, raw := range all {
		s.add(parsePublic(raw))
	}
	return s, nil
}

func checkCount(n int) error {
	if n > maxKeys {
		return fmt.Errorf("it has %d keys, more than %d", n, maxKeys)
	}
	return nil
}

// notASet guesses what a document is instead, since a wrong address is the usual mistake.
func notASet(members map[string]json.RawMessage) error {
	switch {
	case members["jwks_uri"] != nil:
		return errDiscovery
	case members["kty"] != nil:
		return errOneKey
	}
	return errNoKeys
}

// readMembers reads one JSON object. encoding/json alone would take a name in any case, and of two the last.
func readMembers(data []byte) (map[string]json.RawMessage, error) {
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("{")) || !utf8.Valid(data) || !json.Valid(data) {
		return nil, errNoObject
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil, errNoObject
	}
	members := map[string]json.RawMessage{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errNoObject
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errNoObject
		}
		text, _ := name.(string)
		if members[text] != nil {
			return nil, errTwice
		}
		members[text] = value
	}
	return members, nil
}

// add takes a key, or the reason why not.
func (s *KeySet) add(k PublicKey, no *SkippedKey) {
	switch {
	case no != nil:
		s.skipped = append(s.skipped, *no)
	case s.Holds(k):
		s.skipped = append(s.skipped, SkippedKey{ID: k.id, Why: "it is in the set twice"})
	default:
		if s.byID == nil {
			s.byID = map[string][]PublicKey{}
		}
		s.keys, s.byID[k.id] = append(s.keys, k), append(s.byID[k.id], k)
	}
}

// Keys are those that verify, in the set's order.
func (s KeySet) Keys() []PublicKey { return slices.Clone(s.keys) }

// Skipped are the others.
func (s KeySet) Skipped() []SkippedKey { return slices.Clone(s.skipped) }

// Find gives the keys with that kid that may verify alg: more than one where a provider gave a kid twice. For a token without
// a kid ("") it gives all that may verify alg, whatever they are called. It is never more than eight.
func (s KeySet) Find(kid, alg string) []PublicKey {
	named := s.keys
	if kid != "" {
		named = s.byID[kid]
	}
	var found []PublicKey
	for _, k := range named {
		if len(found) < maxCandidates && k.verifies(alg) {
			found = append(found, k)
		}
	}
	return found
}

// Holds says whether k is in the set, with the same kid and for the same algorithms.
func (s KeySet) Holds(k PublicKey) bool { return slices.ContainsFunc(s.byID[k.id], k.Equal) }

// equal says whether both hold the same keys. What was skipped doesn't count.
func (s KeySet) equal(o KeySet) bool { return slices.EqualFunc(s.keys, o.keys, PublicKey.Equal) }

// shared gives the kids that more than one key has.
func (s KeySet) shared() []string {
	var out []string
	for id, same := range s.byID {
		if id != "" && len(same) > 1 {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
