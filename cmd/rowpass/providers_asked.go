package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"rowpass/keys"
	"rowpass/token"
)

// askedKeys are a provider's for a command that is over soon: fetched when they are first asked for, else, where that fails, those that
// serve keeps, since it goes on with them, too. One goroutine at a time may use them.
type askedKeys struct {
	name   string
	remote *keys.Remote
	kept   *keptKeys
	fetch  func() (keys.KeySet, error) // asks once, whenever it is called
	named  bool                        // a token asked for them
}

// asked are c's keys, which nobody has been asked for yet. The context is that of the fetch.
func (c Config) asked(ctx context.Context, of ProviderConfig) (*askedKeys, error) {
	kept := &keptKeys{folder: keys.NewLastFolder(filepath.Join(c.StateDir, "providers"))}
	t := of.terms()
	config := keys.RemoteConfig{Name: of.Name, URL: t.JWKSURL, Allow: of.AllowPrivate, Last: kept, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if config.URL == "" {
		config.Issuer = t.Issuer
	}
	remote, err := keys.NewRemote(config)
	if err != nil {
		return nil, err
	}
	fetch := sync.OnceValues(func() (keys.KeySet, error) { return remote.Fetch(ctx) })
	return &askedKeys{name: of.Name, remote: remote, kept: kept, fetch: fetch}, nil
}

// Set implements token.KeySource.
func (a *askedKeys) Set() keys.KeySet {
	a.named = true
	_, _ = a.fetch() // Status says what came of it
	return a.remote.Set()
}

// Renew implements token.KeySource: the set was fetched a moment ago.
func (a *askedKeys) Renew(context.Context) bool { return false }

// keptKeys reads what serve keeps and leaves it alone.
type keptKeys struct {
	folder keys.LastFolder
	unread error // why it could not be read
}

func (k *keptKeys) Load(name string) (document []byte, fetched time.Time, err error) {
	document, fetched, k.unread = k.folder.Load(name)
	return document, fetched, k.unread
}

func (*keptKeys) Save(string, []byte, time.Time) error { return nil }

// goingOn says what serve goes on with while the provider cannot be asked: "" where it has nothing.
func (a *askedKeys) goingOn() string {
	status := a.remote.Status()
	if status.Keys == 0 {
		return ""
	}
	until := status.FetchedAt.Add(24 * time.Hour)
	return fmt.Sprintf("rowpass serve goes on with those that were fetched at %s, until %s", status.FetchedAt.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))
}

// unkept says why there is nothing to go on with.
func (a *askedKeys) unkept() string {
	if a.kept.unread != nil {
		return "those that rowpass serve keeps cannot be read: " + a.kept.unread.Error()
	}
	return "rowpass serve has kept none"
}

// askedProviders are providers with the keys that a token may ask for.
type askedProviders struct {
	token.Providers
	keys []*askedKeys
}

// unreachable are the keys of the provider that the token names, if it cannot be asked now; else nil.
func (p askedProviders) unreachable() *askedKeys {
	for _, a := range p.keys {
		if a.named && !a.remote.Status().Failing.IsZero() {
			return a
		}
	}
	return nil
}

// judge puts right what a verifier says of a key where there is no set to look for it in, and says of any other token what it
// was looked for in; "" where the provider answered.
func (p askedProviders) judge(verdicts []token.Verdict) (note string) {
	a := p.unreachable()
	if a == nil {
		return ""
	}
	why := printable(a.remote.Status().Err) // some of it is the provider's own words
	if goingOn := a.goingOn(); goingOn != "" {
		return fmt.Sprintf("provider %s cannot be asked for its keys now, and %s: %s", a.name, goingOn, why)
	}
	for i, v := range verdicts {
		if v.Check == "key" && !v.OK {
			verdicts[i].Reason = fmt.Sprintf("the keys of provider %s cannot be fetched, and %s: %s", a.name, a.unkept(), why)
			verdicts[i].Mend = "whether the token is good nobody can say before they are: rowpass providers test " + a.name + " asks again"
		}
	}
	return ""
}

// kidText shows the name that a key has in its set, or in a token's header.
func kidText(id string) string {
	if id == "" {
		return "none"
	}
	return fmt.Sprintf("%q", id)
}
