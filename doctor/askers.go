package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// askers are the functions by which policies ask who the caller is.
type askers struct {
	schema   string            // where rowpass's stand
	trusting map[string]string // others, as schema.name, that believe request.jwt.* without its seal, with the call of ours that says the same; "" where none does
	volatile map[string]bool   // functions of which one of that name may say something else each time, as schema.name, PostgreSQL's own by their names alone; nil: unknown, so any may
}

// call is the call of one of rowpass's functions.
func (a askers) call(name string) string { return a.schema + "." + name + "()" }

// of gives the function of rowpass's that says the same as a call which believes the setting, and whether it is one.
func (a askers) of(e expr) (ours string, trusts bool) {
	if e.kind != call {
		return "", false
	}
	ours, trusts = a.trusting[e.name]
	if len(e.kids) > 0 {
		ours = ""
	}
	return ours, trusts
}

// isClaims knows the calls that give all claims.
func (a askers) isClaims(e expr) bool {
	if e.kind != call {
		return false
	}
	name := e.name + "()"
	if ours := a.trusting[e.name]; ours != "" {
		name = ours
	}
	return name == a.call("session") || name == a.call("jwt")
}

// body is a function's text.
type body struct {
	Schema, Name string
	Text         string // with each name qualified where it was bound when the function was made
	Reads        bool   // it believes the setting
	Ours         bool   // rowpass has one of this name and type, without arguments too
}

// bodies lists functions but PostgreSQL's, and rowpass's two that check or make the seal. $1 is the schema of rowpass's. What
// pg_session_jwt does can't be read here: without a key of its own in the session, which nobody gives it here, it takes the setting.
const bodies = `
	select nspname::text, proname::text, text, text ~* 'request\.jwt' or coalesce(probin, '') like '%pg_session_jwt%',
		nspname = 'auth' and nspname <> $1 and pronargs = 0 and exists (select from pg_catalog.pg_proc o join pg_catalog.pg_namespace m on m.oid = o.pronamespace
			where m.nspname = $1 and o.proname = p.proname and o.pronargs = 0 and o.prorettype = p.prorettype)
	from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace
	cross join lateral (select coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), prosrc, '')) as b (text)
	where prokind = 'f' and nspname !~ '^pg_' and nspname <> 'information_schema' and not (nspname = $1 and proname in ('session', 'impersonate'))
	order by 1, 2`

const volatiles = `
	select distinct case nspname when 'pg_catalog' then '' else nspname || '.' end || proname
	from pg_catalog.pg_proc join pg_catalog.pg_namespace n on n.oid = pronamespace where provolatile = 'v'`

// unsteady says whether asking e once a query is something else than asking it for each row. An operator that is not PostgreSQL's, and a
// cast to a type that is not, may call anything.
func (a askers) unsteady(e expr) bool {
	return a.volatile == nil || e.any(func(e expr) bool {
		return e.kind == call && (a.volatile[e.name] || a.volatile[strings.TrimPrefix(e.name, "pg_catalog.")] || e.name == "OPERATOR") ||
			e.kind == cast && strings.Contains(e.name, ".")
	})
}

// readAskers looks for functions that believe the setting, in themselves or by what they call.
func (e *examination) readAskers(ctx context.Context) error {
	all, err := list[body](ctx, e.tx, bodies, e.schema)
	if err != nil {
		return fmt.Errorf("reading functions: %w", err)
	}
	changing, err := list[string](ctx, e.tx, volatiles)
	if err != nil {
		return fmt.Errorf("reading which functions are volatile: %w", err)
	}
	e.asks = askers{schema: e.schema, trusting: map[string]string{}, volatile: map[string]bool{}}
	for _, name := range changing {
		e.asks.volatile[name] = true
	}
	called := make([]map[string]bool, len(all))
	for i, b := range all {
		called[i] = b.calls()
	}
	for grown := true; grown; {
		grown = false
		for i, b := range all {
			if _, known := e.asks.trusting[b.full()]; !known && (b.Reads || e.asks.among(called[i])) {
				e.asks.trusting[b.full()], grown = e.asks.instead(b), true
			}
		}
	}
	return nil
}

func (b body) full() string { return b.Schema + "." + b.Name }

// instead is the call of ours that says the same: names of schema auth mean everywhere what they mean here.
func (a askers) instead(b body) string {
	if !b.Ours {
		return ""
	}
	return a.call(b.Name)
}

// among says whether one of the calls, with or without a schema, is of a function that believes the setting.
func (a askers) among(called map[string]bool) bool {
	for full := range a.trusting {
		if called[full] || called[lastPart(full)] {
			return true
		}
	}
	return false
}

// calling is what stands before a parenthesis: a name, perhaps with a schema.
var calling = regexp.MustCompile(`((?:[\p{L}_][\p{L}\p{N}_$]*|"[^"]+")\s*\.\s*)?([\p{L}_][\p{L}\p{N}_$]*|"[^"]+")\s*\(`)

// calls are the names that a text calls.
func (b body) calls() map[string]bool {
	names := map[string]bool{}
	for _, found := range calling.FindAllStringSubmatch(b.Text, -1) {
		schema, name := plain(found[1]), plain(found[2])
		if schema != "" {
			name = schema + "." + name
		}
		names[name] = true
	}
	return names
}

// plain is a written name as PostgreSQL keeps it.
func plain(name string) string {
	name = strings.Trim(name, ". \t\r\n")
	if strings.HasPrefix(name, `"`) {
		return strings.Trim(name, `"`)
	}
	return strings.ToLower(name)
}
