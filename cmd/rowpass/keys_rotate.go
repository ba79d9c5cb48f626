package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/keys"
)

func (p *program) rotateKeysCommand() *cobra.Command {
	var force bool
	var alg string
	c := &cobra.Command{
		Use: "rotate", Short: "Let another key sign, step by step", Args: noArgs,
		Long: `Let another key sign. The first rotate publishes it, as standby; it signs once whoever keeps our key set knows it, which takes
twice keys.jwks_max_age. A running rowpass serve lets it sign by itself then; without one, a second rotate does. The key before
it verifies until its last token is out of date.`,
		Example: `  rowpass keys rotate
  rowpass keys rotate --force     # the key signs at once; services that keep our key set refuse its tokens for a while`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if alg != "" && !slices.Contains(keys.Algorithms(), alg) {
				return fmt.Errorf("--alg %q: one of %s is needed", alg, strings.Join(keys.Algorithms(), ", "))
			}
			return p.turn(cmd.Context(), "rotate", func(t *turn, r keys.Ring) (keys.Ring, error) { return t.rotate(r, alg, force) })
		},
	}
	c.Flags().BoolVar(&force, "force", false, "let the new key sign at once")
	c.Flags().StringVar(&alg, "alg", "", "`algorithm` of the new key: "+strings.Join(keys.Algorithms(), ", ")+" (default: that of the current key)")
	among(c, "alg", keys.Algorithms()...)
	return c
}

func (p *program) revokeKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "revoke KID", Short: "Make void at once whatever a key has signed", Args: oneKID,
		Long: `Make void at once whatever a key has signed, on every instance. For the current key the standby key steps in, whatever its age,
or a fresh one. Refresh tokens go on, and give tokens of the key that signs then. Nothing brings a revoked key back, not even import.`,
		Example: `  rowpass keys revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs
  rowpass keys revoke -- -BLvFcoNYmrZZ4mVPaWy4QUF5IvlmhAOlGUEVDCBfMA     # a KID that begins with -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.turn(cmd.Context(), "revoke", func(t *turn, r keys.Ring) (keys.Ring, error) { return t.revoke(r, args[0]) })
		},
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; a KID that begins with - is given as %s -- KID", err, c.CommandPath())
	})
	return c
}

// oneKID wants a single kid.
func oneKID(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s wants one KID; rowpass keys list shows them", c.CommandPath())
	}
	return nil
}

// turn is one command's change of the ring, and what there is to tell of it.
type turn struct {
	now     time.Time
	limits  keys.Limits
	changes []keys.Change
	early   bool // a key signs before its wait was over
}

// turn changes the configured ring and tells what has become of it.
func (p *program) turn(ctx context.Context, command string, change func(*turn, keys.Ring) (keys.Ring, error)) error {
	return p.onRing(ctx, func(c Config, store keys.Store) error {
		var t turn
		ring, err := keys.Update(ctx, store, func(r keys.Ring) (keys.Ring, error) {
			t = turn{now: time.Now(), limits: c.keyLimits()}
			return change(&t, r)
		})
		if err != nil {
			return fmt.Errorf("the ring in %s: %w", c.ringPlace(), err)
		}
		if err := t.tell(p.stdout, ring); err != nil {
			return err
		}
		return p.record(ctx, c, command, t)
	})
}

var errNoCurrentKey = errors.New("no key signs: rowpass keys generate makes the first one")

// rotate takes the ring one step further: to a standby key, or to that one signing.
func (t *turn) rotate(r keys.Ring, alg string, force bool) (keys.Ring, error) {
	if _, ok := r.Current(); !ok {
		return r, errNoCurrentKey
	}
	if standby, ok := r.Standby(); ok && alg != "" && alg != standby.Algorithm() {
		return r, fmt.Errorf("the standby key %s is for %s, and signs next: let it, or revoke it first", standby.ID(), standby.Algorithm())
	}
	if next, changes := r.Advance(t.now, t.limits); signs(changes) {
		t.changes = changes
		return next, nil
	}
	if _, ok := r.Standby(); !ok {
		return t.add(r, alg, force)
	}
	return t.promote(r, force)
}

// add publishes a fresh key, and lets it sign if it has to.
func (t *turn) add(r keys.Ring, alg string, force bool) (keys.Ring, error) {
	r, added, err := addStandby(r, alg, t.now)
	if err != nil {
		return r, err
	}
	t.changes = append(t.changes, added)
	if !force {
		return r, nil
	}
	return t.promote(r, force)
}

func (t *turn) promote(r keys.Ring, force bool) (keys.Ring, error) {
	next, changes, err := r.Promote(t.now, t.limits, force)
	if early, ok := errors.AsType[*keys.EarlyError](err); ok {
		return r, fmt.Errorf("%w; with --force it signs at once, and services that keep our key set refuse new tokens for up to %s",
			early, t.limits.MaxAge)
	}
	if err != nil {
		return r, err
	}
	t.changes, t.early = append(t.changes, changes...), t.isEarly(r)
	return next, nil
}

// revoke revokes kid, and sees to it that a key signs afterwards.
func (t *turn) revoke(r keys.Ring, kid string) (keys.Ring, error) {
	current, _ := r.Current()
	if _, ok := r.Standby(); !ok && current.ID() == kid && kid != "" {
		var err error
		if r, err = t.add(r, "", false); err != nil {
			return r, err
		}
	}
	next, changes, err := r.Revoke(kid, t.now, t.limits)
	if errors.Is(err, keys.ErrUnknownKey) {
		return r, fmt.Errorf("there is no key %q; rowpass keys list shows them", kid)
	}
	if err != nil {
		return r, err
	}
	t.changes, t.early = append(t.changes, changes...), signs(changes) && t.isEarly(r)
	return next, nil
}

// isEarly says whether r's standby key has waited too short a time.
func (t *turn) isEarly(r keys.Ring) bool {
	standby, ok := r.Standby()
	return ok && t.now.Before(standby.Since().Add(t.limits.Wait()))
}

// signs says that another key signs now.
func signs(changes []keys.Change) bool {
	return slices.ContainsFunc(changes, func(c keys.Change) bool { return c.To == keys.Current })
}

// addStandby adds a fresh key for alg, or else for the current one's algorithm.
func addStandby(r keys.Ring, alg string, now time.Time) (keys.Ring, keys.Change, error) {
	current, _ := r.Current()
	key, err := keys.Generate(cmp.Or(alg, current.Algorithm()), now)
	if err != nil {
		return r, keys.Change{}, err
	}
	r, err = r.Add(key, keys.Standby, now)
	return r, keys.Change{KeyID: key.ID(), To: keys.Standby}, err
}

// tell prints a line for each key that is in another state than before.
func (t *turn) tell(w io.Writer, ring keys.Ring) error {
	if len(t.changes) == 0 {
		_, err := fmt.Fprintln(w, "the key is revoked already; nothing was changed")
		return err
	}
	var out strings.Builder
	for i, c := range t.changes {
		if c.From == "" && slices.ContainsFunc(t.changes[i+1:], func(later keys.Change) bool { return later.KeyID == c.KeyID }) {
			continue // it has gone further already
		}
		fmt.Fprintf(&out, "%s %s\n", c.KeyID, t.became(c, ring))
	}
	if t.early {
		fmt.Fprintf(&out, "services that keep our key set refuse new tokens until they fetch it again, for up to %s\n", t.limits.MaxAge)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// became says what a key is after a change.
func (t *turn) became(c keys.Change, ring keys.Ring) string {
	key, _ := ring.Find(c.KeyID)
	switch c.To {
	case keys.Standby:
		return fmt.Sprintf("(%s, standby) signs from %s on: rowpass serve sees to it; without one, type rowpass keys rotate again then",
			key.Algorithm(), timeText(key.Since().Add(t.limits.Wait())))
	case keys.Current:
		return fmt.Sprintf("(%s, current) signs now", key.Algorithm())
	case keys.Previous:
		return fmt.Sprintf("(%s, previous) verifies until %s", key.Algorithm(), timeText(key.Until()))
	case keys.Revoked:
		return fmt.Sprintf("is revoked: whatever it signed is void; services that keep our key set may take it until %s", timeText(t.now.Add(t.limits.MaxAge)))
	}
	return "is gone: its last token is out of date"
}

// record notes the turn in the audit. A ring in a folder takes its turns without a database, too: where none can be reached,
// or a private one doesn't run, its own times are the record.
func (p *program) record(ctx context.Context, c Config, command string, t turn) error {
	events := make([]db.Event, len(t.changes))
	for i, change := range t.changes {
		events[i] = rotation(change)
		events[i].At = t.now
		events[i].Reason += ", by rowpass keys " + command
	}
	if len(events) == 0 || c.embeddedMode() && !isRunning(ctx, c) {
		return nil
	}
	err := p.onState(ctx, func(_ Config, state *db.State) error {
		return errors.Join(state.WriteEvents(ctx, events), t.deny(ctx, state))
	})
	if err != nil {
		err = fmt.Errorf("done, but not noted in the audit: %w", err)
	}
	if c.Keys.Store == inFolder && err != nil {
		_, err = fmt.Fprintln(p.stderr, err)
	}
	return err
}

// deny puts revoked keys on the deny-list as well, for instances that cannot read the ring, such as those that run with the
// wrapping secret of before a rewrap.
func (t *turn) deny(ctx context.Context, state *db.State) error {
	for _, c := range t.changes {
		if c.To != keys.Revoked {
			continue
		}
		if err := state.Deny(ctx, db.Denial{Kind: db.DenyKey, Value: c.KeyID, Reason: "the key was revoked"}); err != nil {
			return err
		}
	}
	return nil
}
