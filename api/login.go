package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

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
	answer, err := a.logIn(r, asked)
	if err != nil {
		a.recordFailedLogin(r, asked, err)
		return err
	}
	return answerToken(c, answer)
}

// recordFailedLogin leaves those out that sent too much: they are not to fill the table.
func (a *api) recordFailedLogin(r *http.Request, asked loginRequest, err error) {
	if !errors.Is(err, errLimited) {
		a.audit(r, db.Event{
			Name: "login", Outcome: outcomeRefused, Subject: asked.address(), ClientID: token.ClientLogin, Reason: problemOf(err).code,
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

// maxAddress is how many bytes an e-mail address has at most (RFC 5321, section 4.5.3.1.3).
const maxAddress = 254

// address is the e-mail address if it looks like one. What else people type there by mistake, their password for one, is
// not for the audit.
func (l loginRequest) address() string {
	local, domain, _ := strings.Cut(l.Email, "@")
	if local == "" || !strings.Contains(domain, ".") || len(l.Email) > maxAddress || strings.ContainsFunc(l.Email, notInAddress) {
		return ""
	}
	return l.Email
}

func notInAddress(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// account is whom wrong passwords are counted for: an address in every case and tenant, whether anybody has it or not. The
// hash is for the size, which is the sender's to choose.
func (l loginRequest) account() string {
	sum := sha256.Sum256([]byte(strings.ToLower(l.Email)))
	return string(sum[:])
}

// checkPassword counts a password as wrong before it is looked at, and gives that back where it was right or could not be
// looked at: of a thousand that are sent at once, no more are tried than the limit says. Who hangs up gets nothing back.
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
func (a *api) logIn(r *http.Request, asked loginRequest) (tokenAnswer, error) {
	entry, err := a.checkPassword(r, asked)
	if err != nil {
		return tokenAnswer{}, err
	}
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
