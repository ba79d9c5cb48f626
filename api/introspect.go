package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"rowpass/db"
)

// introspect is RFC 7662. Any client may ask about any access token, since it stands for a service that was sent it, but
// only about refresh tokens of its own. What is not good is inactive, and nothing more is said.
func (a *api) introspect(c echo.Context) error {
	r := c.Request()
	if err := a.limitAddress(introspectionPerAddress, r); err != nil {
		return err
	}
	client, form, err := a.askedByClient(r, false, introspectionPerClient)
	if err != nil {
		return err
	}
	raw := form.Get("token")
	var answer map[string]any
	if isAccessToken(raw) {
		answer, err = a.introspectAccess(r, raw)
	} else {
		answer, err = a.introspectRefresh(r, raw, client)
	}
	if err != nil {
		return err
	}
	noStore(c)
	return c.JSON(http.StatusOK, answer)
}

func inactive() map[string]any { return map[string]any{"active": false} }

// introspectAccess gives all claims of an access token, and what makes them an answer. A claim of the owner's that has a
// name of these does not count.
func (a *api) introspectAccess(r *http.Request, raw string) (map[string]any, error) {
	claims, err := a.Verifier.Inspect(r.Context(), raw)
	if err != nil || a.Verifier.Expired(claims) {
		return inactive(), r.Context().Err()
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(claims.JSON, &members); err != nil {
		return nil, err
	}
	answer := make(map[string]any, len(members)+2)
	for name, value := range members {
		answer[name] = value
	}
	answer["active"], answer["token_type"] = true, "Bearer"
	return answer, nil
}

func (a *api) introspectRefresh(r *http.Request, raw string, client Client) (map[string]any, error) {
	known, err := a.State.LookUpRefresh(r.Context(), raw, client.ID)
	if errors.Is(err, db.ErrNotFound) {
		return inactive(), nil
	}
	if err != nil {
		return nil, err
	}
	f := known.Family
	answer := map[string]any{
		"active": true, "iss": a.PublicURL, "sub": f.Subject, "client_id": f.ClientID, "aud": a.orOwn(f.Audience), "sid": f.ID,
		"iat": f.CreatedAt.Unix(), "exp": known.ExpiresAt.Unix(), "token_type": "refresh_token",
	}
	for name, value := range map[string]string{"scope": f.Scope, "tenant_id": f.Tenant} {
		if value != "" {
			answer[name] = value
		}
	}
	return answer, nil
}
