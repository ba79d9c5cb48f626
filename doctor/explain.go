package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNoTable says that what is to be explained is not there.
var ErrNoTable = errors.New("no such table")

// ErrLocked says that another session keeps the table from being read.
var ErrLocked = errors.New("another session holds a lock on it, or on what its policies name, that lets nobody read (LOCK TABLE, ALTER TABLE); try again when that is over")

// ErrRow says that a row cannot be looked for by what was given.
var ErrRow = errors.New("no such key")

// subject is the relation that is explained.
type subject struct {
	OID    uint32
	Name   string // quoted where needed, with its schema
	Plain  string // the relation's name alone, quoted where needed
	Kind   string
	RLS    bool
	Usage  bool   // the role may use the schema
	Reads  bool   // the role may read it, in whole or in part
	Invoke bool   // a view that reads as its caller
	Owner  string // whose it, or a part of it, is, quoted where needed; "": the owner's own
}

// account is one run of Explain.
type account struct {
	ExplainConfig
	*session
	subject
	answer  Explanation
	refusal string // what PostgreSQL says to the caller's reading; "" where it gives rows
}

// Explain tells what a caller sees of a table, and why. It changes nothing. Where nothing is of the name it is ErrNoTable, and ErrRow
// where the row's key is none of that table. As the owner it reads catalogues and the owner's own rows; all else is done as the caller.
func Explain(ctx context.Context, c ExplainConfig) (Explanation, error) {
	if len(c.Claims) == 0 {
		c.Claims = json.RawMessage("{}")
	}
	s, err := open(ctx, sessionConfig{OwnerURL: c.OwnerURL, GatewayURL: c.GatewayURL, Schema: c.AuthSchema, Claims: c.Claims, Role: c.Role})
	if err != nil {
		return Explanation{}, err
	}
	defer s.end(ctx)
	if s.unfit != nil {
		return Explanation{}, fmt.Errorf("%w; rowpass doctor tells how to mend it", s.unfit)
	}
	a := &account{ExplainConfig: c, session: s}
	for _, part := range []struct {
		step string
		read func(context.Context) error
	}{
		{"looking for the table", a.readSubject},
		{"reading grants", a.readGrants},
		{"reading who the caller is", a.readIdentity},
		{"reading policies", a.readPolicies},
		{"looking at the row", a.readRow},
		{"counting rows", a.count},
		{"reading the plan", a.readPlan},
	} {
		err := part.read(ctx)
		if waited(err) {
			err = ErrLocked
		}
		if err != nil {
			return Explanation{}, fmt.Errorf("%s: %w", part.step, err)
		}
	}
	a.answer.Answer = a.conclusion()
	return a.answer, nil
}

// told is what may be said of an error of PostgreSQL's, whose message can hold a value of a row that the caller does not see.
func (a *account) told(answer *pgconn.PgError) string {
	if a.ToCaller {
		return "SQLSTATE " + answer.Code
	}
	return answer.Message
}

// conclusion is the sentence, and what was left out.
func (a *account) conclusion() string {
	e := &a.answer
	switch {
	case e.Unread == "":
		return a.sentence()
	case e.Row == nil, !a.Usage, !a.Reads, a.failed() != "", !e.RLS:
		return a.sentence() + " How many rows there are was not counted: " + e.Unread + "."
	case e.Row.Seen:
		return fmt.Sprintf("%s sees row %s. What each policy says of it was not asked: %s.", e.Role, e.Row.Key, e.Unread)
	}
	return fmt.Sprintf("%s does not see row %s. Whether there is one was not looked for: %s.", e.Role, e.Row.Key, e.Unread)
}

func (a *account) readSubject(ctx context.Context) error {
	const query = `
		select c.oid, format('%I.%I', nspname, relname), format('%I', relname), relkind::text, relrowsecurity,
			has_schema_privilege($3, n.oid, 'usage'), has_any_column_privilege($3, c.oid, 'select'),
			relkind = 'v' and coalesce((select bool_or(option_value::boolean) from pg_catalog.pg_options_to_table(reloptions) where option_name = 'security_invoker'), false),
			coalesce((with recursive part (oid) as (
					select c.oid union select inhrelid from part join pg_catalog.pg_inherits on inhparent = part.oid
				) select format('%I', pg_catalog.pg_get_userbyid(relowner)) from part join pg_catalog.pg_class p using (oid)
				where pg_catalog.pg_get_userbyid(relowner) <> current_user order by oid <> c.oid, 1 limit 1), '')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
		where relkind in ('r', 'p', 'v', 'm', 'f') and nspname = $1 and relname = $2`
	schema, name, found := strings.Cut(a.Table, ".")
	if !found {
		schema, name = "public", a.Table
	}
	all, err := list[subject](ctx, a.tx, query, unquote(schema), unquote(name), a.Role)
	if err != nil {
		return err
	}
	if len(all) == 0 || a.ToCaller && !(all[0].Usage && all[0].Reads) {
		return fmt.Errorf("%w: %s.%s", ErrNoTable, schema, name)
	}
	a.subject = all[0]
	a.answer = Explanation{
		Role: a.Role, Claims: a.Claims, Table: a.Name, Kind: relationKinds[a.Kind], RLS: a.RLS,
		Grants: []Grant{}, Policies: []PolicyVerdict{}, Typos: []Typo{}, Plan: []string{},
	}
	if a.Owner != "" && a.Kind != "v" && a.Kind != "f" {
		a.answer.Unread = fmt.Sprintf("%s belongs to %s, whose code would run as the owner", a.Name, a.Owner)
	}
	return nil
}

var relationKinds = map[string]string{"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}

// unquote takes a name as SQL has it, or as it is.
func unquote(name string) string {
	if len(name) > 2 && strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`) {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}

func (a *account) readGrants(ctx context.Context) error {
	const query = `
		select upper(p), case when has_table_privilege($1, $2::oid, p) then '{}' else array(select attname::text from pg_catalog.pg_attribute
			where attrelid = $2::oid and attnum > 0 and not attisdropped and has_column_privilege($1, $2::oid, attnum, p) order by attnum) end
		from unnest(array['select', 'insert', 'update']) with ordinality o (p, i) where has_any_column_privilege($1, $2::oid, p)
		union all
		select upper(p), '{}' from unnest(array['delete', 'truncate', 'references', 'trigger']) with ordinality o (p, i) where has_table_privilege($1, $2::oid, p)`
	var err error
	a.answer.Grants, err = list[Grant](ctx, a.tx, query, a.Role, a.OID)
	return err
}

func (a *account) readIdentity(ctx context.Context) error {
	const query = `select %[1]s.user_id(), %[1]s.uid()::text, %[1]s.tenant(), %[1]s.tenant_id()::text`
	return a.caller.as(ctx, a.Role, func(tx pgx.Tx) error {
		all, err := list[Identity](ctx, tx, fmt.Sprintf(query, quoteIdent(a.schema)))
		if err == nil {
			a.answer.Identity = all[0]
		}
		return err
	})
}

func (a *account) readPolicies(ctx context.Context) error {
	const query = `
		select format('%I', polname),
			case polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end, polpermissive,
			array(select case when r = 0 then 'public' else format('%I', pg_catalog.pg_get_userbyid(r)) end from unnest(polroles) r),
			exists (select from unnest(polroles) r where r = 0 or pg_catalog.pg_has_role($2::text, r, 'USAGE')),
			coalesce(pg_catalog.pg_get_expr(polqual, polrelid), ''), coalesce(pg_catalog.pg_get_expr(polwithcheck, polrelid), '')
		from pg_catalog.pg_policy where polrelid = $1
		order by polpermissive desc, polname`
	type row struct {
		Name, Command    string
		Permissive       bool
		Roles            []string
		Applies          bool
		Using, WithCheck string
	}
	all, err := list[row](ctx, a.tx, query, a.OID, a.Role)
	if err != nil {
		return err
	}
	for _, p := range all {
		a.answer.Policies = append(a.answer.Policies, PolicyVerdict{
			Name: p.Name, Command: p.Command, Permissive: p.Permissive, Roles: p.Roles, Applies: p.Applies, Using: p.Using, WithCheck: p.WithCheck,
		})
		if p.Applies {
			a.readTypos(p.Name, p.Using, p.WithCheck)
		}
	}
	return nil
}

// readTypos notes the claims that a policy asks for and the caller has none of.
func (a *account) readTypos(policy string, expressions ...string) {
	var claims map[string]json.RawMessage
	_ = json.Unmarshal(a.Claims, &claims) // an object, or it could not have been sealed
	var has []string
	for name := range claims {
		has = append(has, name)
	}
	slices.Sort(has)
	var asked []string
	for _, e := range expressions {
		asked = append(asked, askers{schema: a.schema}.claimNames(parse(e))...)
	}
	slices.Sort(asked)
	for _, name := range slices.Compact(asked) {
		if !slices.Contains(has, name) {
			a.answer.Typos = append(a.answer.Typos, Typo{Policy: policy, Claim: name, Meant: nearest(name, has)})
		}
	}
}

// count counts as the caller and as the owner, up to CountLimit. What cannot be counted is nil.
func (a *account) count(ctx context.Context) error {
	if a.Usage && a.Reads {
		err := a.caller.as(ctx, a.Role, func(tx pgx.Tx) error { return a.countInto(ctx, tx, &a.answer.Counts.Seen) })
		if answer, ok := refused(err); ok {
			if err = nil; answer.Code != canceled {
				a.refusal = a.told(answer)
			}
		}
		if err != nil {
			return err
		}
	}
	if a.Kind == "v" || a.Kind == "f" || a.answer.Unread != "" {
		return nil // what they call would run as the owner
	}
	err := try(ctx, a.tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local row_security = off"); err != nil {
			return err
		}
		return a.countInto(ctx, tx, &a.answer.Counts.All)
	})
	if _, ok := refused(err); ok {
		return nil
	}
	return err
}

func (a *account) countInto(ctx context.Context, tx pgx.Tx, to **int64) error {
	var n int64
	if err := tx.QueryRow(ctx, fmt.Sprintf("select count(*) from (select from %s limit %d) counted", a.Name, CountLimit)).Scan(&n); err != nil {
		return err
	}
	*to = &n
	return nil
}

func (a *account) readPlan(ctx context.Context) error {
	if !a.Usage || !a.Reads {
		return nil
	}
	err := a.caller.as(ctx, a.Role, func(tx pgx.Tx) error {
		plan, err := list[string](ctx, tx, "explain (costs off) select from "+a.Name)
		a.answer.Plan = append(a.answer.Plan, plan...)
		return err
	})
	if _, ok := refused(err); ok {
		return nil // told where rows are counted
	}
	return err
}
