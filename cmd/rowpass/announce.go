package main

import (
	"fmt"
	"net"
	"net/url"
)

// announce says where the API is, and for a demo how two tenants are seen apart.
func (s *service) announce(p *program, listeners []net.Listener) {
	attrs := []any{"listen", listeners[0].Addr().String(), "issuer", s.config.PublicURL, "demo", s.config.Issuer.Demo}
	if len(listeners) > 1 {
		attrs = append(attrs, "admin", listeners[1].Addr().String())
	}
	s.log.Info("serving", attrs...)
	base := reachableURL(s.config, listeners[0].Addr())
	if base != s.config.PublicURL && namesThisMachine(s.config.PublicURL) {
		s.log.Warn("public_url leads elsewhere: links and tokens name it, so set it to the address that clients use", "public_url", s.config.PublicURL, "listening", base)
	}
	if !s.config.Issuer.Demo {
		return
	}
	fmt.Fprintf(p.stdout, `
rowpass is at %[1]s; Ctrl-C stops it, and the data stays in %[2]s.
DEMO: GET /api/token gives anybody a token for any user. Not for production.

Open %[1]s in a browser and try to break in.
Or paste these into another terminal: the same request, for a user of each tenant.

  ACME=$(curl -s -H 'Accept: text/plain' '%[1]s/api/token?user=admin@acme.example')
  GLOBEX=$(curl -s -H 'Accept: text/plain' '%[1]s/api/token?user=admin@globex.example')
  for TOKEN in "$ACME" "$GLOBEX"; do curl -s -H "Authorization: Bearer $TOKEN" %[1]s/api/users; done

`, base, s.config.StateDir)
	if len(listeners) > 1 {
		fmt.Fprintf(p.stdout, "Health and metrics: http://%[1]s/readyz and http://%[1]s/metrics\n\n", listeners[1].Addr())
	}
}

// reachableURL is the public URL where it names the port that we listen on, else the address itself.
func reachableURL(c Config, addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	if u, err := url.Parse(c.PublicURL); err == nil && u.Port() == port {
		return c.PublicURL
	}
	scheme := "http"
	if c.TLS.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + addr.String()
}

// namesThisMachine says whether a URL's host is reached from here alone, so that nothing in front of us forwards from it, most likely.
func namesThisMachine(address string) bool {
	u, err := url.Parse(address)
	return err == nil && isLoopback(u.Host)
}
