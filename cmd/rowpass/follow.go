package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rowpass/api"
	"rowpass/db"
	"rowpass/keys"
	"rowpass/token"
)

// followEvery is how often an instance looks for changes by itself, behind the database's notifications: these don't pass a
// pooler in transaction mode, and a ring in a folder has none.
const followEvery = time.Second

// follower keeps this instance at what any instance or command has changed: the ring and the deny-list. It also gives the
// ring's keys their turns. One goroutine uses it.
type follower struct {
	state   *db.State
	ring    *keys.Live
	denied  *token.DenyList
	limits  keys.Limits
	audit   *db.Audit
	log     *slog.Logger
	version int64                  // of the newest denial in denied
	trouble string                 // what was logged last
	told    time.Time              // when
	failing atomic.Pointer[string] // what is wrong now, for /readyz; nil where nothing is
}

// tellEvery is how often a trouble that lasts is logged.
const tellEvery = time.Minute

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	woken := make(chan struct{}, 1)
	var listening sync.WaitGroup
	listening.Go(func() {
		f.state.Listen(ctx, func() {
			select {
			case woken <- struct{}{}:
			default: // one is waiting, and will see this change too
			}
		})
	})
	defer listening.Wait()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-tick.C:
		}
		f.tell(ctx, f.follow(ctx))
	}
}

// tell logs what keeps f from following when it begins, each minute, and when it ends.
func (f *follower) tell(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if ctx.Err() != nil || text == f.trouble && (text == "" || time.Since(f.told) < tellEvery) {
		return
	}
	f.trouble, f.told = text, time.Now()
	if text == "" {
		f.failing.Store(nil)
		f.log.InfoContext(ctx, "following the other instances again")
		return
	}
	f.failing.Store(&text)
	f.log.WarnContext(ctx, "not following the other instances", "err", err)
}

// fault is what keeps f from following; "" where nothing does.
func (f *follower) fault() string {
	if text := f.failing.Load(); text != nil {
		return *text
	}
	return ""
}

// follow looks once.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := f.ring.Reload(ctx)
	if err != nil {
		err = fmt.Errorf("keys stay as they were: %w", err)
	}
	return errors.Join(err, f.readDenials(ctx), f.takeTurns(ctx))
}

func (f *follower) readDenials(ctx context.Context) error {
	denials, version, err := f.state.Denials(ctx, f.version)
	if err != nil {
		return fmt.Errorf("revocations stay as they were: %w", err)
	}
	api.TakeOver(f.denied, denials)
	f.version = version
	return nil
}

// takeTurns does what is due in the ring. Of several instances one is faster, and the others find it done.
func (f *follower) takeTurns(ctx context.Context) error {
	now := time.Now()
	ring := f.ring.Ring()
	if _, due := ring.Advance(now, f.limits); len(due) == 0 && !ring.WantsKey(now, f.limits) {
		return nil
	}
	var done []keys.Change
	err := f.ring.Update(ctx, func(r keys.Ring) (next keys.Ring, err error) {
		next, done = r.Advance(now, f.limits)
		if !next.WantsKey(now, f.limits) {
			return next, nil
		}
		next, change, err := addStandby(next, "", now)
		done = append(done, change)
		return next, err
	})
	if err != nil {
		return fmt.Errorf("rotating the keys: %w", err)
	}
	for _, change := range done {
		f.log.InfoContext(ctx, "rotated the keys", "kid", change.KeyID, "from", string(change.From), "to", string(change.To))
		f.audit.Record(rotation(change))
	}
	return nil
}

// rotation is what the audit says of a change of the ring.
func rotation(c keys.Change) db.Event {
	name, reason := "rotate", string(c.From)+" to "+string(c.To)
	switch {
	case c.From == "":
		reason = "new key, " + string(c.To)
	case c.To == "":
		reason = string(c.From) + ", gone: its last token has expired"
	case c.To == keys.Revoked:
		name = "revoke"
	}
	return db.Event{Name: name, Outcome: "ok", KeyID: c.KeyID, Reason: reason}
}
