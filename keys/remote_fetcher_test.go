package keys_test

import (
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rowpass/keys"
)

// trusted makes httptest's certificate one of the system's roots, which a process reads once.
var trusted = sync.OnceValue(func() error {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir, err := os.MkdirTemp("", "roots")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "roots.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(name, root, 0o600); err != nil {
		return err
	}
	os.Setenv("SSL_CERT_FILE", name)
	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), nil)
	if err != nil {
		return err
	}
	return connection.Close()
})

func TestRemoteChecksCertificates(t *testing.T) {
	if err := trusted(); err != nil {
		t.Fatal(err)
	}
	document, want := keySet(t, "a")
	for _, tt := range []struct {
		name, host string
		change     func(*tls.Config)
		says       string // "" where it is good
	}{
		{"the host's own", "127.0.0.1", func(*tls.Config) {}, ""},
		{"another host's", "localhost", func(*tls.Config) {}, "not localhost"},
		{"a stranger's", "127.0.0.1", func(c *tls.Config) { c.Certificates = []tls.Certificate{selfSigned(t)} }, "certificate"},
		{"an old protocol", "127.0.0.1", func(c *tls.Config) { c.MaxVersion, c.MinVersion = tls.VersionTLS11, tls.VersionTLS10 }, "protocol version"},
	} {
		p := &provider{}
		p.Server = httptest.NewUnstartedServer(p)
		p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		p.TLS = &tls.Config{}
		p.StartTLS()
		tt.change(p.TLS)
		p.gives(document)
		f := newFixture(t, func(c *keys.RemoteConfig) {
			c.URL, c.Allow = strings.Replace(p.URL, "127.0.0.1", tt.host, 1), []string{tt.host}
		})
		set, err := f.Fetch(t.Context())
		if tt.says == "" && (err != nil || !set.Holds(want.Keys()[0])) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || len(set.Keys()) > 0 || p.asked.Load() > 0) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
		p.Close()
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	block, _ := pem.Decode([]byte(certificate(t, 0)))
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p256(t)}
}
