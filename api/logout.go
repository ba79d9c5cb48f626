package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// logout ends what the token belongs to: its session with the refresh token, and the token itself; with everywhere, all
// sessions and tokens of its subject. It holds here when the answer is sent.
func (a *api) logout(c echo.Context) error {
	r := c.Request()
	if err := a.limitAddress(tokenPerAddress, r); err != nil {
		return err
	}
	claims, err := a.claims(r)
	if err != nil {
		return err
	}
	everywhere, err := readLogout(r)
	if err != nil {
		return err
	}
	reason := ""
	if everywhere {
		reason = "everywhere"
		err = a.endSessions(r, claims)
	} else {
		err = a.endSession(r, claims)
	}
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	a.audit(r, db.Event{
		Name: "logout", Outcome: outcomeOK, Subject: claims.Subject, ClientID: claims.ClientID, Tenant: claims.Tenant,
		TokenID: claims.ID, KeyID: claims.KeyID, Reason: reason,
	})
	noStore(c)
	return c.NoContent(http.StatusNoContent)
}

// readLogout takes no body for an empty object.
func readLogout(r *http.Request) (everywhere bool, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false, reading(err)
	}
	if len(body) == 0 {
		return false, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var asked struct {
		Everywhere bool `json:"everywhere"`
	}
	err = decode(r, &asked, "everywhere")
	return asked.Everywhere, err
}

// endSession ends what sessionOf says, in one transaction.
func (a *api) endSession(r *http.Request, claims *token.Claims) error {
	return a.deny(r.Context(), sessionOf(claims)...)
}

// sessionOf is the token, the session that it belongs to, if any, and the tokens that it was exchanged for.
func sessionOf(claims *token.Claims) []db.Denial {
	denials := []db.Denial{denialOf(claims)}
	if claims.SessionID != "" {
		denials = append(denials, db.Denial{Kind: db.DenySession, Value: claims.SessionID, Reason: "logout"})
	}
	for _, o := range claims.Origins {
		denials = append(denials, db.Denial{Kind: db.DenyID, Value: o.ID, Reason: "logout"})
	}
	return denials
}

// endSessions goes by the database's clock, which dates the sessions, and by ours, which dates the tokens. Its second step
// repeats the first for this instance, which would only hear of it. Whoever the token was exchanged for is the same person.
func (a *api) endSessions(r *http.Request, claims *token.Claims) error {
	if err := a.State.EndSessions(r.Context(), claims.Subject); err != nil {
		return err
	}
	denials := append(sessionOf(claims), everywhere(claims.Subject, a.issuedBy(claims)))
	for _, o := range claims.Origins {
		denials = append(denials, everywhere(o.Subject, a.Now().Add(token.Leeway)))
	}
	return a.deny(r.Context(), denials...)
}

// issuedBy is the latest iat that a token can have which the issuer of this one has issued by now: a provider's clock may be ahead
// of ours by what its leeway says.
func (a *api) issuedBy(claims *token.Claims) time.Time {
	if claims.Provider == "" {
		return a.Now()
	}
	return a.Now().Add(claims.GoodUntil.Sub(claims.Expiry))
}

func everywhere(subject string, issued time.Time) db.Denial {
	return db.Denial{Kind: db.DenySubject, Value: subject, IssuedBefore: issued, Reason: "logout everywhere"}
}

// denialOf is of one token, for as long as anybody would take it.
func denialOf(claims *token.Claims) db.Denial {
	return db.Denial{Kind: db.DenyID, Value: claims.ID, Until: claims.GoodUntil, Reason: "logout"}
}
