package keys_test

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"rowpass/keys"
)

// Whoever listens on this machine is not asked unless it is allowed by the name that the address has, however it is written,
// and whatever name leads to it.
func TestRemoteDialsNoPrivateAddress(t *testing.T) {
	p := &provider{}
	p.Server = httptest.NewTLSServer(p)
	defer p.Close()
	p.gives("{}")
	_, port, err := net.SplitHostPort(p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]",
		"10.0.0.1", "169.254.169.254", "192.168.1.1", "100.100.100.200", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]"} {
		for _, allow := range []string{"keycloak", "127.0.0.2", "127.0.0.1:1", "localhost:1"} {
			cfg := keys.RemoteConfig{Name: "acme", URL: "https://" + host + ":" + port + "/jwks", Allow: []string{allow}, Now: newClock().now, Log: slog.New(slog.DiscardHandler)}
			r := must[*keys.Remote](t)(keys.NewRemote(cfg))
			_, err := r.Fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), "no public address: name the host in allow") {
				t.Errorf("%s: %v", host, err)
			}
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestRemoteDialsWhatIsAllowed(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.gives(document)
	_, port, _ := net.SplitHostPort(f.Listener.Addr().String())
	for i, tt := range []struct{ host, allow string }{
		{"localhost", "localhost"}, {"localhost", "localhost:" + port}, {"LOCALHOST", "localhost"}, {"127.0.0.1", "127.0.0.1"}, {"[::ffff:127.0.0.1]", "::ffff:127.0.0.1"},
	} {
		cfg := f.config()
		cfg.URL, cfg.Allow = "http://"+tt.host+":"+port+"/jwks", []string{tt.allow}
		set, err := must[*keys.Remote](t)(keys.NewRemote(cfg)).Fetch(t.Context())
		if err != nil || !set.Holds(want.Keys()[0]) || f.asked.Load() != int64(i+1) {
			t.Errorf("%s, allowed as %s: %v", tt.host, tt.allow, err)
		}
	}
}
