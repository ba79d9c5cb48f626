package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxNamed is how many texts of a dead event are looked up among those who were purged. Of one that has more nothing is kept.
const maxNamed = 500

// forgetPurged takes from dead events what no table should have, and the whole body where it names a user who was purged, or
// where nobody can tell whom it names. Hold hold_purged: who is purged later is looked for in the bodies that are kept.
func forgetPurged(ctx context.Context, tx pgx.Tx, letters []*letter) error {
	const query = `select mark from rowpass.purged where mark = any ($1::bytea[])`
	var marks [][]byte
	byMark := map[string][]*letter{}
	for _, l := range letters {
		if l.fate != dead || !l.redact() {
			continue
		}
		for id := range l.named() {
			mark := sha256.Sum256([]byte(id))
			marks, byMark[string(mark[:])] = append(marks, mark[:]), append(byMark[string(mark[:])], l)
		}
	}
	if len(marks) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, query, marks)
	if err != nil {
		return fmt.Errorf("looking for purged users in dead events: %w", err)
	}
	var mark []byte
	if _, err := pgx.ForEachRow(rows, []any{&mark}, func() error {
		for _, l := range byMark[string(mark)] {
			l.body = nil
		}
		return nil
	}); err != nil {
		return fmt.Errorf("looking for purged users in dead events: %w", err)
	}
	return nil
}

// redact leaves of the body what may be kept, and says whether that is anything.
func (l *letter) redact() bool {
	defer func() {
		if recover() != nil {
			l.body = nil
		}
	}()
	l.body = l.source.Redact(l.body)
	return l.body != nil
}

// named are the ids of all whom the event may name: any of its texts, or what follows the last slash of one, may be a subject. The
// body becomes what was looked at: of two members of one name the last, each text written in one way.
func (l *letter) named() map[string]bool {
	ids := map[string]bool{}
	if l.event.Kind != Ignore {
		ids[l.subjectID()] = true
	}
	value, err := parse(l.body, "the event")
	if err != nil || !l.addTexts(value, ids) {
		l.body = nil
		return nil
	}
	if l.body, err = encode(value); err != nil {
		return nil
	}
	return ids
}

// addTexts is false where there are too many.
func (l *letter) addTexts(value any, ids map[string]bool) bool {
	switch v := value.(type) {
	case string:
		ids[l.source.ID(v)] = true
		ids[l.source.ID(v[strings.LastIndex(v, "/")+1:])] = true
		return l.addHeld(v, ids)
	case json.Number:
		ids[l.source.ID(v.String())] = true
	case []any:
		return !slices.ContainsFunc(v, func(element any) bool { return !l.addTexts(element, ids) })
	case map[string]any:
		for _, member := range v {
			if !l.addTexts(member, ids) {
				return false
			}
		}
	}
	return len(ids) <= maxNamed
}

// addHeld adds the texts of JSON that a text holds.
func (l *letter) addHeld(text string, ids map[string]bool) bool {
	if holdsJSON(text) {
		if value, err := parse([]byte(text), "the text"); err == nil {
			return l.addTexts(value, ids)
		}
	}
	return len(ids) <= maxNamed
}
