package migrations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// authSchema is how the files name the schema of rowpass's functions, and its name where none is given.
const authSchema = "auth"

// schema is where rowpass's functions stand.
func (c Config) schema() string {
	if c.AuthSchema == "" {
		return authSchema
	}
	return c.AuthSchema
}

// check refuses what the directory cannot follow.
func (c Config) check() error {
	if c.schema() != authSchema && !c.AuthOnly {
		return errors.New("database.auth_schema: the directory's tables name schema auth; set database.directory to false, or leave database.auth_schema out")
	}
	return nil
}

// inAuth is the identifier auth where it is a schema: before a dot, or named as one. authenticated, auth_version and request.jwt.claims
// aren't it.
var inAuth = regexp.MustCompile(`\bauth\.|\bschema (?:if not exists )?auth\b`)

// inSchema writes a file of the set "auth" for another schema. Whoever gives the name sees to it that it needs no quotes.
func inSchema(sql []byte, name string) []byte {
	return inAuth.ReplaceAllFunc(sql, func(found []byte) []byte { return bytes.Replace(found, []byte(authSchema), []byte(name), 1) })
}

// pin has each half of a file begin with the search path that it is run by.
func pin(sql []byte) []byte {
	for _, half := range []string{"-- +goose Up\n", "-- +goose Down\n"} {
		sql = bytes.Replace(sql, []byte(half), []byte(half+pinned+";\n"), 1)
	}
	return sql
}

// prepared are the files of a set as they are run: pinned, and those of the set "auth" with another schema in them where one is wanted.
type prepared struct {
	fs.FS
	schema string
}

func (r prepared) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil || path.Ext(name) != ".sql" {
		return f, err
	}
	defer func() { _ = f.Close() }()
	sql, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := pin(sql)
	if r.schema != authSchema {
		text = inSchema(text, r.schema)
	}
	return &preparedFile{bytes.NewReader(text), preparedInfo{info, int64(len(text))}}, nil
}

type preparedFile struct {
	*bytes.Reader
	info preparedInfo
}

func (f *preparedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *preparedFile) Close() error               { return nil }

type preparedInfo struct {
	fs.FileInfo
	size int64
}

func (i preparedInfo) Size() int64 { return i.size }

// refuseOtherSchema stops where rowpass's functions stand in another schema than the one that is asked for: a second set of them would
// leave policies with the first. The catalogue says where: session() is the one function that reads the seal's keys.
func refuseOtherSchema(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	const query = `
		select nspname::text from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace
		where proname = 'session' and pronargs = 0 and prosecdef and prosrc like '%rowpass.seal\_keys%'
			and proowner = (select relowner from pg_catalog.pg_class where oid = to_regclass('rowpass.seal_keys'))
		order by nspname = $1 desc limit 1`
	var stands string
	err := one(ctx, pool, &stands, query, c.schema())
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("looking for rowpass's functions: %w", err)
	}
	if stands == "" || stands == c.schema() {
		return nil
	}
	return fmt.Errorf("rowpass's functions stand in schema %s of this database, and database.auth_schema says %s: set it to %[1]s; "+
		"to move them, take rowpass back first (rowpass migrate down --all --yes), with its policies and state", stands, c.schema())
}

// refuseKeyword stops at a name that PostgreSQL reads only in quotes.
func refuseKeyword(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	var plain bool
	if err := one(ctx, pool, &plain, "select pg_catalog.quote_ident($1) = $1", c.schema()); err != nil {
		return fmt.Errorf("asking whether database.auth_schema needs quotes: %w", err)
	}
	if !plain {
		return fmt.Errorf("database.auth_schema: %q is a word of SQL's, or needs quotes; take another, such as rowpass_auth", c.schema())
	}
	return nil
}

// refuseForeignAuth stops at a schema that somebody else made: what stands in it has our functions' names, or may get them, and whoever owns
// an empty one could drop ours.
func refuseForeignAuth(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	const query = `
		select case
			when exists (select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
				where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' and e.extname = 'pg_session_jwt'
				and (d.objid = n.oid or d.objid in (select oid from pg_catalog.pg_proc where pronamespace = n.oid)))
				then 'the extension pg_session_jwt'
			when nspname = 'auth' and exists (select from pg_catalog.pg_class where relnamespace = n.oid and relname = 'users') then 'Supabase (it holds auth.users)'
			else format('the role %I', pg_catalog.pg_get_userbyid(n.nspowner))
		end
		from pg_catalog.pg_namespace n
		where n.nspname = $1
			and not exists (select from pg_catalog.pg_proc where pronamespace = n.oid and proname = 'session' and prosecdef and prosrc like '%rowpass.seal\_keys%')
			and (exists (select from pg_catalog.pg_proc where pronamespace = n.oid)
				or exists (select from pg_catalog.pg_class where relnamespace = n.oid)
				or exists (select from pg_catalog.pg_type where typnamespace = n.oid)
				or not pg_catalog.pg_has_role(nspowner, 'usage') and not (select rolsuper from pg_catalog.pg_roles where oid = nspowner))`
	var whose string
	err := one(ctx, pool, &whose, query, c.schema())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a foreign schema %s: %w", c.schema(), err)
	}
	if c.schema() != authSchema {
		return fmt.Errorf("schema %s is taken: it belongs to %s; name another one in database.auth_schema", c.schema(), whose)
	}
	return fmt.Errorf("schema auth is taken: it belongs to %s; to have rowpass's functions beside it, set database.auth_schema to rowpass_auth "+
		"and database.directory to false, or use another database", whose)
}

// refuseSchemasOfOthers stops at schemas of rowpass's names that somebody else owns, who could drop what is made there and put something else in
// its place. The login itself, the database's owner and superusers may own them.
func refuseSchemasOfOthers(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	const query = `
		select format('schema %I belongs to the role %I, who could replace what rowpass keeps there; let a superuser drop it, then run this again', nspname, rolname)
		from pg_catalog.pg_namespace join pg_catalog.pg_roles r on r.oid = nspowner
		where nspname = any($1::name[]) and not rolsuper and rolname <> current_user
			and r.oid <> (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database())
		order by nspname limit 1`
	var stranger string
	err := one(ctx, pool, &stranger, query, []string{"rowpass", "neon_identity", c.schema()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking who owns rowpass's schemas: %w", err)
	}
	return errors.New(stranger)
}
