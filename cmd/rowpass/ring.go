package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"rowpass/db"
	"rowpass/db/embedded"
	"rowpass/keys"
	"rowpass/token"
)

// onRing runs a command on the ring where the configuration keeps it. A ring in a folder needs no database.
func (p *program) onRing(ctx context.Context, f func(Config, keys.Store) error) error {
	return p.onBareRing(ctx, func(c Config, bare keys.Store) error {
		store, err := wrap(c, bare)
		if err != nil {
			return err
		}
		return f(c, store)
	})
}

// onBareRing is onRing without the wrapping secret, for the command that changes it.
func (p *program) onBareRing(ctx context.Context, f func(Config, keys.Store) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	if c.Keys.Store == inFolder {
		folder, err := ringFolder(c)
		if err != nil {
			return err
		}
		return f(c, folder)
	}
	return p.onState(ctx, func(c Config, state *db.State) error { return f(c, state.Ring()) })
}

// inFolder is the value of keys.store that needs no database.
const inFolder = "folder"

// ringStore is the ring's, wrapped as configured.
func ringStore(c Config, state *db.State) (keys.Store, error) {
	if c.Keys.Store != inFolder {
		return wrap(c, state.Ring())
	}
	folder, err := ringFolder(c)
	if err != nil {
		return nil, err
	}
	return wrap(c, folder)
}

// ringFolder is where the ring is kept without a database. Those who had a token of the private PostgreSQL's demo, which anybody gets, would
// be somebody in a configured database that takes over its keys.
func ringFolder(c Config) (keys.Store, error) {
	if !c.embeddedMode() && c.Keys.Dir == defaultKeysDir(c.StateDir) && embedded.Exists(c.StateDir) {
		return nil, fmt.Errorf("keys.dir: %s holds the keys of the private PostgreSQL beside it, whose tokens would be good here, too: "+
			"give this database's keys another folder", c.Keys.Dir)
	}
	return keys.NewFolder(c.Keys.Dir), nil
}

func wrap(c Config, bare keys.Store) (keys.Store, error) {
	if c.Keys.WrappingSecret == "" {
		return bare, nil
	}
	secret, err := hex.DecodeString(string(c.Keys.WrappingSecret))
	if err != nil {
		return nil, err // cannot be: it was checked when it was read
	}
	return keys.Wrap(bare, secret)
}

// ringPlace says in messages where the ring is.
func (c Config) ringPlace() string {
	if c.Keys.Store == inFolder {
		return c.Keys.Dir
	}
	return "the database"
}

// keyLimits are the times that the ring's rotation keeps to.
func (c Config) keyLimits() keys.Limits {
	longest := c.Issuer.TokenTTL
	for _, client := range c.Clients {
		longest = max(longest, client.TokenTTL)
	}
	return keys.Limits{MaxAge: c.Keys.JWKSMaxAge, TokenTTL: longest, Leeway: token.Leeway, Every: c.Keys.RotateEvery}
}

// openRing reads the keys. An instance with a PostgreSQL of its own makes the first key; elsewhere other instances may
// have one already, and two that sign with different keys refuse each other's tokens.
func openRing(ctx context.Context, c Config, state *db.State, log *slog.Logger) (*keys.Live, error) {
	store, err := ringStore(c, state)
	if err != nil {
		return nil, err
	}
	live, err := keys.Open(ctx, store)
	if err != nil {
		return nil, err
	}
	if _, ok := live.Ring().Current(); !ok {
		if !c.embeddedMode() {
			return nil, fmt.Errorf("no key signs in %s: run rowpass keys generate, once for all instances", c.ringPlace())
		}
		return live, makeFirstKey(ctx, c, live, log)
	}
	if err := live.Update(ctx, promise(c.keyLimits().TokenTTL)); err != nil {
		log.WarnContext(ctx, "noting how long tokens live: the ring cannot be written, so its keys cannot take turns here", "err", err)
	}
	return live, nil
}

func makeFirstKey(ctx context.Context, c Config, live *keys.Live, log *slog.Logger) error {
	now := time.Now()
	key, err := keys.Generate("ES256", now)
	if err != nil {
		return err
	}
	err = live.Update(ctx, func(r keys.Ring) (keys.Ring, error) { return r.Add(key, keys.Current, now) })
	if err != nil {
		return fmt.Errorf("adding a key to %s: %w", c.ringPlace(), err)
	}
	log.InfoContext(ctx, "made a signing key", "kid", key.ID(), "in", c.ringPlace())
	return nil
}

// promise notes in the ring that the current key signs tokens of this life.
func promise(ttl time.Duration) func(keys.Ring) (keys.Ring, error) {
	return func(r keys.Ring) (keys.Ring, error) {
		r, _ = r.Promise(ttl)
		return r, nil
	}
}
