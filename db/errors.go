package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a statement's refusal means to the caller. Whatever is none of these is a fault of ours.
var (
	ErrNotFound    = errors.New("no such row, or none that the caller may see")
	ErrForbidden   = errors.New("the policies do not allow this")
	ErrConflict    = errors.New("the row collides with another")
	ErrInvalid     = errors.New("a value is not allowed")
	ErrUnavailable = errors.New("the database cannot be reached")
	ErrSeal        = errors.New("the database does not accept our seal: either the clocks differ, or database.seal_key is from before a rotation, and then " +
		"this instance needs the one that rowpass seal export prints, and a restart")
	ErrBusy      = errors.New("all connections to the database are busy")
	ErrTimeout   = errors.New("the statement took too long")
	ErrAmbiguous = errors.New("the e-mail address stands in more than one tenant; name the tenant too")
	ErrReused    = errors.New("the refresh token was used before, so that somebody else may hold it; its session has ended")
	ErrHook      = errors.New("token_claims, the database owner's function, gave no claims")
)

// Refusal is a statement's refusal with what the caller may be told about it: a sentence of ours, never Postgres's own
// text, which can quote other people's rows.
type Refusal struct {
	Reason error  // one of the errors above
	Detail string // for the caller; may be empty
	cause  error  // for the log
}

func (r *Refusal) Error() string   { return r.cause.Error() }
func (r *Refusal) Unwrap() []error { return []error{r.Reason, r.cause} }

// SQLSTATE codes (PostgreSQL's documentation, appendix A) that are told apart one by one.
const (
	insufficientPrivilege = "42501"
	invalidAuthorization  = "28000"
	uniqueViolation       = "23505"
	foreignKeyViolation   = "23503"
	exclusionViolation    = "23P01"
	queryCanceled         = "57014"
	lockNotAvailable      = "55P03" // within lock_timeout
	featureNotSupported   = "0A000"
	noSuchStatement       = "26000"
	hookFailed            = "RP001" // ours: rowpass.token_claims raises it
)

// constraints says in the caller's words what a constraint of the directory asks for.
var constraints = map[string]string{
	"users_tenant_id_email_key": "another user of this tenant has this e-mail address",
	"users_name_check":          "name may have at most 200 characters",
	"users_email_check":         "email must be an address with an @, of 3 to 320 characters",
	"users_role_check":          "role is either member or admin",
	"users_settings_check":      "settings must be a JSON object of at most 16384 bytes",
	"tenants_name_check":        "name must have 1 to 200 characters",
}

// classify turns what Postgres or the connection said into one of the errors above, keeping the cause for the log.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	var pg *pgconn.PgError
	var connecting *pgconn.ConnectError
	if !errors.As(err, &pg) || errors.As(err, &connecting) {
		return classifyConnection(err)
	}
	refusal := &Refusal{Detail: constraints[pg.ConstraintName], cause: err}
	switch {
	case pg.Code == insufficientPrivilege:
		refusal.Reason, refusal.Detail = ErrForbidden, guardMessage(pg)
	case pg.Code == uniqueViolation, pg.Code == foreignKeyViolation, pg.Code == exclusionViolation, strings.HasPrefix(pg.Code, "40"):
		refusal.Reason = ErrConflict
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "23"):
		refusal.Reason = ErrInvalid
	case pg.Code == queryCanceled, pg.Code == lockNotAvailable:
		refusal.Reason = ErrTimeout
	case pg.Code == hookFailed:
		refusal.Reason = ErrHook
	case pg.Code == invalidAuthorization:
		refusal.Reason, refusal.cause = ErrSeal, fmt.Errorf("%w (%w)", ErrSeal, err)
	case shuttingDown(pg.Code):
		refusal.Reason = ErrUnavailable
	default:
		return err
	}
	return refusal
}

// guardMessage passes on what our own triggers raise; anybody else's text stays in the log.
func guardMessage(pg *pgconn.PgError) string {
	if pg.Routine == "exec_stmt_raise" && strings.HasPrefix(pg.Where, "PL/pgSQL function auth.guard_") {
		return pg.Message
	}
	return ""
}

func classifyConnection(err error) error {
	var waiting acquireError
	switch {
	case errors.As(err, &waiting) && errors.Is(err, context.DeadlineExceeded):
		return &Refusal{Reason: ErrBusy, cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Refusal{Reason: ErrTimeout, cause: err}
	case errors.Is(err, context.Canceled):
		return err
	case lost(err) || errors.As(err, &waiting):
		return &Refusal{Reason: ErrUnavailable, cause: err}
	}
	return err
}

// shuttingDown tells of a server that is going, coming, full, or has become a standby.
func shuttingDown(code string) bool {
	if code == "08P01" { // a protocol violation is one message's, such as a missing parameter's
		return false
	}
	return code == "57P01" || code == "57P02" || code == "57P03" || code == "25006" || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "08")
}

// lost tells whether the connection broke, as it does when Postgres restarts, rather than the statement failed.
func lost(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if code := sqlState(err); code != "" {
		return shuttingDown(code)
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// unsent tells of a connection that was found broken before anything was sent. pgx says the same of a closed connection even
// where it closed it itself, on losing an answer to a message that the server may have carried out; so that does not count.
func unsent(err error) bool {
	var waiting acquireError
	return lost(err) && pgconn.SafeToRetry(err) && (errors.As(err, &waiting) || !errors.Is(err, pgconn.ErrConnClosed))
}

// stalePlan tells of a statement that was prepared before a migration or a pooler's reshuffle. The whole message was
// rolled back, so it can be sent again on a connection that has not prepared it.
func stalePlan(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == noSuchStatement || pg.Code == featureNotSupported && pg.Routine == "RevalidateCachedQuery")
}

// sqlState is the SQLSTATE of a refusal by Postgres, "" for any other error.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// acquireError marks an error that came before anything was sent.
type acquireError struct{ error }

func (e acquireError) Unwrap() error { return e.error }
