package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"rowpass/api"
	"rowpass/db"
	"rowpass/keys"
	"rowpass/seed"
	"rowpass/token"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API, with a private PostgreSQL where none is configured",
		Long:  `Serve the API until a signal says stop; then requests that have begun are finished.`,
		Example: `  rowpass serve                            # with config.yaml of this folder
  rowpass serve --set issuer.demo=true     # a demo that needs no configuration`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.config()
			if err != nil {
				return err
			}
			return p.serve(cmd.Context(), c, p.logger(c.Log))
		},
	}
}

// serve starts the parts in the order in which they need one another and stops them in the opposite one.
func (p *program) serve(ctx context.Context, c Config, log *slog.Logger) (err error) {
	if err := checkFree(ctx, c); err != nil {
		if c.embeddedMode() && isRunning(ctx, c) {
			return fmt.Errorf("rowpass is already running on %s; %w", c.StateDir, err)
		}
		return err
	}
	l, err := serverLogins(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop(ctx)) }()
	if err := prepareDatabase(ctx, c, l, log); err != nil {
		return err
	}
	d, err := openDB(ctx, c, l, log)
	if err != nil {
		return err
	}
	defer d.Close()
	state, err := openState(ctx, c, l, log)
	if err != nil {
		return err
	}
	defer state.Close()
	if err := checkDatabase(ctx, c, d); err != nil {
		return err
	}
	if err := d.CheckSeal(ctx); err != nil {
		return err
	}
	followed, err := openFollowedState(ctx, c, l, log)
	if err != nil {
		return err
	}
	defer followed.Close()
	ring, err := openRing(ctx, c, followed, log)
	if err != nil {
		return err
	}
	sql, err := openSQL(ctx, c, l, d)
	if err != nil {
		return err
	}
	if sql != nil {
		defer sql.Strangers.Close()
	}
	profiles, err := openProfiles(ctx, c, l, log)
	if err != nil {
		return err
	}
	if profiles != nil {
		defer profiles.Close()
	}
	s := &service{profiles: profiles, config: c, log: log, db: d, state: state, sql: sql, ring: ring, logins: l, denied: token.NewDenyList(), audit: db.NewAudit(state, log)}
	s.follower = &follower{state: followed, ring: ring, denied: s.denied, limits: c.keyLimits(), audit: s.audit, log: log}
	s.foreign = newProviderSet(c, log)
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	return s.run(ctx, p)
}

// catchUp reads what was revoked before this instance started, and tells the database how long its tokens may live, so
// that what is revoked from now on stays so for as long.
func (s *service) catchUp(ctx context.Context) error {
	if err := s.state.PromiseTTL(ctx, s.config.keyLimits().TokenTTL); err != nil {
		return fmt.Errorf("noting how long tokens live: %w", err)
	}
	return s.follower.follow(ctx)
}

// prepareDatabase migrates, and fills an empty directory where this is a demo on a database of its own.
func prepareDatabase(ctx context.Context, c Config, l logins, log *slog.Logger) error {
	if err := migrateAtStart(ctx, c, l, log); err != nil {
		return err
	}
	if c.Issuer.Demo && l.server != nil {
		if err := db.Seed(ctx, l.owner, seed.SQL, true); err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
	}
	return nil
}

// checkDatabase refuses a database that does not keep callers apart.
func checkDatabase(ctx context.Context, c Config, d *db.DB) error {
	err := d.Check(ctx, tolerances(c))
	if errors.Is(err, db.ErrUnsafe) && c.Database.URL != "" {
		return fmt.Errorf("%w\nrowpass doctor says more of tables and policies, with SQL that mends them", err)
	}
	return err
}

// service is what runs between the start and the stop.
type service struct {
	config   Config
	log      *slog.Logger
	db       *db.DB
	state    *db.State
	sql      *api.SQLConfig // nil: off
	profiles *profiles      // nil: none are kept
	ring     *keys.Live
	denied   *token.DenyList
	audit    *db.Audit
	follower *follower
	foreign  *providerSet
	logins   logins
	draining atomic.Bool
	unsafe   atomic.Pointer[string] // what Check has found since the start
}

// run serves until ctx ends or a part breaks, then drains.
func (s *service) run(ctx context.Context, p *program) error {
	handler, metrics, err := s.handler()
	if err != nil {
		return err
	}
	certificate, err := loadCertificate(s.config.TLS)
	if err != nil {
		return err
	}
	public, err := listen(ctx, "listen", s.config.Listen)
	if err != nil {
		return err
	}
	servers := []*http.Server{s.server(handler, certificate)}
	listeners := []net.Listener{public}
	if s.config.Admin.Listen != "" {
		admin, err := listen(ctx, "admin.listen", s.config.Admin.Listen)
		if err != nil {
			return errors.Join(err, public.Close())
		}
		adminHandler := api.NewAdmin(api.AdminConfig{DB: s.db, State: s.state, Ring: s.ring.Ring, Metrics: metrics, Log: s.log, Finding: s.finding, Following: s.follower.fault, Draining: s.draining.Load, Providers: s.foreign.states, Profiles: s.profiles.status()})
		if isLoopback(s.config.Admin.Listen) {
			adminHandler = api.OnlyLocalNames(adminHandler)
		}
		servers, listeners = append(servers, s.server(adminHandler, nil)), append(listeners, admin)
	}
	end, err := s.background(ctx, p, certificate)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	defer end()
	broken := make(chan error, len(servers))
	for i := range servers {
		go func() { broken <- serveOn(servers[i], listeners[i]) }()
	}
	s.announce(p, listeners)
	err = s.wait(ctx, broken)
	return errors.Join(err, s.drain(servers))
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// wait returns nil for a signal and what broke otherwise.
func (s *service) wait(ctx context.Context, broken <-chan error) error {
	var postgres <-chan struct{}
	if s.logins.server != nil {
		postgres = s.logins.server.Done()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return fmt.Errorf("serving: %w", err)
	case <-postgres:
		return fmt.Errorf("the embedded PostgreSQL ended: %w", s.logins.server.Err())
	}
}

// drain tells load balancers, lets requests finish, and cuts off what takes longer than configured.
func (s *service) drain(servers []*http.Server) error {
	s.draining.Store(true)
	s.log.Info("stopping", "drain", s.config.ShutdownTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	var cut error
	for _, server := range servers {
		if err := server.Shutdown(ctx); err != nil {
			cut = errors.Join(cut, server.Close(), fmt.Errorf("requests were cut off after %s", s.config.ShutdownTimeout))
		}
	}
	return cut
}

func tolerances(c Config) db.Tolerances {
	return db.Tolerances{Unprotected: c.Database.Unprotected, OldServer: c.Database.AllowServerWithRLSHoles}
}

// handler is the public API over what was opened.
func (s *service) handler() (http.Handler, *api.Metrics, error) {
	c := s.config
	issuer, err := newIssuer(c, s.ring.Ring)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: c.PublicURL, Audience: c.Issuer.Audience, Ring: s.ring.Ring, Now: time.Now, CacheSize: verifiedTokens,
		Denied: s.denied, Providers: s.foreign.providers, Renew: func(ctx context.Context) { _, _ = s.ring.Reload(ctx) }, // the follower tells what is wrong
	})
	if err != nil {
		return nil, nil, err
	}
	metrics := api.NewMetrics(version)
	metrics.Watch(s.db)
	metrics.WatchDenied(s.denied)
	metrics.WatchAudit(s.audit)
	metrics.WatchProviders(s.foreign.states)
	var profiles *api.ProfilesConfig
	if s.profiles != nil {
		profiles = s.profiles.config
		metrics.WatchProfiles(s.profiles.known)
	}
	return api.New(api.Config{
		DB: s.db, State: s.state, Issuer: issuer, Verifier: verifier, Denied: s.denied, Ring: s.ring.Ring, JWKSMaxAge: c.Keys.JWKSMaxAge,
		PublicURL: c.PublicURL, Directory: c.Database.Directory, Login: c.Issuer.PasswordLogin, Limits: api.Limits(c.Limits), Audit: s.audit, Clients: apiClients(c.Clients),
		Refresh: api.RefreshConfig{TTL: c.Issuer.RefreshTTL, MaxAge: c.Issuer.SessionTTL, Grace: c.Issuer.RefreshGrace},
		Demo:    c.Issuer.Demo, DemoUsers: s.demoUsers(), Explain: s.explanations(), Hosts: hostNames(c), TrustedProxies: c.TrustedProxies, SQL: s.sql, Profiles: profiles,
		Metrics: metrics, Log: s.log,
	}), metrics, nil
}

func newIssuer(c Config, ring func() keys.Ring) (*token.Issuer, error) {
	return token.NewIssuer(token.IssuerConfig{
		Issuer: c.PublicURL, Audience: c.Issuer.Audience, TTL: c.Issuer.TokenTTL, Ring: ring, Now: time.Now,
	})
}

// verifiedTokens is how many tokens are remembered as verified, some 2 KiB each.
const verifiedTokens = 10_000

func apiClients(configured []ClientConfig) []api.Client {
	clients := make([]api.Client, len(configured))
	for i, c := range configured {
		clients[i] = api.Client{ID: c.ID, Tenant: c.Tenant, Scopes: c.Scopes, Audiences: c.Audiences, ActFor: c.ActFor, TokenTTL: c.TokenTTL}
		_, _ = hex.Decode(clients[i].SecretSHA256[:], []byte(c.SecretSHA256)) // 64 hex digits, checked when it was read
	}
	return clients
}

// hostNames are the names under which a demo can be reached.
func hostNames(c Config) []string {
	names := []string{"localhost"}
	if u, err := url.Parse(c.PublicURL); err == nil {
		names = append(names, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		names = append(names, host)
	}
	return names
}
