package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrConflict says that somebody else has written the ring since it was read: read it again, and decide again.
var ErrConflict = errors.New("the ring was changed meanwhile by another process")

// Store keeps the ring's document, which holds private keys. Swap writes it only if version is still the stored one,
// else it returns ErrConflict: that one comparison decides who rotates.
type Store interface {
	// Load gives version "" and no error where there is no document yet.
	Load(ctx context.Context) (document []byte, version string, err error)
	Swap(ctx context.Context, document []byte, version string) error
}

// format is the document's. A program that meets a newer one must not guess what its states mean.
const format = 1

type document struct {
	Format int     `json:"format"`
	Keys   []entry `json:"keys"`
}

type entry struct {
	ID        string          `json:"kid"`
	State     State           `json:"state"`
	CreatedAt time.Time       `json:"created_at"`
	Key       json.RawMessage `json:"key"` // the private JWK
}

// Load reads the ring of s and the version to give to Save. Where s has none yet it is the empty ring, version "".
func Load(ctx context.Context, s Store) (Ring, string, error) {
	data, version, err := s.Load(ctx)
	if err != nil {
		return Ring{}, "", fmt.Errorf("reading ring: %w", err)
	}
	if version == "" {
		return Ring{}, "", nil
	}
	r, err := decode(data)
	if err != nil {
		return Ring{}, "", fmt.Errorf("reading ring: %w", err)
	}
	return r, version, nil
}

// Save writes r to s if version is still the stored one, else it returns ErrConflict.
func Save(ctx context.Context, s Store, r Ring, version string) error {
	data, err := encode(r)
	if err != nil {
		return fmt.Errorf("writing ring: %w", err)
	}
	if err := s.Swap(ctx, data, version); err != nil {
		return fmt.Errorf("writing ring: %w", err)
	}
	return nil
}

func encode(r Ring) ([]byte, error) {
	d := document{Format: format, Keys: make([]entry, len(r.keys))}
	for i, k := range r.keys {
		d.Keys[i] = entry{k.id, k.state, k.created, k.halves().privateJWK}
	}
	data, err := json.MarshalIndent(d, "", "  ")
	return append(data, '\n'), err
}

// decode never wraps what a parser says: it may quote what it read.
func decode(data []byte) (Ring, error) {
	var head struct{ Format int }
	if json.Unmarshal(data, &head) != nil {
		return Ring{}, errors.New("the document is damaged: restore it from a backup")
	}
	if head.Format != format {
		return Ring{}, fmt.Errorf("the document has format %d and this program knows %d: run the version that wrote it", head.Format, format)
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&d) != nil {
		return Ring{}, errors.New("the document is damaged: restore it from a backup")
	}
	keys := make([]Key, len(d.Keys))
	for i, e := range d.Keys {
		k, err := e.key()
		if err != nil {
			return Ring{}, fmt.Errorf("key %d of the document: %w", i+1, err)
		}
		keys[i] = k
	}
	return newRing(keys)
}

func (e entry) key() (Key, error) {
	private, err := parsePrivate(e.Key)
	if err != nil {
		return Key{}, err
	}
	k, err := newKey(private, e.CreatedAt)
	if err != nil {
		return Key{}, err
	}
	if k.id != e.ID {
		return Key{}, errors.New("its kid is not its thumbprint: the document was edited")
	}
	k.state = e.State
	return k, nil
}
