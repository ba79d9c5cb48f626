package identity

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

const (
	maxBarren = 3              // pages in a row that name nobody new
	maxEmpty  = 1000           // pages in a row without anybody
	maxPages  = 1_000_000      // of one walk
	maxWalk   = 24 * time.Hour // after that a run that broke off wouldn't be gone on with either
)

// ErrEndless says that a list goes on without coming to an end. The run ends: who isn't in such a list is not gone.
var ErrEndless = errors.New("its list has no end")

// walk sees whether a list is getting on while it is read. Of users it keeps short hashes, which take some 13 bytes each: that one is
// taken for another by chance matters only where all of a page's are, pages on end.
type walk struct {
	begun   time.Time
	seed    maphash.Seed
	cursors map[uint64]struct{}
	users   map[uint32]struct{}
	pages   int
	barren  int // pages in a row, up to now, that had users and named nobody new
	empty   int // pages in a row, up to now, without users
}

// newWalk is one from a cursor on.
func newWalk(cursor string, now time.Time) *walk {
	w := &walk{begun: now, seed: maphash.MakeSeed(), cursors: map[uint64]struct{}{}, users: map[uint32]struct{}{}}
	w.cursors[w.hash(cursor)] = struct{}{}
	return w
}

func (w *walk) hash(text string) uint64 { return maphash.String(w.seed, text) }

// took notes whom a page has named, and is ErrEndless where it is no use to read the next one. A few pages may name nobody new:
// they begin anew behind each other's last moment, or shift while they are read.
func (w *walk) took(named []string, next string, now time.Time) error {
	w.count(named)
	w.pages++
	at := w.hash(next)
	_, read := w.cursors[at]
	switch {
	case next == "":
		return nil
	case read:
		return fmt.Errorf("%w: page %d names a page as the next one that was read before; see that api.url and api.next are right", ErrEndless, w.pages)
	case w.barren >= maxBarren:
		return fmt.Errorf("%w: %d pages in a row name nobody but whom earlier ones have named; see that the API heeds the place in api.url ({page}, {offset} or {cursor})", ErrEndless, w.barren)
	case w.empty >= maxEmpty:
		return fmt.Errorf("%w: %d pages in a row name nobody, and yet a next one", ErrEndless, w.empty)
	case w.pages >= maxPages:
		return fmt.Errorf("%w: %d pages were read, and there are more", ErrEndless, w.pages)
	case now.Sub(w.begun) >= maxWalk:
		return fmt.Errorf("%w: it was read for 24 hours, %d pages, and there are more", ErrEndless, w.pages)
	}
	w.cursors[at] = struct{}{}
	return nil
}

func (w *walk) count(named []string) {
	before := len(w.users)
	for _, user := range named {
		w.users[uint32(w.hash(user))] = struct{}{} //nolint:gosec // a part of it is enough
	}
	switch {
	case len(named) == 0:
		w.empty++
	case len(w.users) == before:
		w.barren++
	default:
		w.barren, w.empty = 0, 0
	}
}
