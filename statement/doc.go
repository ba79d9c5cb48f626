// Package statement tells what a stranger's SQL is, by PostgreSQL's own grammar, and whether a role's callers may run it.
// It stands in front of the database for callers who write their SQL themselves. Row-level security decides what they see;
// this package decides that nothing they send leaves the session, reaches another one, outlives the request, or changes
// the settings by which PostgreSQL reads what follows.
//
// It rests on three things that its caller sees to. The server reads text with standard_conforming_strings on and in UTF-8, as
// this package does. Statements go by the extended protocol, one each. And pg_temp is empty and last in search_path, without
// schemas in which callers may create.
//
// # What is allowed
//
// The grammar is that of PostgreSQL 17. What it can't read is refused, the syntax of newer versions included, and so is each
// node of the tree that isn't known here: what nobody has looked at doesn't run.
//
// Functions are allowed by name. The list in functions.txt has the immutable and stable functions of pg_catalog but those which
// run text, change the session or show other sessions and other tenants' totals, and the harmless volatile ones. Names count
// unqualified and in pg_catalog only; a function in another schema, and each that the list doesn't have, is the owner's to
// allow in Rules. Two functions are allowed in part: current_setting of a constant and harmless name, and ts_rewrite with three arguments.
// A good name unqualified may still mean a function that the owner has made in schema public under that name with closer
// arguments, and that PUBLIC or the role may execute.
//
// PostgreSQL calls any function of one argument also as an attribute, (x).f and t.f, where no such column exists. The tree can't
// tell, and columns may have any name, so that there a list of what is bad decides: names of pg_catalog and of well-known
// extensions that aren't good. A column with such a name can be had without its table's. The owner's own functions of
// one argument can be called so by whoever may execute them: revoke EXECUTE from PUBLIC.
//
// Relations of pg_catalog and information_schema are never targets, and those that show sessions, settings, statistics or large
// objects aren't sources either. The catalogue itself stays readable, as it is to every role of a database.
package statement
