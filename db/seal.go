package db

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// sealLife is how long a seal is good for, in the database's time. A caller can read its own seal; what it wins is to
	// be itself for so long.
	sealLife = 60 * time.Second
	// renewEvery is how soon after a refused seal the key may be read again.
	renewEvery = time.Second
	// SealKeySize is how many bytes a seal key has.
	SealKeySize = 32
	// innerMask is the byte that HMAC's inner block is masked with (RFC 2104).
	innerMask = 0x36
)

// seals makes the MAC that proves to Postgres that claims came from rowpass. It holds the key and how far the database's
// clock is from ours.
type seals struct {
	owner   string // the owner's URL; empty: the key is given and stays
	gateway *pgxpool.Pool
	macs    atomic.Pointer[sync.Pool] // of hash.Hash, keyed with the newest key
	ahead   atomic.Int64              // nanoseconds that the database's clock is ahead of ours

	mu      sync.Mutex // guards renewed and makes renewals wait for one another
	renewed time.Time
}

// seal returns "v1.<expires>." and the hex HMAC-SHA256 over that and the claims; empty for empty claims.
func (s *seals) seal(claims []byte) string {
	if len(claims) == 0 {
		return ""
	}
	pool := s.macs.Load()
	mac := pool.Get().(hash.Hash)
	defer pool.Put(mac)
	mac.Reset()
	expires := time.Now().Add(time.Duration(s.ahead.Load()) + sealLife).Unix()
	seal := append(make([]byte, 0, 96), "v1."...)
	seal = append(strconv.AppendInt(seal, expires, 10), '.')
	mac.Write(seal)
	mac.Write(claims)
	return string(hex.AppendEncode(seal, mac.Sum(nil)))
}

func (s *seals) use(key []byte) {
	s.macs.Store(&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }})
}

// refresh reads the newest key, where we have the owner's login, and the database's clock.
func (s *seals) refresh(ctx context.Context) error {
	if s.owner != "" {
		key, err := SealKey(ctx, s.owner)
		if err != nil {
			return err
		}
		s.use(key)
	}
	before := time.Now()
	var database time.Time
	if err := s.gateway.QueryRow(ctx, "select clock_timestamp()").Scan(&database); err != nil {
		return fmt.Errorf("reading the database's clock: %w", err)
	}
	after := time.Now()
	s.ahead.Store(int64(database.Sub(before.Add(after.Sub(before) / 2))))
	return nil
}

// renew is refresh after a refused seal. It tells whether trying again makes sense; requests that fail together share
// one renewal.
func (s *seals) renew(ctx context.Context) bool {
	failed := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewed.After(failed) {
		return true
	}
	if failed.Sub(s.renewed) < renewEvery || s.refresh(ctx) != nil {
		return false
	}
	s.renewed = time.Now()
	return true
}

// SealKey reads the newest seal key as the owner. Whoever has it can be anybody to this database.
func SealKey(ctx context.Context, ownerURL string) (key []byte, err error) {
	const query = `select inner_pad from rowpass.seal_keys order by id desc limit 1`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query).Scan(&key)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errors.New("there is no seal key in the database; run: rowpass seal rotate")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the seal key: %w", err)
	}
	for i := range key {
		key[i] ^= innerMask
	}
	return key[:SealKeySize], nil // the rest of the block is the zeros that RFC 2104 fills up with
}

// RotateSealKey makes a new seal key. The one before it stays good, so that instances can follow; with now it does not,
// which is what a leaked key or a restored dump calls for.
func RotateSealKey(ctx context.Context, ownerURL string, now bool) error {
	const drop = `delete from rowpass.seal_keys where id not in (select id from rowpass.seal_keys order by id desc limit $1)`
	keep := 2
	if now {
		keep = 1
	}
	return asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select rowpass.add_seal_key()"); err != nil {
				return fmt.Errorf("making a seal key: %w", err)
			}
			if _, err := tx.Exec(ctx, drop, keep); err != nil {
				return fmt.Errorf("dropping older seal keys: %w", err)
			}
			return nil
		})
	})
}
