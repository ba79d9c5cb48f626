package api

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// buckets holds a token bucket for each key. Nil limits nothing.
type buckets struct {
	perMinute int
	why       string // what a client is told
	kept      keeper
}

// keeper gives a key's bucket, and makes it where there is none. Any number of goroutines may ask.
type keeper interface {
	of(key string, perMinute int) *rate.Limiter
}

// take takes one from what the key has left, times as much as perMinute at most.
func (b *buckets) take(key string, times int, now time.Time) error {
	if b == nil {
		return nil
	}
	l := b.kept.of(key, b.perMinute*times)
	if l.AllowN(now, 1) {
		return nil
	}
	missing := 1 - l.TokensAt(now)
	return &limitError{b.why, time.Duration(missing / float64(l.Limit()) * float64(time.Second))}
}

// giveBack undoes take. A bucket never holds more than its burst: what is too much is gone with the next look at it.
func (b *buckets) giveBack(key string, now time.Time) {
	if b != nil {
		b.kept.of(key, b.perMinute).AllowN(now, -1)
	}
}

func newBucket(perMinute int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
}

// maxBuckets is how many keys of a kind are remembered, at some 300 bytes each. Whoever has more addresses than that to
// push others out with has as many allowances anyway; a site of IPv6 stays as long as one of its networks sends.
const maxBuckets = 1 << 14

// recent keeps the buckets that were used last. It is for keys that nobody has many of.
type recent struct {
	known *lru.Cache[string, *rate.Limiter]
}

func newRecent() recent {
	known, _ := lru.New[string, *rate.Limiter](maxBuckets) // refuses sizes below 1 only
	return recent{known}
}

func (k recent) of(key string, perMinute int) *rate.Limiter {
	if l, ok := k.known.Get(key); ok {
		return l
	}
	fresh := newBucket(perMinute)
	if l, ok, _ := k.known.PeekOrAdd(key, fresh); ok { // somebody was faster
		return l
	}
	return fresh
}

// table has a place for every key, and keeps each bucket for good: it is for keys that strangers make up, such as e-mail
// addresses, who would push others out of recent and so give themselves new attempts. Full, it takes some 8 MB.
//
// Two keys may share a place, and what is wrong with one then counts for both. Which ones they are depends on a seed that
// nobody outside this process has, so that nobody can look for them beforehand; who finds a pair by trying can lock an
// account by means of the other, as by naming it. Sharing never gives anybody more attempts.
type table struct {
	seed   maphash.Seed
	places [1 << 16]atomic.Pointer[rate.Limiter]
}

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

func (t *table) of(key string, perMinute int) *rate.Limiter {
	place := &t.places[maphash.String(t.seed, key)%uint64(len(t.places))]
	if l := place.Load(); l != nil {
		return l
	}
	place.CompareAndSwap(nil, newBucket(perMinute)) // or somebody was faster
	return place.Load()
}
