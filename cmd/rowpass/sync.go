package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"rowpass/api"
	"rowpass/identity"
)

// profiles keeps the users of the configured sources.
type profiles struct {
	*identity.Store
	sources []source
	config  *api.ProfilesConfig
	after   time.Duration // how long a source may be silent; 0: for ever
	log     *slog.Logger

	mu    sync.Mutex // guards what follows
	last  []identity.SourceStatus
	asked time.Time
}

// openProfiles opens the store of what the configuration names; nil where it names nothing.
func openProfiles(ctx context.Context, c Config, l logins, log *slog.Logger) (*profiles, error) {
	sources, err := c.sources()
	if err != nil || len(sources) == 0 {
		return nil, err
	}
	config := identity.StoreConfig{
		URL: l.service, QueryExecMode: c.Database.QueryExecMode, Timeout: c.Database.StatementTimeout, Now: time.Now, Chance: rand.Float64, Log: log,
		Fetchers: map[string]identity.Lister{},
	}
	offered := &api.ProfilesConfig{Sources: map[string]*identity.Source{}, OfProvider: map[string]*identity.Source{}}
	for i, s := range sources {
		config.Sources = append(config.Sources, s.Source)
		if s.list != nil {
			config.Fetchers[s.Name()] = s.list
		}
		if len(s.Preset().Signatures) > 0 {
			offered.Sources[s.Name()] = s.Source
		}
		if provider := c.providerOf(c.Sync.Sources[i]); provider != "" {
			offered.OfProvider[provider] = s.Source
		}
	}
	if offered.Store, err = identity.OpenStore(ctx, config); err != nil {
		return nil, err
	}
	return &profiles{Store: offered.Store, sources: sources, config: offered, after: c.Sync.ReconcileAfter, log: log}, nil
}

// status is nil where there are no profiles.
func (p *profiles) status() api.ProfileStatus {
	if p == nil {
		return nil
	}
	return p.known
}

// known is Status as it was a moment ago: counting costs the database more than somebody who looks every second should.
func (p *profiles) known(ctx context.Context) ([]identity.SourceStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.asked) >= knownFor {
		all, err := p.Status(ctx)
		if err != nil {
			return nil, err
		}
		p.last, p.asked = all, now
	}
	return p.last, nil
}

const knownFor = 15 * time.Second

const (
	silenceEvery = time.Minute      // how often it is looked for sources that are silent
	triedAgain   = 30 * time.Minute // after a list that could not be read
)

// run reads events, and the lists of sources that are silent, until ctx ends.
func (p *profiles) run(ctx context.Context) {
	var reading sync.WaitGroup
	reading.Go(func() { p.Run(ctx) })
	defer reading.Wait()
	lists := listReads{tried: map[string]time.Time{}, busy: map[string]bool{}}
	for {
		p.reconcileSilent(ctx, &reading, &lists)
		select {
		case <-ctx.Done():
			return
		case <-time.After(silenceEvery):
		}
	}
}

// listReads are the lists of silent sources that this instance reads.
type listReads struct {
	mu    sync.Mutex           // guards what follows
	tried map[string]time.Time // when each was begun last
	busy  map[string]bool      // which are being read
}

// begin is false where the list is being read, or was tried a moment ago.
func (l *listReads) begin(name string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[name] || now.Sub(l.tried[name]) < triedAgain {
		return false
	}
	l.busy[name], l.tried[name] = true, now
	return true
}

func (l *listReads) end(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, name)
}

// reconcileSilent begins to read the list of each source that nothing was heard of for too long. Events get lost: an endpoint that was
// turned off, a secret that was replaced on one side only. Each list is read beside the others, so that a provider which hangs
// holds up none but its own; at the database they take turns.
func (p *profiles) reconcileSilent(ctx context.Context, reading *sync.WaitGroup, lists *listReads) {
	if p.after == 0 {
		return
	}
	all, err := p.Status(ctx)
	if err != nil {
		p.log.WarnContext(ctx, "sync: whether sources are silent could not be asked", "err", err)
		return
	}
	for i, status := range p.ofSources(all) {
		s := p.sources[i]
		heard := status.LastReceived
		if status.LastReconciled.After(heard) {
			heard = status.LastReconciled
		}
		now := time.Now()
		if s.list == nil || now.Sub(heard) < p.after || !lists.begin(s.Name(), now) {
			continue
		}
		reading.Go(func() {
			defer lists.end(s.Name())
			p.reconcile(ctx, s)
		})
	}
}

// ofSources brings what is known of them into the order of sources.
func (p *profiles) ofSources(all []identity.SourceStatus) []identity.SourceStatus {
	byName := map[string]identity.SourceStatus{}
	for _, status := range all {
		byName[status.Source] = status
	}
	sorted := make([]identity.SourceStatus, len(p.sources))
	for i, s := range p.sources {
		sorted[i] = byName[s.Name()]
	}
	return sorted
}

func (p *profiles) reconcile(ctx context.Context, s source) {
	done, err := identity.Reconcile(ctx, identity.ReconcileConfig{Store: p.Store, Source: s.Source, Lister: s.list, Now: time.Now})
	log := p.log.With("source", s.Name(), "pages", done.Pages, "added", done.Counts.Added, "changed", done.Counts.Changed, "deleted", done.Counts.Deleted)
	switch {
	case errors.Is(err, identity.ErrRunning), ctx.Err() != nil:
	case err != nil:
		log.WarnContext(ctx, "sync: the list of a silent source could not be read", "err", err)
	default:
		log.InfoContext(ctx, "sync: read the list of a silent source", "drift", done.Drift)
	}
}
