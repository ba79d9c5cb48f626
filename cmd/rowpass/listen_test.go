package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a fresh certificate for this machine, of that serial number.
func certificate(t *testing.T, files TLSConfig, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.CertFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	write(t, files.KeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func certificateFiles(t *testing.T) TLSConfig {
	dir := t.TempDir()
	return TLSConfig{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
}

func TestTheAPIIsServedByHTTPS(t *testing.T) {
	t.Parallel()
	files := certificateFiles(t)
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, files, 1))
	environ := append(externalDemo(t), "ROWPASS_TLS_CERT_FILE="+files.CertFile, "ROWPASS_TLS_KEY_FILE="+files.KeyFile)
	p := serve(t, environ)
	for _, line := range []struct {
		name    string
		version uint16
		want    string
	}{
		{"TLS 1.1", tls.VersionTLS11, "remote error: tls: protocol version not supported"},
		{"TLS 1.2", tls.VersionTLS12, ""},
		{"TLS 1.3", tls.VersionTLS13, ""},
	} {
		conn, err := tls.Dial("tcp", p.api, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: line.version})
		switch {
		case err == nil && line.want != "":
			t.Errorf("%s is served", line.name)
		case err != nil && err.Error() != line.want:
			t.Errorf("%s: %v, want %q", line.name, err, line.want)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if a := ask(t, "GET", p.admin+"/livez", "", ""); a.status != http.StatusOK {
		t.Errorf("the admin listener, which speaks HTTP: %d %s", a.status, a.body)
	}
}

func TestARenewedCertificateIsServedFromTheNextLookOn(t *testing.T) {
	files := certificateFiles(t)
	certificate(t, files, 1)
	live, err := loadCertificate(files)
	if err != nil {
		t.Fatal(err)
	}
	served := func() int64 {
		c, err := live.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	certificate(t, files, 2)
	if got := served(); got != 1 {
		t.Errorf("before it looks again it serves %d, want 1", got)
	}
	if err := live.reload(); err != nil || served() != 2 {
		t.Errorf("after the renewal it serves %d (%v), want 2", served(), err)
	}
	if err := os.Truncate(files.CertFile, 10); err != nil {
		t.Fatal(err)
	}
	if err := live.reload(); err == nil || !strings.HasPrefix(err.Error(), "reading tls.cert_file and tls.key_file: ") || served() != 2 {
		t.Errorf("with half a certificate it serves %d and says %v, want 2 and an error", served(), err)
	}
}
