package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// part is a column of a primary key.
type part struct {
	Name string // quoted where needed
	Type string // as SQL has it; a domain's is what it is made of; "" for one that is none of PostgreSQL's own
}

// primary lists the columns of the primary key. Of types that others make, operators and casts would run code of theirs.
const primary = `
	select format('%I', attname), coalesce((
		with recursive under (type, made_of) as (
			select oid, typbasetype from pg_catalog.pg_type where oid = atttypid
			union all
			select t.oid, typbasetype from under join pg_catalog.pg_type t on t.oid = made_of
		)
		select pg_catalog.format_type(oid, -1) from under join pg_catalog.pg_type on oid = type
		where made_of = 0 and typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm')), '')
	from pg_catalog.pg_index, unnest(indkey) with ordinality k (n, i) join pg_catalog.pg_attribute on attnum = n
	where indrelid = $1 and attrelid = $1 and indisprimary order by i`

// equals compares the column with a parameter. PostgreSQL's own types are compared by their own operators; of others it is the text that
// they are written as, which their output functions make: these are never a lesser role's.
func (p part) equals(parameter int) string {
	if p.Type == "" {
		return fmt.Sprintf("pg_catalog.format('%%s', found.%s) operator(pg_catalog.=) $%d::text", p.Name, parameter)
	}
	return fmt.Sprintf("found.%s::%s operator(pg_catalog.=) $%d::text::%[2]s", p.Name, p.Type, parameter)
}

// condition says which row is meant, with parameters for the values of a.Row. Of a key of several columns the values are separated by
// commas; one alone is that of the column id, or of the key's last.
func (a *account) condition(ctx context.Context) (where string, values []any, err error) {
	parts, err := list[part](ctx, a.tx, primary, a.OID)
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
			parts = []part{alone(parts)}
		}
	}
	if len(given) != len(parts) {
		return "", nil, fmt.Errorf("%w: the primary key of %s is (%s)", ErrRow, a.Name, columnsOf(parts))
	}
	var terms []string
	for i, p := range parts {
		value := strings.TrimSpace(given[i])
		if err := a.readable(ctx, p, value); err != nil {
			return "", nil, err
		}
		terms, values = append(terms, p.equals(i+1)), append(values, value)
	}
	return strings.Join(terms, " and "), values, nil
}

// alone is the column that one value of several is for.
func alone(parts []part) part {
	if at := slices.IndexFunc(parts, func(p part) bool { return p.Name == "id" }); at >= 0 {
		return parts[at]
	}
	return parts[len(parts)-1]
}

// readable says whether a value is one of the column's, where PostgreSQL's own types can tell.
func (a *account) readable(ctx context.Context, p part, value string) error {
	if p.Type == "" {
		return nil
	}
	err := try(ctx, a.tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf("select $1::text::%s", p.Type), value)
		return err
	})
	if answer, ok := refused(err); ok {
		return fmt.Errorf("%w: %s", ErrRow, answer.Message)
	}
	return err
}

func columnsOf(parts []part) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// readRow looks for the row as the owner, where nobody else's code is reached by that, and as the caller, and asks each policy about it.
func (a *account) readRow(ctx context.Context) error {
	if a.Row == "" {
		return nil
	}
	where, values, err := a.condition(ctx)
	if err != nil {
		return err
	}
	a.answer.Row = &RowVerdict{Key: a.Row}
	if a.answer.Row.Seen, err = a.sees(ctx, where, values); err != nil {
		return err
	}
	if a.answer.Unread != "" {
		a.answer.Row.Exists = a.answer.Row.Seen
		return nil
	}
	rows, err := a.find(ctx, where, values)
	if err != nil {
		return err
	}
	if a.answer.Row.Exists = len(rows) > 0; a.answer.Row.Exists {
		return a.judge(ctx, rows[0])
	}
	return nil
}

// sees says whether the caller finds the row. What it gets an error for it doesn't see.
func (a *account) sees(ctx context.Context, where string, values []any) (bool, error) {
	if !a.Usage || !a.Reads {
		return false, nil
	}
	var rows []string
	err := a.caller.as(ctx, a.Role, func(tx pgx.Tx) (err error) { // who may not read every column may read this
		rows, err = list[string](ctx, tx, fmt.Sprintf("select '' from %s found where %s limit 2", a.Name, where), values...)
		return err
	})
	if _, ok := refused(err); ok {
		return false, nil
	}
	if len(rows) > 1 {
		return false, a.ambiguous()
	}
	return len(rows) == 1, err
}

// find reads the row as the owner, one of the owner's own tables. It is taken as the record's text: whatever else it were turned into,
// somebody's cast might do it.
func (a *account) find(ctx context.Context, where string, values []any) (rows []string, err error) {
	err = try(ctx, a.tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local row_security = off"); err != nil {
			return err
		}
		rows, err = list[string](ctx, tx, fmt.Sprintf("select (found.*)::text from %s found where %s limit 2", a.Name, where), values...)
		return err
	})
	if answer, ok := refused(err); ok {
		return nil, fmt.Errorf("%w: %s", ErrRow, answer.Message)
	}
	if len(rows) > 1 {
		return nil, a.ambiguous()
	}
	return rows, err
}

func (a *account) ambiguous() error {
	return fmt.Errorf("%w: several rows of %s have it; give every value of the primary key, with commas between", ErrRow, a.Name)
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

// verdict evaluates an expression that the table's owner wrote; the row is a parameter. NULL and "" are no verdict.
func (a *account) verdict(ctx context.Context, p *PolicyVerdict, to **bool, expression, row string) error {
	if expression == "" {
		return nil
	}
	err := a.caller.as(ctx, a.Role, func(tx pgx.Tx) error {
		query := fmt.Sprintf("select (%s)::boolean from pg_catalog.unnest(array[$1::text::%s]) as %s", expression, a.Name, a.Plain)
		return tx.QueryRow(ctx, query, row).Scan(to)
	})
	if answer, ok := refused(err); ok {
		p.Error = a.told(answer)
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
