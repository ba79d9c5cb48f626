package keys

import (
	"bytes"
	"context"
	"fmt"
)

// Store keeps the ring's document, which holds private keys. A folder is one, a row of a database another: that one
// comparison of versions decides who rotates.
type Store interface {
	// Load gives version "" and no error where there is no document yet.
	Load(ctx context.Context) (document []byte, version string, err error)
	// Swap writes document if version is still the stored one's. False where it is not: somebody else was faster.
	Swap(ctx context.Context, document []byte, version string) (swapped bool, err error)
}

// Load reads the ring of s and its version. Where s has none yet it is the empty ring, version "". A document that is
// wrapped with another secret than s has, or not at all, is a *WrapError.
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

// Update gives the ring of s to change, and stores what that returns; where somebody else was faster it does so again, with
// their ring. A ring that change leaves as it was isn't written. The result is the ring as it is stored. An error of change
// ends it and comes back as it is.
func Update(ctx context.Context, s Store, change func(Ring) (Ring, error)) (Ring, error) {
	for {
		was, version, err := Load(ctx, s)
		if err != nil {
			return Ring{}, err
		}
		r, err := change(was)
		if err != nil {
			return Ring{}, err
		}
		if swapped, err := swap(ctx, s, was, r, version); err != nil {
			return Ring{}, fmt.Errorf("writing ring: %w", err)
		} else if swapped {
			return r, nil
		}
		if err := ctx.Err(); err != nil {
			return Ring{}, fmt.Errorf("writing ring: %w", err)
		}
	}
}

// swap writes r if it is another ring than was, and says whether r is now stored.
func swap(ctx context.Context, s Store, was, r Ring, version string) (bool, error) {
	if was.equal(r) {
		return true, nil
	}
	document, err := encode(r)
	if err != nil {
		return false, err
	}
	return s.Swap(ctx, document, version)
}

// equal says whether both are stored as the same document.
func (r Ring) equal(o Ring) bool {
	a, errA := encode(r)
	b, errB := encode(o)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
