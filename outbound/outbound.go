// Package outbound asks other people's servers, and none of ours: whatever name a stranger or a provider gives, and wherever that
// leads by DNS or a redirect, no request reaches a private address unless a person has allowed it by name.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxAnswerHeader is how many bytes the header of an answer may have.
const maxAnswerHeader = 64 << 10

// Hosts are those that may be asked by plain http and at private addresses. The zero value has none.
type Hosts struct {
	names []string // hosts, and hosts with a port, in lower case
}

// Allow reads hosts as a configuration has them: keycloak, or keycloak:8080 for that port alone.
func Allow(names []string) (Hosts, error) {
	h := Hosts{make([]string, len(names))}
	for i, name := range names {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			host, port = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), ""
		}
		if host == "" || strings.ContainsAny(host, "/@*?# []") || strings.Trim(port, "0123456789") != "" {
			return Hosts{}, fmt.Errorf("allow_private has %.100q: give a host, or host:port, such as keycloak:8080", name)
		}
		h.names[i] = strings.ToLower(host)
		if port != "" {
			h.names[i] = net.JoinHostPort(h.names[i], port)
		}
	}
	return h, nil
}

// has compares names, not addresses: what a name leads to may change.
func (h Hosts) has(host, port string) bool {
	host = strings.ToLower(host)
	return slices.Contains(h.names, host) || slices.Contains(h.names, net.JoinHostPort(host, port))
}

// Check looks at an address before it is asked; what its name leads to is looked at when it is dialled. The error begins with a
// verb, for a caller who says which address it is; harm is what anybody on the way could do without https.
func (h Hosts) Check(address, harm string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("is no URL: give one that begins with https://")
	}
	switch {
	case u.User != nil:
		return errors.New("has a user or a password in it: leave that out")
	case u.Fragment != "":
		return errors.New("has a # in it: leave out what follows")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("begins with %.20q: give one that begins with https://", u.Scheme)
	case u.Scheme == "http" && !h.has(u.Hostname(), port(u)):
		return fmt.Errorf("is not https, so anybody on the way could %s: name %s in allow_private if that is your own network", harm, u.Host)
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// Client asks these hosts, and everybody on the internet. It follows no redirects, keeps no cookies, and takes no proxy from the
// environment: behind one, the address that is dialled would be the proxy's. How long it may take is for each request's context.
// Its Transport is an *http.Transport of its own, which the caller may change before the first request.
func (h Hosts) Client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            h.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
