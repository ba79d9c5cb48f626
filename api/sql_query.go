package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

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

// parseTarget reads the connection string as the driver sends it, always as its user typed it.
func parseTarget(headers []string, database string) (sqlTarget, error) {
	if len(headers) != 1 || headers[0] == "" {
		return sqlTarget{}, badSQLRequest("invalid header: neon-connection-string")
	}
	u, err := url.Parse(headers[0])
	switch {
	case err != nil:
		return sqlTarget{}, badSQLRequest("invalid connection string")
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return sqlTarget{}, badSQLRequest("invalid connection string: incorrect scheme, postgresql:// is needed")
	case u.User.Username() == "":
		return sqlTarget{}, badSQLRequest("invalid connection string: missing username; it is the role, such as authenticated")
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if name != "" && name != database {
		return sqlTarget{}, &sqlRequestError{code: "3D000", message: "database \"" + name + "\" does not exist here"}
	}
	return sqlTarget{u.User.Username()}, nil
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
	queries := []wireQuery{wire}
	if !q.single {
		if wire.Queries == nil {
			return nil, badSQLRequest(`could not parse the HTTP request body: "query" or "queries" is needed`)
		}
		queries = nil
		if err := json.Unmarshal(wire.Queries, &queries); err != nil || queries == nil {
			return nil, unreadable(err)
		}
		q.batch.Transaction = transaction
	}
	if len(queries) > most {
		return nil, badSQLRequest("a batch may have %d queries (sql.max_queries)", most)
	}
	for _, w := range queries {
		if err := q.add(w, arrayMode); err != nil {
			return nil, err
		}
	}
	return q, nil
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

// maxParams is what the protocol can count.
const maxParams = 65535

// parseParams turns JSON into PostgreSQL's text, whose type the server finds out.
func parseParams(list json.RawMessage) ([][]byte, error) {
	if list == nil {
		return nil, nil
	}
	var values []json.RawMessage
	if err := json.Unmarshal(list, &values); err != nil || values == nil {
		return nil, badSQLRequest(`could not parse the HTTP request body: "params" must be an array`)
	}
	if len(values) > maxParams {
		return nil, badSQLRequest("a query may have %d parameters", maxParams)
	}
	params := make([][]byte, len(values))
	for i, v := range values {
		params[i] = paramText(v)
	}
	return params, nil
}

// paramText is nil for null, a string's own text, and the spelling of numbers and booleans as it came: going through a
// float would change digits.
func paramText(value json.RawMessage) []byte {
	value = bytes.TrimSpace(value)
	switch value[0] {
	case 'n':
		return nil
	case '"':
		var s string
		_ = json.Unmarshal(value, &s) // valid, since the body was
		return []byte(s)
	case '[':
		return appendArray(nil, value)
	case '{':
		return compact(value)
	}
	return value
}

func compact(value json.RawMessage) []byte {
	var b bytes.Buffer
	_ = json.Compact(&b, value) // valid, since the body was
	return b.Bytes()
}

// appendArray writes an array literal of PostgreSQL's: strings always quoted, objects as quoted JSON.
func appendArray(b []byte, value json.RawMessage) []byte {
	var elements []json.RawMessage
	_ = json.Unmarshal(value, &elements) // valid, since the body was
	b = append(b, '{')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		e = bytes.TrimSpace(e)
		switch e[0] {
		case 'n':
			b = append(b, "NULL"...)
		case '[':
			b = appendArray(b, e)
		case '"', '{':
			b = appendQuoted(b, paramText(e))
		default:
			b = append(b, e...)
		}
	}
	return append(b, '}')
}

func appendQuoted(b, text []byte) []byte {
	b = append(b, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}
