package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// part is a column of a primary key.
type part struct {
	Name string // quoted where needed
	Type string
}

// condition says which row is meant, with parameters for the values of a.Row. Of a key of several columns the values are separated by
// commas; one alone is that of the column id, or of the key's last.
func (a *account) condition(ctx context.Context) (where string, values []any, err error) {
	const query = `
		select format('%I', attname), pg_catalog.format_type(atttypid, atttypmod)
		from pg_catalog.pg_index, unnest(indkey) with ordinality k (n, i) join pg_catalog.pg_attribute on attnum = n
		where indrelid = $1 and attrelid = $1 and indisprimary order by i`
	parts, err := list[part](ctx, a.tx, query, a.OID)
	if err != nil {
		return "", nil, err
	}
	if len(parts) == 0 {
		return "", nil, fmt.Errorf("%w: %s has no primary key; leave the row out", ErrRow, a.Name)
	}
	given := []string{a.Row}
	if len(parts) > 1 {
		given = strings.Split(a.Row, ",")
		if len(given) == 1 {
			at := max(slices.IndexFunc(parts, func(p part) bool { return p.Name == "id" }), 0)
			if parts[at].Name != "id" {
				at = len(parts) - 1
			}
			parts = parts[at : at+1]
		}
	}
	if len(given) != len(parts) {
		return "", nil, fmt.Errorf("%w: the primary key of %s is (%s)", ErrRow, a.Name, columnsOf(parts))
	}
	var terms []string
	for i, p := range parts {
		terms = append(terms, fmt.Sprintf("%s = $%d::text::%s", p.Name, i+1, p.Type))
		values = append(values, strings.TrimSpace(given[i]))
	}
	return strings.Join(terms, " and "), values, nil
}

func columnsOf(parts []part) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// readRow looks for the row as the owner and as the caller, and asks each policy about it.
func (a *account) readRow(ctx context.Context) error {
	if a.Row == "" {
		return nil
	}
	where, values, err := a.condition(ctx)
	if err != nil {
		return err
	}
	rows, err := a.find(ctx, where, values, "set local row_security = off")
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRow, err)
	}
	if len(rows) > 1 {
		return fmt.Errorf("%w: several rows of %s have it; give every value of the primary key, with commas between", ErrRow, a.Name)
	}
	a.answer.Row = &RowVerdict{Key: a.Row, Exists: len(rows) == 1}
	if err := a.become(ctx, a.Role); err != nil {
		return err
	}
	if a.Usage && a.Reads {
		seen, err := a.find(ctx, where, values, "")
		if err == nil {
			a.answer.Row.Seen = len(seen) == 1
		}
	}
	if len(rows) == 1 {
		if err := a.judge(ctx, rows[0]); err != nil {
			return err
		}
	}
	return a.asOwner(ctx)
}

// find reads the rows, two at most. An error of PostgreSQL's is its message alone.
func (a *account) find(ctx context.Context, where string, values []any, set string) (rows []string, err error) {
	what := "to_jsonb(found)::text"
	if set == "" {
		what = "''" // for a caller who may not read every column
	}
	err = a.try(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, set); err != nil {
			return err
		}
		rows, err = list[string](ctx, tx, fmt.Sprintf("select %s from %s found where %s limit 2", what, a.Name, where), values...)
		return err
	})
	if answer, ok := refused(err); ok {
		return nil, errors.New(answer.Message)
	}
	return rows, err
}

// judge asks each policy that is for the caller about a row. The caller's role evaluates it, with its claims, on a copy of the row.
func (a *account) judge(ctx context.Context, row string) error {
	for i := range a.answer.Policies {
		p := &a.answer.Policies[i]
		if !p.Applies {
			continue
		}
		if err := a.verdict(ctx, p, &p.Sees, p.Using, row); err != nil {
			return err
		}
		p.Writes = p.Sees
		if p.WithCheck == "" || p.Error != "" {
			continue
		}
		if err := a.verdict(ctx, p, &p.Writes, p.WithCheck, row); err != nil {
			return err
		}
	}
	return nil
}

// verdict evaluates an expression that the owner wrote; the row is a parameter. NULL and "" are no verdict.
func (a *account) verdict(ctx context.Context, p *PolicyVerdict, to **bool, expression, row string) error {
	if expression == "" {
		return nil
	}
	err := a.try(ctx, func(tx pgx.Tx) error {
		query := fmt.Sprintf("select (%s)::boolean from jsonb_populate_record(null::%s, $1::text::jsonb) as %s", expression, a.Name, a.Plain)
		return tx.QueryRow(ctx, query, row).Scan(to)
	})
	if answer, ok := refused(err); ok {
		p.Error = answer.Message
		return nil
	}
	return err
}

// missingClaims are the names that policies ask for in vain, for a sentence.
func (a *account) missingClaims() string {
	if len(a.answer.Typos) > 0 {
		t, near := a.answer.Typos[0], ""
		if t.Meant != "" {
			near = fmt.Sprintf("; it has %q", t.Meant)
		}
		return fmt.Sprintf(" (policy %s asks for the claim %q, which the caller does not have%s)", t.Policy, t.Claim, near)
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(a.Claims, &claims) == nil && len(claims) == 0 {
		return " (the caller has no claims)"
	}
	return ""
}
