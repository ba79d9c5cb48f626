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

// held lists the relations that another session locks, or is about to, so that nobody else reads them. PostgreSQL's own are not waited for.
const held = `
	select distinct relation from pg_catalog.pg_locks
	where locktype = 'relation' and mode = 'AccessExclusiveLock' and relation >= 16384
		and database = (select oid from pg_catalog.pg_database where datname = current_database())
	order by 1`

// naming lists the policies of the relations $1 and those that look into one of them.
const naming = `
	select p.oid, format('%I.%I policy %I', nspname, relname, polname), polrelid = any ($1::oid[])
	from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = polrelid join pg_catalog.pg_namespace n on n.oid = relnamespace
	where polrelid = any ($1::oid[]) or exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.pg_policy'::regclass and objid = p.oid
		and refclassid = 'pg_catalog.pg_class'::regclass and refobjid = any ($1::oid[]))
	order by 2`

// leaveLocked takes relations out of the examination that stay locked, and policies that name one: to write these as text, PostgreSQL has
// to open what they name.
func (e *examination) leaveLocked(ctx context.Context) error {
	suspects, err := list[uint32](ctx, e.tx, held)
	if err != nil {
		return err
	}
	locked := []uint32{}
	var answer *pgconn.PgError
	for _, oid := range suspects {
		err := try(ctx, e.tx, func(tx pgx.Tx) error {
			if len(locked) > 0 { // by now the others have had their time, too
				if _, err := tx.Exec(ctx, `set local lock_timeout = '100ms'`); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `select pg_catalog.pg_relation_size($1::oid)`, oid) // opens it, and needs no right on it
			return err
		})
		if waited(err) {
			answer, _ = refused(err)
			locked, err = append(locked, oid), nil
		}
		if err != nil {
			return err
		}
	}
	e.relations = slices.DeleteFunc(e.relations, func(r relation) bool {
		left := slices.Contains(locked, r.OID)
		if left {
			e.missed = append(e.missed, notExamined(r.Name, answer))
		}
		return left
	})
	all, err := list[struct {
		OID    uint32
		Object string
		Own    bool // of a locked relation, which is told already
	}](ctx, e.tx, naming, locked)
	for _, p := range all {
		if e.locked = append(e.locked, p.OID); !p.Own {
			e.missed = append(e.missed, notExamined(p.Object, answer))
		}
	}
	return err
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
