package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	lateAttempts = 10 // with pauses from a second to a minute, some four minutes
	latePause    = time.Second
	latePauseMax = time.Minute
)

// settle applies what letters say and writes their fates, in the transaction. It leaves those whose fate is kept as they were.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, letters []*letter) error {
	if _, err := tx.Exec(ctx, holdPurged); err != nil {
		return err
	}
	bySource := map[*Source][]*letter{}
	for _, l := range letters {
		if l.fate == done {
			bySource[l.source] = append(bySource[l.source], l)
		}
	}
	enough, cancel := context.WithTimeout(ctx, 4*s.timeout)
	defer cancel()
	for _, name := range s.names { // users are locked in one order by everybody
		source := s.sources[name]
		of := bySource[source]
		if len(of) > 0 && enough.Err() != nil {
			keep(of)
			continue
		}
		if len(of) > 0 {
			if err := settleSource(ctx, tx, source, of); err != nil {
				return fmt.Errorf("applying events of %s: %w", name, err)
			}
		}
	}
	letters = slices.DeleteFunc(slices.Clone(letters), func(l *letter) bool { return l.fate == kept })
	if err := forgetPurged(ctx, tx, letters); err != nil {
		return err
	}
	if err := writeFates(ctx, tx, letters); err != nil {
		return err
	}
	return noteSources(ctx, tx, letters)
}

func keep(letters []*letter) {
	for _, l := range letters {
		l.fate = kept
	}
}

// settleSource applies all users of a source at once or, where one is in the way, one by one, so that nobody waits for that one.
func settleSource(ctx context.Context, tx pgx.Tx, source *Source, letters []*letter) error {
	var changes []Change
	for _, l := range letters {
		c := l.change()
		if reason := c.crowded(); reason != "" {
			l.kill(reason)
			continue
		}
		changes = append(changes, c)
	}
	users, outcomes := fold(source, changes), map[string]outcome{}
	tell := func(u user, o outcome) { outcomes[u.id] = o }
	err := applySome(ctx, tx, source, users, tell)
	if err != nil && tooLate(err) && ctx.Err() == nil {
		err = applyEach(ctx, tx, source, users, tell)
	}
	if err != nil {
		return err
	}
	for _, l := range letters {
		if l.fate == done && l.change().changes() {
			l.take(outcomes[l.subjectID()])
		}
	}
	return nil
}

// take makes the event's fate of what became of its user.
func (l *letter) take(o outcome) {
	switch reason := o.reason(); {
	case reason != "":
		l.kill(reason)
	case o.what == untried:
		l.fate = kept
	case o.what == late:
		l.putOffLate(o.owner)
	}
}

// putOffLate reads the event again later, ever less often. One for which there was never time is dead in the end; who is locked may be so for
// long, and nobody waits for it.
func (l *letter) putOffLate(code string) {
	reason := "another transaction holds the user (SQLSTATE " + code + ")"
	if code == "57014" {
		reason = "the database takes too long over it (SQLSTATE 57014)"
		if l.attempts+1 >= lateAttempts {
			l.kill(reason)
			return
		}
	}
	l.fate, l.reason = pending, reason
	l.pause = min(latePause<<min(l.attempts, 10), latePauseMax)
}
