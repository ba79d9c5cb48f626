package api

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Limits are how many requests a minute are answered, by this instance; 0 is no limit. A minute's allowance may be spent
// at once and comes back evenly. An IPv6 network of 64 bits counts as one address: it is what one customer gets.
type Limits struct {
	TokenPerAddress, TokenPerClient                 int // the token endpoint and revocation
	LoginPerAddress, LoginPerAccount                int // POST /api/login; of an account, wrong passwords
	IntrospectionPerAddress, IntrospectionPerClient int // POST /api/introspect
}

// limitKind is one of Limits' fields.
type limitKind int

const (
	tokenPerAddress limitKind = iota
	tokenPerClient
	loginPerAddress
	loginPerAccount
	introspectionPerAddress
	introspectionPerClient
)

// limiters holds the buckets of each kind; nil where there is no limit.
type limiters [introspectionPerClient + 1]*buckets

func newLimiters(l Limits) (all limiters) {
	const address, client, account = "this address sends too many", "this client sends too many", "too many wrong passwords for this account"
	for kind, c := range map[limitKind]struct {
		perMinute int
		why       string
	}{
		tokenPerAddress: {l.TokenPerAddress, address}, tokenPerClient: {l.TokenPerClient, client},
		loginPerAddress: {l.LoginPerAddress, address}, loginPerAccount: {l.LoginPerAccount, account},
		introspectionPerAddress: {l.IntrospectionPerAddress, address}, introspectionPerClient: {l.IntrospectionPerClient, client},
	} {
		if c.perMinute > 0 {
			all[kind] = newBuckets(c.perMinute, c.why)
		}
	}
	return all
}

// limit takes one from what the key has left of this kind, or returns a *limitError. A client's key is its ID once it has
// proved who it is: else a stranger could use up another's.
func (a *api) limit(kind limitKind, key string) error { return a.limiters[kind].take(key, a.Now()) }

// limitAddress is limit for the network that the request comes from.
func (a *api) limitAddress(kind limitKind, r *http.Request) error {
	return a.limit(kind, network(a.clientAddress(r)))
}

// forgive gives back what limit took.
func (a *api) forgive(kind limitKind, key string) { a.limiters[kind].giveBack(key, a.Now()) }

// network is whom an address belongs to: itself, or in IPv6 its first 64 bits.
func network(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
	}
	return address
}

// maxBuckets is how many keys of a kind are remembered, at some 300 bytes each. Whoever has more addresses than that to
// push others out with has as many allowances anyway.
const maxBuckets = 1 << 14

// buckets holds a token bucket for each key; the one that was not used for longest is forgotten first. Nil limits nothing.
type buckets struct {
	perMinute int
	why       string // what a client is told
	known     *lru.Cache[string, *rate.Limiter]
}

func newBuckets(perMinute int, why string) *buckets {
	known, _ := lru.New[string, *rate.Limiter](maxBuckets) // refuses sizes below 1 only
	return &buckets{perMinute, why, known}
}

func (b *buckets) take(key string, now time.Time) error {
	if b == nil {
		return nil
	}
	l := b.of(key)
	if l.AllowN(now, 1) {
		return nil
	}
	missing := 1 - l.TokensAt(now)
	return &limitError{b.why, time.Duration(missing / float64(l.Limit()) * float64(time.Second))}
}

// giveBack undoes take. A bucket never holds more than its burst: what is too much is gone with the next look at it.
func (b *buckets) giveBack(key string, now time.Time) {
	if b != nil {
		b.of(key).AllowN(now, -1)
	}
}

func (b *buckets) of(key string) *rate.Limiter {
	if l, ok := b.known.Get(key); ok {
		return l
	}
	fresh := rate.NewLimiter(rate.Limit(float64(b.perMinute)/60), b.perMinute)
	if l, ok, _ := b.known.PeekOrAdd(key, fresh); ok { // somebody was faster
		return l
	}
	return fresh
}

// errLimited is what every limitError is.
var errLimited = errors.New("too many requests")

// limitError says how long to wait.
type limitError struct {
	why   string
	retry time.Duration
}

func (e *limitError) Error() string { return errLimited.Error() + ": " + e.why }
func (e *limitError) Unwrap() error { return errLimited }

// retryAfter is in whole seconds, rounded up, so that who waits that long is answered (RFC 9110, section 10.2.3).
func (e *limitError) retryAfter() string {
	return strconv.Itoa(max(1, int(math.Ceil(e.retry.Seconds()))))
}
