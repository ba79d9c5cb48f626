package keys

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"rowpass/outbound"
)

// address is a URL that may be fetched, in the one spelling that patterns are compared with.
type address struct {
	text  string // scheme and host in lower case, no default port, no slash at the end
	host  string // without port, and without brackets
	port  string // "" where it is the default one
	plain bool   // http
	slash bool   // one was there at the end
}

var (
	errPlaceholder = errors.New("there is still a placeholder in it: put your own value in its place")
	errURL         = errors.New("it is no URL of the form https://host/path")
	errUserInfo    = errors.New("there is something before an @ in it: a user name, or another host than the one that would be asked. Leave that out")
	errFragment    = errors.New("there is a # in it: leave it out, with what follows")
	errHost        = errors.New("its host is neither a name, in ASCII letters, nor an IP address")
	errDots        = errors.New("there is . or .. as a part of its path: write the path without")
	errPlain       = errors.New("it is http, which anybody on the way can change: give the https address. A host of your own network that has none, and a name as " +
		"public ones are, goes into the configuration by hand, as jwks_url and in allow_private")
)

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// parseAddress reads a URL and refuses what people and programs read differently. Its errors quote nothing of text.
func parseAddress(text string) (address, error) {
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\\\"^`|<>{}", c) }) {
		return address{}, errURL
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" {
		return address{}, errURL
	}
	if u.User != nil {
		return address{}, errUserInfo
	}
	if strings.Contains(text, "#") {
		return address{}, errFragment
	}
	a := address{host: strings.ToLower(u.Hostname()), port: u.Port(), plain: u.Scheme == "http"}
	if a.port == "443" && !a.plain || a.port == "80" && a.plain {
		a.port = ""
	}
	if !isHost(a.host) {
		return address{}, errHost
	}
	return a.withPath(u)
}

func (a address) withPath(u *url.URL) (address, error) {
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == "." || part == ".." {
			return address{}, errDots
		}
	}
	path, slash := strings.CutSuffix(u.EscapedPath(), "/")
	a.slash = slash
	a.text = u.Scheme + "://" + a.hostPort() + path
	if u.RawQuery != "" {
		a.text += "?" + u.RawQuery
	}
	return a, nil
}

// isHost refuses, beside what is no name, IPv4 addresses in spellings that not everybody reads alike (127.1, 0x7f000001).
func isHost(host string) bool {
	if at, err := netip.ParseAddr(host); err == nil {
		return at.Zone() == ""
	}
	if len(host) > 253 || !hostName.MatchString(host) {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.ContainsFunc(last, func(c rune) bool { return c < '0' || c > '9' }) && !strings.HasPrefix(last, "0x")
}

func (a address) hostPort() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != "" {
		host += ":" + a.port
	}
	return host
}

func (a address) isLoopback() bool {
	at, err := netip.ParseAddr(a.host)
	return a.host == "localhost" || strings.HasSuffix(a.host, ".localhost") || err == nil && at.Unmap().IsLoopback()
}

// isPrivate says whether it can be seen from the address that no Remote asks it unless it is allowed by name.
func (a address) isPrivate() bool {
	at, err := netip.ParseAddr(a.host)
	return a.isLoopback() || err == nil && !outbound.IsPublic(at) || err != nil && a.isInternal()
}

// isInternal says whether host is a name that no public DNS has: one of Docker's or Kubernetes', or of one's own network (RFC 6762,
// RFC 8375, and .internal, which ICANN reserved).
func (a address) isInternal() bool {
	return !strings.Contains(a.host, ".") || slices.ContainsFunc([]string{".local", ".internal", ".home.arpa", ".svc"}, func(end string) bool {
		return strings.HasSuffix(a.host, end)
	})
}

// checkPlain lets http through in one's own network alone, and not to where a cloud tells machines their secrets (169.254.169.254).
func (a address) checkPlain() error {
	at, _ := netip.ParseAddr(a.host)
	if a.plain && (!a.isPrivate() || at.Unmap().IsLinkLocalUnicast()) {
		return errPlain
	}
	return nil
}

// isBare says whether nothing but the host can tell whose address it is.
func (a address) isBare() bool {
	_, rest, _ := strings.Cut(a.text, "://")
	_, path, _ := strings.Cut(rest, "/")
	return slices.Contains([]string{"", ".well-known/jwks.json", ".well-known/jwks"}, path)
}

// issuer is the text that an iss of this address most likely has: with the slash at the end, if there was one.
func (a address) issuer() string {
	if a.slash {
		return a.text + "/"
	}
	return a.text
}

// below gives what a discovery document lies below (OpenID Connect Discovery section 4.1, RFC 8414 section 3.1).
func (a address) below() (string, bool) {
	if base, ok := strings.CutSuffix(a.text, "/.well-known/openid-configuration"); ok {
		return base, true
	}
	host, path, ok := strings.Cut(a.text, "/.well-known/oauth-authorization-server")
	return host + path, ok && !strings.Contains(path, "?")
}

// isKeySet tells a key set's address from an issuer, where nothing else is known of it.
func (a address) isKeySet() bool {
	path, _, query := strings.Cut(a.text, "?")
	last := path[strings.LastIndexByte(path, '/')+1:]
	return query || strings.HasSuffix(last, ".json") || slices.Contains([]string{"jwks", "jwks_uri", "certs", "keys"}, last)
}
