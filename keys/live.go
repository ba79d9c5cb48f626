package keys

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

var errGone = errors.New("the ring is gone from its store, and the one that was read before goes on: restore it from a backup")

// Live is the ring as it was last read from its store. Any number of goroutines may use it; asking for the ring costs one
// atomic load.
type Live struct {
	store Store
	ring  atomic.Pointer[Ring]
	busy  chan struct{} // has an element while somebody works on the store: an older ring must not follow a newer one

	// Of the document that ring was decoded from; not known after a write. Whoever has busy may touch them.
	version string
	known   bool
}

// Open reads the ring of s, which may be empty.
func Open(ctx context.Context, s Store) (*Live, error) {
	r, version, err := Load(ctx, s)
	if err != nil {
		return nil, err
	}
	l := &Live{store: s, busy: make(chan struct{}, 1), version: version, known: true}
	l.ring.Store(&r)
	return l, nil
}

// Ring is the ring as it was last read.
func (l *Live) Ring() Ring { return *l.ring.Load() }

// Reload reads the document and decodes it if it is another one than before. After an error the ring stays as it was: so
// it does where the document is gone.
func (l *Live) Reload(ctx context.Context) (changed bool, err error) {
	release, err := l.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	data, version, err := l.store.Load(ctx)
	if err != nil {
		return false, fmt.Errorf("reading ring: %w", err)
	}
	if l.known && version == l.version {
		return false, nil
	}
	r, err := l.decode(data, version)
	if err != nil {
		return false, fmt.Errorf("reading ring: %w", err)
	}
	changed = !r.equal(l.Ring())
	l.ring.Store(&r)
	l.version, l.known = version, true
	return changed, nil
}

func (l *Live) decode(data []byte, version string) (Ring, error) {
	if version != "" {
		return decode(data)
	}
	if l.lacks(Ring{}) {
		return Ring{}, errGone
	}
	return Ring{}, nil
}

// lacks says that r has nothing where there was something: a ring never becomes empty by itself.
func (l *Live) lacks(r Ring) bool { return len(r.keys) == 0 && len(l.Ring().keys) > 0 }

// Update is the function of that name on the store, and takes the ring that is stored then.
func (l *Live) Update(ctx context.Context, change func(Ring) (Ring, error)) error {
	release, err := l.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, err := Update(ctx, l.store, func(stored Ring) (Ring, error) {
		if l.lacks(stored) {
			return Ring{}, fmt.Errorf("reading ring: %w", errGone)
		}
		return change(stored)
	})
	if err != nil {
		return err
	}
	l.ring.Store(&r)
	l.known = false
	return nil
}

// acquire waits until nobody else works on the store or ctx ends.
func (l *Live) acquire(ctx context.Context) (release func(), err error) {
	select {
	case l.busy <- struct{}{}:
		return func() { <-l.busy }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the ring: %w", ctx.Err())
	}
}
