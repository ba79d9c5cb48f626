package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/statement"
)

// wireError is an error as the driver reads it into a NeonDbError. Absent fields are null, never empty, and numbers are
// strings, as node-postgres has them.
type wireError struct {
	Message          string  `json:"message"`
	Code             *string `json:"code"`
	Detail           *string `json:"detail"`
	Hint             *string `json:"hint"`
	Position         *string `json:"position"`
	InternalPosition *string `json:"internalPosition"`
	InternalQuery    *string `json:"internalQuery"`
	Severity         *string `json:"severity"`
	Where            *string `json:"where"`
	Table            *string `json:"table"`
	Column           *string `json:"column"`
	Schema           *string `json:"schema"`
	DataType         *string `json:"dataType"`
	Constraint       *string `json:"constraint"`
	File             *string `json:"file"`
	Line             *string `json:"line"`
	Routine          *string `json:"routine"`
}

// writeSQLError answers 400 with the driver's shape wherever the driver is to make something of it, and another status
// where a repetition may help or the operator is to know.
func (a *api) writeSQLError(c echo.Context, err error) {
	status, problem := sqlProblem(err)
	var body any = problem
	if status != http.StatusBadRequest { // the driver shows it as it is
		body = map[string]string{"message": problem.Message}
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		c.Response().Header().Set("Retry-After", "1")
	}
	text, _ := json.Marshal(body)
	c.Response().Header().Set("Cache-Control", "no-store")
	_ = c.Blob(status, "application/json", append(text, '\n'))
}

// canceled is PostgreSQL's own answer to a statement that takes too long. Whether it or this process ends one is chance.
const (
	canceled    = "57014"
	timeoutHint = "A request may take as long as sql.timeout says."
)

func sqlProblem(err error) (int, wireError) {
	var refused *db.SQLError
	var disallowed *statement.Refusal
	var bad *sqlRequestError
	switch {
	case errors.As(err, &refused):
		return http.StatusBadRequest, fromPostgres(refused)
	case errors.As(err, &disallowed):
		return http.StatusBadRequest, wireError{
			Message: disallowed.Message, Code: &disallowed.Code, Hint: present(disallowed.Hint), Position: number(disallowed.Position), Severity: present("ERROR"),
		}
	case errors.As(err, &bad):
		return http.StatusBadRequest, wireError{Message: bad.message, Code: present(bad.code), Hint: present(bad.hint)}
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge, wireError{Message: behind(err, errTooLarge)}
	case errors.Is(err, errResponseSize), errors.Is(err, db.ErrMessageSize):
		return http.StatusInsufficientStorage, wireError{Message: behind(err, errResponseSize)}
	case errors.Is(err, errTooMany):
		return http.StatusTooManyRequests, wireError{Message: err.Error()}
	case errors.Is(err, db.ErrTimeout):
		return http.StatusBadRequest, wireError{
			Message: "canceling statement due to statement timeout", Code: present(canceled), Severity: present("ERROR"), Hint: present(timeoutHint),
		}
	}
	p := problemOf(err)
	message := p.title
	if d := detail(err, p); d != "" {
		message = d
	}
	if p.status == http.StatusUnauthorized || p.status == http.StatusForbidden {
		return http.StatusBadRequest, wireError{Message: message}
	}
	return p.status, wireError{Message: message}
}

// maxErrorText is how many bytes of each of PostgreSQL's sentences are passed on: they may quote a value of any size.
const maxErrorText = 8 << 10

func fromPostgres(e *db.SQLError) wireError {
	for _, text := range []*string{&e.Message, &e.Detail, &e.Where, &e.InternalQuery} {
		if len(*text) > maxErrorText {
			*text = strings.ToValidUTF8((*text)[:maxErrorText], "") + "…"
		}
	}
	if e.Code == canceled && e.Hint == "" {
		e.Hint = timeoutHint
	}
	return wireError{
		Message: e.Message, Code: present(e.Code), Detail: present(e.Detail), Hint: present(e.Hint), Position: number(int(e.Position)),
		InternalPosition: number(int(e.InternalPosition)), InternalQuery: present(e.InternalQuery), Severity: present(e.Severity),
		Where: present(e.Where), Table: present(e.TableName), Column: present(e.ColumnName), Schema: present(e.SchemaName),
		DataType: present(e.DataTypeName), Constraint: present(e.ConstraintName), File: present(e.File), Line: number(int(e.Line)),
		Routine: present(e.Routine),
	}
}

// behind is what an error says about this one request.
func behind(err, kind error) string { return strings.TrimPrefix(err.Error(), kind.Error()+": ") }

// present is nil for an empty text, which pgconn has for an absent one.
func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func number(n int) *string {
	if n == 0 {
		return nil
	}
	return present(strconv.Itoa(n))
}
