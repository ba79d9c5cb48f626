package main

import (
	"context"
	"encoding/hex"

	"rowpass/db"
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
		return f(c, keys.NewFolder(c.Keys.Dir))
	}
	return p.onState(ctx, func(c Config, state *db.State) error { return f(c, state.Ring()) })
}

// inFolder is the value of keys.store that needs no database.
const inFolder = "folder"

// ringStore is the ring's, wrapped as configured.
func ringStore(c Config, state *db.State) (keys.Store, error) {
	if c.Keys.Store == inFolder {
		return wrap(c, keys.NewFolder(c.Keys.Dir))
	}
	return wrap(c, state.Ring())
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
