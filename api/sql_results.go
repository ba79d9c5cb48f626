package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"rowpass/db"
)

// results writes the driver's JSON while rows arrive. It holds the answer once, as bytes, and no more of it than allowed:
// whether the status is 200 is known only when the last row is there.
type results struct {
	ctx    context.Context // of the request, as long as which this lives
	query  *sqlQuery
	limits SQLConfig

	b         []byte
	statement int
	rows      int
	fields    []db.Field
	names     [][]byte          // of the fields, as object keys
	arrayOf   map[uint32]uint32 // array types of the fields and their elements' types
	first     bool              // row of the statement
}

func newResults(ctx context.Context, q *sqlQuery, limits SQLConfig) *results {
	r := &results{ctx: ctx, query: q, limits: limits}
	r.Reset()
	return r
}

// Reset forgets what was written.
func (r *results) Reset() {
	r.b, r.statement, r.rows = r.b[:0], 0, 0
	if !r.query.single {
		r.b = append(r.b, `{"results":[`...)
	}
}

// Begin writes what comes before a statement's rows.
func (r *results) Begin(fields []db.Field) (err error) {
	r.fields, r.first = fields, true
	if !r.query.raw {
		if r.arrayOf, err = r.limits.Strangers.ElementTypes(r.ctx, fields); err != nil {
			return err
		}
	}
	if r.statement > 0 {
		r.b = append(r.b, ',')
	}
	r.names = r.names[:0]
	r.b = append(r.b, `{"fields":[`...)
	for i, f := range fields {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		name := appendString(nil, f.Name)
		r.names = append(r.names, name)
		r.b = append(append(r.b, `{"name":`...), name...)
		r.b = fmt.Appendf(r.b, `,"dataTypeID":%d,"tableID":%d,"columnID":%d,"dataTypeSize":%d,"dataTypeModifier":%d,"format":"text"}`,
			f.TypeID, f.TableID, f.ColumnID, f.TypeSize, f.TypeModifier)
	}
	r.b = append(r.b, `],"rows":[`...)
	return r.within()
}

// Row writes one row, as an array or an object.
func (r *results) Row(values [][]byte) error {
	if r.rows++; r.rows > r.limits.MaxRows {
		return fmt.Errorf("%w: more than %d rows (sql.max_rows); add a limit to the query", errResponseSize, r.limits.MaxRows)
	}
	if !r.first {
		r.b = append(r.b, ',')
	}
	r.first = false
	array := r.query.arrays[r.statement]
	open, end := byte('{'), byte('}')
	if array {
		open, end = '[', ']'
	}
	r.b = append(r.b, open)
	for i, v := range values {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		if !array {
			r.b = append(append(r.b, r.names[i]...), ':')
		}
		r.value(v, r.fields[i].TypeID)
		if err := r.within(); err != nil {
			return err
		}
	}
	r.b = append(r.b, end)
	return r.within()
}

func (r *results) value(v []byte, kind uint32) {
	switch {
	case v == nil:
		r.b = append(r.b, "null"...)
	case r.query.raw:
		r.b = appendString(r.b, v)
	default:
		r.b = appendValue(r.b, v, kind, r.arrayOf)
	}
}

// End writes what comes after a statement's rows. rowCount is null where the command counts none, never 0.
func (r *results) End(tag string) error {
	words := strings.Fields(tag)
	command, count := "", "null"
	if len(words) > 0 {
		command = words[0]
	}
	if last := len(words) - 1; last > 0 {
		if _, err := strconv.ParseUint(words[last], 10, 64); err == nil {
			count = words[last]
		}
	}
	r.b = appendString(append(r.b, `],"command":`...), command)
	r.b = append(append(r.b, `,"rowCount":`...), count...)
	r.b = strconv.AppendBool(append(r.b, `,"rowAsArray":`...), r.query.arrays[r.statement])
	r.b = append(r.b, '}')
	r.statement++
	return r.within()
}

func (r *results) within() error {
	if len(r.b) > r.limits.MaxResponseBytes {
		return fmt.Errorf("%w: response is too large (max is %d bytes)", errResponseSize, r.limits.MaxResponseBytes)
	}
	return nil
}

// finish closes what Reset opened.
func (r *results) finish() []byte {
	if !r.query.single {
		r.b = append(r.b, `]}`...)
	}
	return r.b
}
