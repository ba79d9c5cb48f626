package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// server bounds what a slow or greedy client can hold on to.
func (s *service) server(handler http.Handler, certificate *liveCertificate) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if certificate != nil {
		server.TLSConfig = &tls.Config{GetCertificate: certificate.get, MinVersion: tls.VersionTLS12}
	}
	return server
}

// listen opens an address of the configuration.
func listen(ctx context.Context, setting, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		elsewhere := "--set admin.listen=127.0.0.1:9091"
		if setting == "listen" {
			elsewhere = "--set listen=127.0.0.1:9090 --set public_url=http://localhost:9090"
		}
		var cause *net.OpError
		if errors.As(err, &cause) {
			err = cause.Err // the rest says again where
		}
		return nil, fmt.Errorf("%s: %s: %w; to serve elsewhere: rowpass serve %s", setting, address, err, elsewhere)
	}
	return l, nil
}

// checkFree refuses addresses that are taken, before anything is made that has to wait for them. Nothing listens
// there meanwhile, so that whoever connects too early is refused and does not wait.
func checkFree(ctx context.Context, c Config) error {
	public, err := listen(ctx, "listen", c.Listen)
	if err != nil {
		return err
	}
	defer public.Close()
	if c.Admin.Listen == "" {
		return nil
	}
	admin, err := listen(ctx, "admin.listen", c.Admin.Listen)
	if err != nil {
		return err
	}
	return admin.Close()
}

// serveOn serves until the server is shut down, which is no error.
func serveOn(server *http.Server, l net.Listener) error {
	var err error
	if server.TLSConfig != nil {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// liveCertificate is the certificate as it was last read, so that a renewed one is served without a restart.
type liveCertificate struct {
	files TLSConfig
	now   atomic.Pointer[tls.Certificate]
}

// loadCertificate is nil where the configuration names none.
func loadCertificate(files TLSConfig) (*liveCertificate, error) {
	if files.CertFile == "" {
		return nil, nil
	}
	c := &liveCertificate{files: files}
	return c, c.reload()
}

func (c *liveCertificate) reload() error {
	if c == nil {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return fmt.Errorf("reading tls.cert_file and tls.key_file: %w", err)
	}
	c.now.Store(&certificate)
	return nil
}

func (c *liveCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.now.Load(), nil
}
