package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	seenUsers   = 100_000          // users that an instance remembers
	seenLong    = 24 * time.Hour   // before it tells the database again
	seenTrouble = 30 * time.Second // likewise, after an error or while another request is at it
)

// seen is what the database was told of users, by id and tenant.
type seen struct{ known *lru.Cache[string, sight] }

// sight is the newest that was told.
type sight struct {
	content [sha256.Size]byte // of the profile
	at      time.Time         // when its token was issued
	until   time.Time         // when it must be told again, however old
	trouble bool              // nothing is told until then: it went wrong, or another request is at it
}

func newSeen() *seen {
	cache, err := lru.New[string, sight](seenUsers)
	if err != nil {
		panic(err) // the size is positive
	}
	return &seen{cache}
}

// Seen takes note of a user whose token was verified. A user that nothing was known of gets a provisional row, which the first
// event replaces; what a source has said of one is not changed, unless the source has nothing but tokens. For 30 days the user
// is of the tenant, "" for none, unless the source has said since the token was issued that the user has left it.
//
// p is FromClaims', its At the time when the token was issued. The database is asked for a token that is newer than those before it, and once
// a day; for half a minute after an error not at all. An error is for the log: the request can go on.
func (s *Store) Seen(ctx context.Context, p Profile, tenant string) error {
	source, err := s.sourceOf(p)
	if err != nil {
		return err
	}
	key, content, now := p.ID+"\x00"+tenant, sha256.Sum256(p.Raw), s.now()
	known, ok := s.seen.known.Get(key)
	if ok && now.Before(known.until) && !known.newer(p, content) {
		return nil
	}
	s.seen.known.Add(key, sight{until: now.Add(seenTrouble), trouble: true})
	if err := s.see(ctx, source, p, tenant); err != nil {
		return fmt.Errorf("noting a user that was seen: %w", err)
	}
	s.seen.known.Add(key, sight{content: content, at: p.At, until: now.Add(seenLong)})
	return nil
}

// newer says whether the profile may have something to say that was not told. A time in seconds may be that of two tokens.
func (k sight) newer(p Profile, content [sha256.Size]byte) bool {
	return !k.trouble && (p.At.After(k.at) || p.At.Equal(k.at) && content != k.content)
}

// sourceOf reads the source's name where FromClaims has written it.
func (s *Store) sourceOf(p Profile) (*Source, error) {
	var raw struct{ Provider string }
	if err := json.Unmarshal(p.Raw, &raw); err != nil {
		return nil, fmt.Errorf("reading a profile's provider: %w", err)
	}
	return s.source(raw.Provider)
}

// tokensOnly tells of a source that says nothing but by tokens.
func (s *Source) tokensOnly() bool { return s.Preset().ID == TokensPreset }

func (s *Store) see(ctx context.Context, source *Source, p Profile, tenant string) error {
	if source.tokensOnly() {
		return s.seeToken(ctx, source, p, tenant)
	}
	const query = `select rowpass.see_profile($1::text, $2::text, $3::text, $4::text, $5::timestamptz)`
	var owner string
	statements := []asked{{query: holdPurged}, {query, []any{source.Name(), p.ID, p.Subject, string(p.Raw), p.At}, one(&owner)}}
	if tenant != "" {
		statements = append(statements, seeTenant(source, p, tenant))
	}
	if err := s.ask(ctx, statements...); err != nil {
		return err
	}
	if owner != source.Name() {
		return fmt.Errorf("source %s: %w", owner, ErrForeign)
	}
	return nil
}

// seeToken takes the token for all that there is to know of the user.
func (s *Store) seeToken(ctx context.Context, source *Source, p Profile, tenant string) error {
	counts, err := s.Apply(ctx, source.Name(), []Change{{Kind: Upsert, Profile: p}})
	if err == nil && counts.Refused > 0 {
		err = ErrForeign
	}
	if err != nil || tenant == "" {
		return err
	}
	return s.ask(ctx, asked{query: holdPurged}, seeTenant(source, p, tenant))
}

// seeTenant lets a user be of the tenant for some time. It counts only for who has a row, and is written once a day.
func seeTenant(source *Source, p Profile, tenant string) asked {
	const query = `
		insert into rowpass.profile_tenants as t (id, tenant, source, until)
		select $1::text, $2::text, $3::text, now() + interval '30 days'
		where exists (select from rowpass.profiles where id = $1::text and source = $3::text) and not exists (
			select from rowpass.profile_tenants k
			where k.id = $1::text and k.tenant = $2::text and (k.member or k.at >= $4::timestamptz or k.until > now() + interval '29 days'))
		on conflict (id, tenant) do update set until = excluded.until
		where not t.member and (t.at is null or t.at < $4::timestamptz)`
	return asked{query: query, args: []any{p.ID, tenant, source.Name(), p.At}}
}
