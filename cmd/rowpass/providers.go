package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rowpass/api"
	"rowpass/keys"
	"rowpass/token"
)

// providerSet is the providers whose tokens are accepted now, with the goroutines that keep their keys fresh.
type providerSet struct {
	folder string // where last good key sets are kept for a start without the provider
	log    *slog.Logger
	now    atomic.Pointer[token.Providers]

	mu      sync.Mutex // guards running
	running map[string]*keeper
	ended   sync.WaitGroup
}

// keeper keeps one provider's keys.
type keeper struct {
	config keys.RemoteConfig
	remote *keys.Remote
	stop   context.CancelFunc
}

func newProviderSet(c Config, log *slog.Logger) *providerSet {
	s := &providerSet{folder: filepath.Join(c.StateDir, "providers"), log: log, running: map[string]*keeper{}}
	s.now.Store(&token.Providers{})
	return s
}

func (s *providerSet) providers() token.Providers { return *s.now.Load() }

// apply makes these the providers, all of them or, with an error, none. Who stays keeps its keys; who goes is not believed
// any more as soon as apply returns.
func (s *providerSet) apply(ctx context.Context, configs []ProviderConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string]*keeper, len(configs))
	list := make([]token.Provider, len(configs))
	for i, c := range configs {
		k, err := s.keeper(c)
		if err != nil {
			return err
		}
		next[c.Name], list[i] = k, c.provider(k.remote)
	}
	providers, err := token.NewProviders(list)
	if err != nil {
		return err
	}
	s.now.Store(&providers)
	s.replace(ctx, next)
	return nil
}

// keeper is the running one where nothing about its keys has changed.
func (s *providerSet) keeper(c ProviderConfig) (*keeper, error) {
	t := c.terms()
	config := keys.RemoteConfig{
		Name: c.Name, URL: t.JWKSURL, Allow: c.AllowPrivate, Last: keys.NewLastFolder(s.folder), Now: time.Now, Log: s.log,
	}
	if config.URL == "" {
		config.Issuer = t.Issuer
	}
	if k, ok := s.running[c.Name]; ok && k.config.URL == config.URL && k.config.Issuer == config.Issuer && slices.Equal(k.config.Allow, config.Allow) {
		return k, nil
	}
	remote, err := keys.NewRemote(config)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", c.Name, err)
	}
	return &keeper{config: config, remote: remote}, nil
}

// replace starts who is new and stops who is gone.
func (s *providerSet) replace(ctx context.Context, next map[string]*keeper) {
	for name, k := range next {
		if s.running[name] != k {
			var own context.Context
			own, k.stop = context.WithCancel(ctx)
			s.ended.Go(func() { k.remote.Run(own) })
		}
	}
	for name, k := range s.running {
		if next[name] != k {
			k.stop()
		}
	}
	s.running = next
}

// wait returns when every goroutine has ended; their context is the one that apply was given.
func (s *providerSet) wait() { s.ended.Wait() }

// states tells for /readyz and the metrics how the providers fare.
func (s *providerSet) states() []api.ProviderState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []api.ProviderState
	for name, k := range s.running {
		all = append(all, api.ProviderState{Name: name, Status: k.remote.Status()})
	}
	slices.SortFunc(all, func(a, b api.ProviderState) int { return strings.Compare(a.Name, b.Name) })
	return all
}
