package keys_test

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"rowpass/keys"
)

func TestIsPublic(t *testing.T) {
	for _, tt := range []struct {
		want      bool
		addresses string
	}{
		{true, "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 128.0.0.1 169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.1 " +
			"192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.114.1 223.255.255.255"},
		{true, "2606:4700::1111 2001:4860:4860::8888 2a00:1450::1 2001:200::1 ::ffff:8.8.8.8 64:ff9b::808:808"},
		{false, "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 " +
			"192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255"},
		{false, ":: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::8.8.8.8 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ff0e::1"},
		{false, "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 100::1 2001::1 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 4000::1"},
	} {
		for address := range strings.FieldsSeq(tt.addresses) {
			if got := keys.IsPublic(netip.MustParseAddr(address)); got != tt.want {
				t.Errorf("%s: %v", address, got)
			}
		}
	}
}

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
