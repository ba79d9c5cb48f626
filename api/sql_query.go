package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"rowpass/db"
)

// sqlQuery is what the body and the Neon-* headers ask for.
type sqlQuery struct {
	batch  db.Batch
	single bool   // {"query": …}, not {"queries": […]}
	arrays []bool // of each statement: rows as arrays instead of objects
	raw    bool   // PostgreSQL's text as it is, as the driver wants it; else JSON numbers, booleans and arrays
}

// sqlTarget is what a connection string says that counts: host, port, password and options do not.
type sqlTarget struct{ role string }

// parseTarget reads the connection string as the driver sends it, always as its user typed it: a password or a list of hosts
// that no parser of URLs likes is none of our business.
func parseTarget(headers []string, database string) (sqlTarget, error) {
	if len(headers) != 1 || headers[0] == "" {
		return sqlTarget{}, &sqlRequestError{
			message: "invalid header: neon-connection-string", // Neon's own words
			hint:    "Send the header once, such as Neon-Connection-String: postgresql://authenticated@localhost/" + url.PathEscape(database) + "; its user is the role.",
		}
	}
	scheme, rest, _ := strings.Cut(headers[0], "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return sqlTarget{}, badSQLRequest("invalid connection string: incorrect scheme, postgresql:// is needed")
	}
	authority, path := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, path = rest[:end], rest[end:]
	}
	login := authority[:max(0, strings.LastIndexByte(authority, '@'))]
	user, _, _ := strings.Cut(login, ":")
	role, err := url.PathUnescape(user)
	if err != nil {
		return sqlTarget{}, badSQLRequest("invalid connection string: the username is not percent-encoded")
	}
	if role == "" {
		return sqlTarget{}, badSQLRequest("invalid connection string: missing username; it is the role, such as authenticated")
	}
	return sqlTarget{role}, checkDatabase(path, database)
}

// checkDatabase compares the first segment of the path, which may be left out.
func checkDatabase(path, database string) error {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path = path[:end]
	}
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	name, err := url.PathUnescape(segment)
	if err != nil {
		return badSQLRequest("invalid connection string: the name of the database is not percent-encoded")
	}
	if name != "" && name != database {
		return &sqlRequestError{code: "3D000", message: fmt.Sprintf("database %q does not exist", clip(name))}
	}
	return nil
}

// wireQuery is one query of the body. RawMessage tells a missing parameter list from null.
type wireQuery struct {
	Query     *string         `json:"query"`
	Params    json.RawMessage `json:"params"`
	ArrayMode *bool           `json:"arrayMode"`
	Queries   json.RawMessage `json:"queries"`
}

// parseQuery reads {"query", "params", "arrayMode"} or {"queries": […]}; the content type says nothing, since the driver
// sends none of its own.
func parseQuery(h http.Header, body []byte, most int) (*sqlQuery, error) {
	if !utf8.Valid(body) {
		return nil, badSQLRequest("could not parse the HTTP request body: it is not UTF-8")
	}
	var wire wireQuery
	if err := json.Unmarshal(body, &wire); err != nil {
		return nil, unreadable(err)
	}
	q := &sqlQuery{raw: h.Get("Neon-Raw-Text-Output") == "true", single: wire.Query != nil}
	arrayMode := h.Get("Neon-Array-Mode") == "true"
	transaction, err := parseTransaction(h)
	if err != nil {
		return nil, err
	}
	if q.single {
		return q, q.add(wire, arrayMode)
	}
	q.batch.Transaction = transaction
	if wire.Queries == nil {
		return nil, badSQLRequest(`could not parse the HTTP request body: "query" or "queries" is needed`)
	}
	return q, each(wire.Queries, func(one json.RawMessage) error {
		if len(q.arrays) == most {
			return badSQLRequest("a batch may have %d queries (sql.max_queries)", most)
		}
		var w wireQuery
		if err := json.Unmarshal(one, &w); err != nil {
			return unreadable(err)
		}
		return q.add(w, arrayMode)
	})
}

func (q *sqlQuery) add(w wireQuery, arrayMode bool) error {
	if w.Query == nil {
		return badSQLRequest(`could not parse the HTTP request body: a query without "query"`)
	}
	params, err := parseParams(w.Params)
	if err != nil {
		return err
	}
	if w.ArrayMode != nil {
		arrayMode = *w.ArrayMode
	}
	q.batch.Statements = append(q.batch.Statements, db.Statement{SQL: *w.Query, Params: params})
	q.arrays = append(q.arrays, arrayMode)
	return nil
}

func unreadable(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return badSQLRequest("could not parse the HTTP request body: no JSON at byte %d", syntax.Offset)
	}
	return badSQLRequest(`could not parse the HTTP request body: {"query": text, "params": array} or {"queries": [those]} is needed`)
}

// isolationLevels maps the header's names to SQL's.
var isolationLevels = map[string]string{
	"": "", "ReadUncommitted": "read uncommitted", "ReadCommitted": "read committed",
	"RepeatableRead": "repeatable read", "Serializable": "serializable",
}

func parseTransaction(h http.Header) (*db.Transaction, error) {
	level, ok := isolationLevels[h.Get("Neon-Batch-Isolation-Level")]
	if !ok {
		return nil, badSQLRequest("invalid isolation level")
	}
	return &db.Transaction{
		Isolation: level, ReadOnly: h.Get("Neon-Batch-Read-Only") == "true", Deferrable: h.Get("Neon-Batch-Deferrable") == "true",
	}, nil
}

// echo tells a batch's caller what held for it.
func (q *sqlQuery) echo(h http.Header) {
	t := q.batch.Transaction
	if t == nil {
		return
	}
	for name, level := range isolationLevels {
		if level == t.Isolation && name != "" {
			h.Set("Neon-Batch-Isolation-Level", name)
		}
	}
	if t.ReadOnly {
		h.Set("Neon-Batch-Read-Only", "true")
	}
	if t.Deferrable {
		h.Set("Neon-Batch-Deferrable", "true")
	}
}
