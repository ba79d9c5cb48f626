package api

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rowpass/db"
	"rowpass/token"
)

// grantExchange is the grant of RFC 8693.
const grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

// Kinds of token (RFC 8693, section 3).
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// exchange gives a token of ours for one that was issued to the same user: by a provider, whose user is then one of the
// directory, or by us, for less than it was good for. It gets no more than the user has here and the client may ask for, it
// ends when the other does at the latest, and is void when the other is. A client that proves who it is stands in it as the
// actor.
func (a *api) exchange(r *http.Request, client Client, form url.Values) (tokenAnswer, error) {
	if err := checkExchange(form); err != nil {
		return tokenAnswer{}, err
	}
	subject, err := a.Verifier.Inspect(r.Context(), form.Get("subject_token"))
	if err != nil {
		return tokenAnswer{}, subjectFault(r, err)
	}
	attribute(r, "subject_token", subject.Subject)
	if err := a.promise(r, subject); err != nil {
		return tokenAnswer{}, err
	}
	g, err := a.exchanged(r, subject, client, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	raw, issued, err := a.sign(r, g)
	if errors.Is(err, token.ErrGrant) && len(g.Extra) == 0 {
		return tokenAnswer{}, refuse("invalid_request", "subject_token: what it says of sessions, tenants or actors is too long for a token of ours")
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	a.recordExchange(r, subject, issued)
	answer := answerWith(raw, issued)
	answer.IssuedTokenType = typeAccessToken
	return answer, nil
}

// exchanged is what the new token may say.
func (a *api) exchanged(r *http.Request, subject *token.Claims, client Client, form url.Values) (g token.Grant, err error) {
	left := subject.Expiry.Sub(a.Now()).Truncate(time.Second)
	switch {
	case left < time.Second:
		return g, refuse("invalid_request", "subject_token: it is out of date")
	case len(subject.Origins) == token.MaxOrigins:
		return g, refuse("invalid_request", "subject_token: it was exchanged %d times, which is enough", token.MaxOrigins)
	}
	d, err := delegationTo(subject, client, a.PublicURL)
	if err != nil {
		return g, err
	}
	scope, err := exchangedScope(subject, client, form)
	if err != nil {
		return g, err
	}
	audience, err := a.exchangedAudience(subject, client, form)
	if err != nil {
		return g, err
	}
	if client.public && subject.Provider == "" {
		client = Client{ID: subject.ClientID, public: true} // whose token it is stays as it was
	}
	entry, err := a.userOf(r, subject, client, form.Get("tenant"))
	if err != nil {
		return g, err
	}
	if g, err = grantFor(entry, client); err != nil {
		return g, err
	}
	g.Actors, g.Scope, g.Audience, g.SessionID, g.Origins = d.Actors, scope, audience, subject.SessionID, a.lineage(subject)
	g.TTL = min(cmp.Or(g.TTL, a.Issuer.TTL()), left)
	g.Extra, err = kept(subject, g.Extra, d.MayAct)
	return g, err
}

// lineage is what the new token says of what it came of. A provider's clock may be ahead: what was exchanged by now was issued by now.
func (a *api) lineage(subject *token.Claims) []token.Origin {
	origins := subject.Lineage()
	if now := a.Now(); origins[0].IssuedAt.After(now) {
		origins[0].IssuedAt = now
	}
	return origins
}

// kept are the further claims of the new token: those that a token of ours had, with what the owner's function says now over
// them, and who may act.
func kept(subject *token.Claims, hook map[string]any, may *token.Party) (map[string]any, error) {
	extra := map[string]any{}
	if subject.Provider == "" {
		var err error
		if extra, err = subject.Extra(); err != nil {
			return nil, err
		}
	}
	maps.Copy(extra, hook)
	if may != nil {
		extra["may_act"] = map[string]string{"sub": may.Subject, "iss": may.Issuer}
	}
	return extra, nil
}

// checkExchange refuses what this service does not do, rather than doing something else (RFC 8693, section 2.1).
func checkExchange(form url.Values) error {
	switch {
	case !form.Has("subject_token"):
		return refuse("invalid_request", "subject_token is missing")
	case !slices.Contains([]string{typeAccessToken, typeIDToken, typeJWT}, form.Get("subject_token_type")):
		return refuse("invalid_request", "subject_token_type is one of: %s %s %s", typeAccessToken, typeIDToken, typeJWT)
	case form.Has("requested_token_type") && !slices.Contains([]string{typeAccessToken, typeJWT}, form.Get("requested_token_type")):
		return refuse("invalid_request", "requested_token_type is one of: %s %s", typeAccessToken, typeJWT)
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return refuse("invalid_request", "actor_token is not taken: the actor is the client that sends the request")
	}
	return nil
}

// subjectFault tells why a token was not taken, as RFC 8693 has it (section 2.2.2).
func subjectFault(r *http.Request, err error) error {
	if r.Context().Err() != nil {
		return err
	}
	return refuse("invalid_request", "subject_token: %s", token.Describe(err))
}

// delegationTo is who acts from now on: the client, where it has proved who it is, and those who acted before. Where the token
// says who may act for its subject, nobody else gets one for it (RFC 8693, section 4.4).
func delegationTo(subject *token.Claims, client Client, issuer string) (token.Delegation, error) {
	d, err := subject.Delegation()
	if err != nil {
		return d, refuse("invalid_request", "subject_token: %s", token.Describe(err))
	}
	if d.MayAct != nil && d.MayAct.Issuer == "" {
		d.MayAct.Issuer = subject.Issuer
	}
	switch {
	case d.MayAct != nil && (client.public || *d.MayAct != token.Party{Issuer: issuer, Subject: client.ID}):
		return d, refuse("invalid_request", "subject_token: its may_act names somebody else: it has to be the client's id as sub, and %s as iss", issuer)
	case client.public:
		return d, nil
	case len(d.Actors) == token.MaxActors:
		return d, refuse("invalid_request", "subject_token: its act names %d actors, and no more fit", token.MaxActors)
	}
	d.Actors = append([]string{client.ID}, d.Actors...)
	return d, nil
}

// exchangedScope is what was asked for of what both the token has and the client may have. A client without a secret may have
// what a token of ours has. A provider's words mean nothing here unless a client's configuration has them, too.
func exchangedScope(subject *token.Claims, client Client, form url.Values) (string, error) {
	has := strings.Fields(subject.Scope)
	switch {
	case !client.public:
		has = shrink(has, client.Scopes)
	case subject.Provider != "":
		has = nil
	}
	return scopeOf(slices.DeleteFunc(has, func(name string) bool { return name == offlineAccess }), form)
}

// exchangedAudience is whom the token is to be for: of the client's audiences, and of a token of ours those that it has.
func (a *api) exchangedAudience(subject *token.Claims, client Client, form url.Values) ([]string, error) {
	allowed := a.orOwn(client.Audiences)
	if subject.Provider == "" {
		allowed = shrink(allowed, subject.Audience)
	}
	if len(allowed) == 0 {
		return nil, refuse("invalid_target", "subject_token is for nobody whom this client may have tokens for")
	}
	return a.audienceOf(allowed, form)
}

// userOf is the user of ours that the token is about.
func (a *api) userOf(r *http.Request, subject *token.Claims, client Client, tenant string) (entry db.Entry, err error) {
	if _, isID := parseUUID(tenant); tenant != "" && !isID {
		return entry, refuse("invalid_request", "tenant must be a tenant's id")
	}
	if subject.Role != authenticated {
		return entry, refuse("invalid_request", "subject_token: its role is not authenticated, so it stands for no user")
	}
	i := subject.Identity
	switch {
	case subject.Provider == "":
		entry, err = a.userByID(r, subject.Subject, subject.Tenant, client)
	case i.Match == token.MatchSubject:
		entry, err = a.userByID(r, i.Subject, tenant, client)
	case i.Match == token.MatchLinked, i.Match == token.MatchEmail:
		entry, err = a.State.FindIdentity(r.Context(), db.Identity{Provider: subject.Provider, Subject: i.Subject}, asciiOnly(i.Email), tenant, client.ID)
	default:
		return entry, refuse("invalid_request", "subject_token: tokens of this provider are not exchanged; its users in the configuration says which are")
	}
	switch {
	case errors.Is(err, db.ErrAmbiguous):
		return entry, refuse("invalid_request", "subject_token: its user is here in more than one tenant: name the tenant")
	case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrInvalid), err == nil && tenant != "" && !sameUUID(tenant, entry.TenantID):
		return db.Entry{}, errStranger(subject, tenant)
	}
	return entry, err
}

// errStranger doesn't tell the client which of its reasons holds: the log and the audit know whom it is about.
func errStranger(subject *token.Claims, tenant string) error {
	detail := "subject_token: its user is no user of ours, or not in that tenant"
	if subject.Identity.Match == token.MatchEmail && tenant == "" {
		detail = "subject_token: its user is not linked with one of ours yet: name the tenant, in which it is looked for by its verified e-mail address"
	}
	return &oauthError{code: "invalid_request", detail: detail, about: subject.Subject + " is not linked, or not there"}
}

// userByID looks up an id and nothing else: a subject that looks like an e-mail address is none.
func (a *api) userByID(r *http.Request, id, tenant string, client Client) (db.Entry, error) {
	if _, isID := parseUUID(id); !isID {
		return db.Entry{}, db.ErrNotFound
	}
	return a.State.FindUser(r.Context(), id, tenant, client.ID)
}

// asciiOnly is an e-mail address that may be compared: one of ASCII. Other letters become the same as ASCII's in lower case, and the
// addresses that have them are somebody else's.
func asciiOnly(address string) string {
	for _, c := range []byte(address) {
		if c >= 0x80 {
			return ""
		}
	}
	return address
}

// recordExchange says in the audit what was exchanged for what.
func (a *api) recordExchange(r *http.Request, subject *token.Claims, issued token.Claims) {
	from := "a token of ours, " + subject.ID
	if subject.Provider != "" {
		from = "a token of " + subject.Subject
	}
	a.audit(r, db.Event{
		Name: "exchange", Outcome: outcomeOK, Subject: issued.Subject, ClientID: issued.ClientID, Tenant: issued.Tenant,
		TokenID: issued.ID, KeyID: issued.KeyID, Reason: from,
	})
}
