package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// run is one check, within which a lock of another session's ends this check alone.
func (e *examination) run(ctx context.Context, c check) (found []Finding, err error) {
	err = try(ctx, e.tx, func(pgx.Tx) error {
		found, err = c.find(ctx, e)
		return err
	})
	if waited(err) {
		answer, _ := refused(err)
		return []Finding{notExamined(strings.TrimPrefix(c.step, "examining "), answer)}, nil
	}
	return found, err
}

// held lists which of the relations $1 are locked by another session, or are about to be, so that nobody else reads them.
const held = `
	select distinct relation from pg_catalog.pg_locks
	where locktype = 'relation' and mode = 'AccessExclusiveLock' and database = (select oid from pg_catalog.pg_database where datname = current_database())
		and relation = any ($1::oid[])
	order by 1`

// leaveLocked takes relations out of the examination that stay locked: to write their policies as text PostgreSQL has to open them.
func (e *examination) leaveLocked(ctx context.Context) error {
	var all []uint32
	for _, r := range e.relations {
		all = append(all, r.OID)
	}
	suspects, err := list[uint32](ctx, e.tx, held, all)
	if err != nil {
		return err
	}
	for _, oid := range suspects {
		err := try(ctx, e.tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `select pg_catalog.pg_relation_size($1::oid)`, oid) // opens it, and needs no right on it
			return err
		})
		if waited(err) {
			answer, _ := refused(err)
			at := slices.IndexFunc(e.relations, func(r relation) bool { return r.OID == oid })
			e.missed = append(e.missed, notExamined(e.relations[at].Name, answer))
			e.relations = slices.Delete(e.relations, at, at+1)
			e.locked = append(e.locked, oid)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notExamined tells of what took too long to look at.
func notExamined(object string, answer *pgconn.PgError) Finding {
	f := Finding{
		ID: "not-examined", Severity: Medium, Object: object, Title: fmt.Sprintf("PostgreSQL did not let %s be looked at in time: %s", object, answer.Message),
		Why:   "To plan a query took too long, as it does where a function that the planner calls is slow. Call that in a sub-select of its own.",
		Costs: "What is wrong there is not told.",
	}
	if answer.Code == lockNotAvailable {
		f.Why = "Another session holds a lock that lets nobody read, as LOCK TABLE and ALTER TABLE do. Look again when that is over."
	}
	return f
}

// unplanned tells that no plan was made.
func unplanned(why error) Finding {
	return Finding{
		ID: "not-examined", Severity: Medium, Object: "plans", Title: "No plan was looked at, so no policy is called slow: " + why.Error(),
		Why:   "A plan runs what policies call, which others may have written. That is done over the gateway's login, which must not be able to become more than a caller.",
		Costs: "What is slow is not told.",
	}
}
