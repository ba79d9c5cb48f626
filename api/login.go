package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// loginRequest is the body of POST /api/login.
type loginRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Tenant   string `json:"tenant"` // an id; needed where the address stands in several
}

// errLogin is the one answer to every log-in that fails: which part was wrong would tell a stranger who is here.
var errLogin = errors.New("the e-mail address or the password is wrong")

// login takes a password to a session: an access token, and the refresh token by which the session goes on.
func (a *api) login(c echo.Context) error {
	r := c.Request()
	if err := a.limitAddress(loginPerAddress, r); err != nil {
		return err
	}
	asked, err := readLogin(r)
	if err != nil {
		return err
	}
	entry, err := a.checkPassword(r, asked)
	var answer tokenAnswer
	if err == nil {
		answer, err = a.logIn(r, entry)
	}
	if err != nil {
		a.recordFailedLogin(r, entry, err)
		return err
	}
	return answerToken(c, answer)
}

// recordFailedLogin names the user, where there is one, and nothing that was typed: people type their passwords where the
// address belongs. It leaves those out that sent too much: they are not to fill the table.
func (a *api) recordFailedLogin(r *http.Request, entry db.Entry, err error) {
	if !errors.Is(err, errLimited) {
		a.audit(r, db.Event{
			Name: "login", Outcome: outcomeRefused, Subject: entry.UserID, ClientID: token.ClientLogin, Tenant: entry.TenantID,
			Reason: problemOf(err).code,
		})
	}
}

func readLogin(r *http.Request) (asked loginRequest, err error) {
	if err := decode(r, &asked, "email", "password", "tenant"); err != nil {
		return asked, err
	}
	if asked.Email == "" || asked.Password == "" {
		return asked, fmt.Errorf("%w: email and password are needed", errRequest)
	}
	if _, isID := parseUUID(asked.Tenant); asked.Tenant != "" && !isID {
		return asked, fmt.Errorf("%w: tenant must be a tenant's id", errRequest)
	}
	return asked, nil
}

// account is whom wrong passwords are counted for: an address in every case and tenant, whether anybody has it or not.
func (l loginRequest) account() string { return strings.ToLower(l.Email) }

// checkPassword counts a password as wrong before it is looked at, and gives that back where it was right or could not be
// looked at: of a thousand that are sent at once, no more are tried than the limit says. Who hangs up gets nothing back. With
// errLogin the entry says whose password it would have been, if anybody's, for the audit alone.
func (a *api) checkPassword(r *http.Request, asked loginRequest) (db.Entry, error) {
	account := asked.account()
	if err := a.limit(loginPerAccount, account); err != nil {
		return db.Entry{}, err
	}
	entry, err := a.State.CheckPassword(r.Context(), asked.Email, asked.Tenant, asked.Password, token.ClientLogin)
	if errors.Is(err, db.ErrNotFound) {
		return entry, errLogin
	}
	if r.Context().Err() == nil {
		a.forgive(loginPerAccount, account)
	}
	return entry, err
}

// logIn starts the user's session.
func (a *api) logIn(r *http.Request, entry db.Entry) (tokenAnswer, error) {
	grant, err := grantFor(entry, a.clients[token.ClientLogin])
	if err != nil {
		return tokenAnswer{}, err
	}
	session, err := a.startSession(r.Context(), grant, func(ctx context.Context, f db.Family, ttl time.Duration) (string, db.Family, error) {
		return a.State.StartLogin(ctx, entry, f, ttl)
	})
	if errors.Is(err, db.ErrNotFound) {
		return tokenAnswer{}, errLogin
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	grant.SessionID = session.Family.ID
	raw, claims, err := a.issue(r, grant)
	if errors.Is(err, token.ErrRevoked) {
		return tokenAnswer{}, errDenied
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	a.record(r, "login", claims)
	return answerWith(raw, claims).with(session, a.Now()), nil
}
