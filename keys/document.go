package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// format is the document's. A program that meets a newer one must not guess what its states mean. Format 1 had neither
// times nor the states Standby and Revoked.
const format = 2

const (
	maxRing    = 512 << 10                  // bytes of a document before it is wrapped
	maxPromise = 100 * 366 * 24 * time.Hour // more is no life of a token, and would overflow
)

var errDamaged = errors.New("the document is damaged: restore it from a backup")

type document struct {
	Format int     `json:"format"`
	Keys   []entry `json:"keys"`
}

// entry is one key. A revoked one has Algorithm instead of Key.
type entry struct {
	ID        string          `json:"kid"`
	State     State           `json:"state"`
	CreatedAt time.Time       `json:"created_at"`
	Since     time.Time       `json:"since"`
	Promised  int64           `json:"longest_ttl_seconds,omitempty"`
	Until     time.Time       `json:"until,omitzero"`
	Algorithm string          `json:"alg,omitempty"`
	Key       json.RawMessage `json:"key,omitempty"` // the private JWK
}

func encode(r Ring) ([]byte, error) {
	d := document{Format: format, Keys: make([]entry, len(r.keys))}
	for i, k := range r.keys {
		d.Keys[i] = k.entry()
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err == nil && len(data) >= maxRing {
		err = fmt.Errorf("%d keys are too many for one document: let previous ones get out of date before rotating again", len(r.keys))
	}
	return append(data, '\n'), err
}

func (k Key) entry() entry {
	e := entry{ID: k.id, State: k.state, CreatedAt: k.created, Since: k.since, Promised: int64(k.promised / time.Second), Until: k.until}
	if k.halves == nil {
		e.Algorithm = k.alg
	} else {
		e.Key = k.halves().privateJWK
	}
	return e
}

// decode never wraps what a parser says: it may quote what it read.
func decode(data []byte) (Ring, error) {
	if err := checkHead(data); err != nil {
		return Ring{}, err
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&d) != nil {
		return Ring{}, errDamaged
	}
	keys := make([]Key, len(d.Keys))
	for i, e := range d.Keys {
		if d.Format == 1 {
			e.Since = e.CreatedAt
		}
		k, err := e.key()
		if err != nil {
			return Ring{}, fmt.Errorf("key %d of the document: %w", i+1, err)
		}
		keys[i] = k
	}
	return newRing(keys)
}

// checkHead says what a document is that isn't a ring's of a format that we know.
func checkHead(data []byte) error {
	var head struct {
		Format int
		envelopeHead
	}
	if json.Unmarshal(data, &head) != nil {
		return errDamaged
	}
	if head.WrappedBy != "" {
		return &WrapError{Stored: head.WrappedBy}
	}
	if head.Format < 1 || head.Format > format {
		return fmt.Errorf("the document has format %d and this program knows 1 to %d: run the version that wrote it", head.Format, format)
	}
	return nil
}

func (e entry) key() (Key, error) {
	k, err := e.parse()
	if err != nil {
		return Key{}, err
	}
	if k.id != e.ID {
		return Key{}, errors.New("its kid is not its thumbprint: the document was edited")
	}
	promised := time.Duration(e.Promised) * time.Second
	if e.Promised < 0 || e.Promised > int64(maxPromise/time.Second) || !e.Until.IsZero() && e.State != Previous ||
		!isTime(e.CreatedAt) || !isTime(e.Since) || !e.Until.IsZero() && !isTime(e.Until) {
		return Key{}, errors.New("its times make no sense: the document was edited")
	}
	k.state, k.since, k.promised, k.until = e.State, e.Since.UTC(), promised, e.Until.UTC()
	return k, nil
}

// parse gives the key itself. What is left of a revoked one is its name.
func (e entry) parse() (Key, error) {
	if e.State != Revoked {
		private, err := parsePrivate(e.Key)
		if err != nil {
			return Key{}, err
		}
		return newKey(private, e.CreatedAt)
	}
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(e.ID); err != nil || len(sum) != 32 || len(e.Key) > 0 ||
		!slices.Contains(Algorithms(), e.Algorithm) {
		return Key{}, errors.New("a revoked one has kid and alg, and nothing of the key itself: the document was edited")
	}
	return Key{id: e.ID, alg: e.Algorithm, created: e.CreatedAt.UTC().Truncate(time.Second)}, nil
}

// isTime refuses the zero time, which is older than any wait, and times that cannot be written again, whatever zone they
// were given in.
func isTime(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1970 && year <= 9999
}
