package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// ErrPrivate is how a dial ends that would have reached inside.
var ErrPrivate = errors.New("it is no public address: name the host in allow_private if it is meant")

// dial is a transport's. The check is made on each address that a name gives, right before it is connected to, so that
// nothing can change in between.
func (h Hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	if !h.has(host, port) {
		dialer.ControlContext = refusePrivate
	}
	return dialer.DialContext(ctx, network, address)
}

func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading address: %w", err)
	}
	if !IsPublic(at.Addr()) {
		return ErrPrivate
	}
	return nil
}

// IsPublic says whether an address belongs to somebody on the internet (RFC 6890 and IANA's registries of special addresses).
func IsPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if in(a, "64:ff9b::/96") { // RFC 6052: an IPv4 address behind a NAT64
		octets := a.As16()
		a = netip.AddrFrom4([4]byte(octets[12:]))
	}
	if a.Is4() {
		return !in(a, special4()...)
	}
	return in(a, "2000::/3") && !in(a, special6()...)
}

func special4() []string {
	return []string{
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared by a carrier's customers, and by clouds for their metadata
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local: metadata of clouds
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // relays of 6to4
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast
	}
}

// special6 are those within 2000::/3. Nothing outside of that is assigned to anybody on the internet.
func special6() []string {
	return []string{
		"2001::/23",     // protocol assignments; Teredo, which has an IPv4 address in it
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4, likewise
		"3fff::/20",     // documentation
	}
}

func in(a netip.Addr, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return netip.MustParsePrefix(p).Contains(a) })
}
