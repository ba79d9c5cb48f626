package api

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// Limits are how many requests a minute are answered, by this instance; 0 is no limit. A minute's allowance may be spent
// at once and comes back evenly. An IPv6 network of 64 bits counts as one address: it is what one customer gets. One of 48 bits,
// which is for the asking too, has a hundred times an address's allowance.
//
// LoginPerAddress is the allowance of two kinds, each by itself: attempts to log in, and wrong secrets of clients at whichever
// endpoint.
type Limits struct {
	TokenPerAddress, TokenPerClient                 int // the token endpoint and revocation; of an address, POST /api/logout too
	LoginPerAddress, LoginPerAccount                int // POST /api/login and wrong secrets; of an account, wrong passwords
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
	wrongSecretPerAddress
)

// limiters holds the buckets of each kind; nil where there is no limit.
type limiters [wrongSecretPerAddress + 1]*buckets

func newLimiters(l Limits) (all limiters) {
	const (
		address = "this address sends too many"
		client  = "this client sends too many"
		account = "too many wrong passwords for this account"
		secret  = "too many wrong secrets from this address"
	)
	for kind, c := range map[limitKind]struct {
		perMinute int
		why       string
	}{
		tokenPerAddress: {l.TokenPerAddress, address}, tokenPerClient: {l.TokenPerClient, client},
		loginPerAddress: {l.LoginPerAddress, address}, loginPerAccount: {l.LoginPerAccount, account},
		introspectionPerAddress: {l.IntrospectionPerAddress, address}, introspectionPerClient: {l.IntrospectionPerClient, client},
		wrongSecretPerAddress: {l.LoginPerAddress, secret},
	} {
		if c.perMinute == 0 {
			continue
		}
		all[kind] = &buckets{c.perMinute, c.why, newRecent()}
		if kind == loginPerAccount {
			all[kind].kept = newTable()
		}
	}
	return all
}

// limit takes one from what the key has left of this kind, or returns a *limitError. A client's key is its ID once it has
// proved who it is: else a stranger could use up another's.
func (a *api) limit(kind limitKind, key string) error { return a.limiters[kind].take(key, 1, a.Now()) }

// siteAllowance is how many times an address's allowance a site of IPv6 has. It bounds those who have 65,536 networks to
// send from, and leaves room for the others where a site is a whole town.
const siteAllowance = 100

// limitAddress is limit for the network that the request comes from, and then for its site: a network that has used up its
// own takes nothing of its neighbours'.
func (a *api) limitAddress(kind limitKind, r *http.Request) error {
	address := a.clientAddress(r)
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() {
		return a.limit(kind, address)
	}
	if err := a.limit(kind, prefix(ip, 64)); err != nil {
		return err
	}
	return a.limiters[kind].take(prefix(ip, 48), siteAllowance, a.Now())
}

func prefix(ip netip.Addr, bits int) string {
	return netip.PrefixFrom(ip.WithZone(""), bits).Masked().String()
}

// forgive gives back what limit took.
func (a *api) forgive(kind limitKind, key string) { a.limiters[kind].giveBack(key, a.Now()) }

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
