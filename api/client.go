package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"

	"rowpass/token"
)

// Client is a program that may ask for tokens: its own, and its users'.
type Client struct {
	ID           string // begins client_, so that it is no user's id
	SecretSHA256 [sha256.Size]byte
	Tenant       string   // whose rows it sees; empty: those that policies give to everybody
	Scopes       []string // what it may ask for
	Audiences    []string // whom its tokens may be for; empty: the issuer's audience
	TokenTTL     time.Duration

	// ActFor is whose tokens it may ask for as well: tenant for those of Tenant, everyone for all; anything else: nobody's.
	ActFor string

	public bool // it has no secret
}

// actsFor tells whether the client may have tokens of this tenant's users.
func (c Client) actsFor(tenant string) bool {
	return c.ActFor == "everyone" || c.ActFor == "tenant" && c.Tenant != "" && c.Tenant == tenant
}

// clientsByID has the configured clients and those without a secret, for what runs in browsers: who exchanges a token of its own
// and, where users log in here, who refreshes what it got by that.
func clientsByID(clients []Client, directory, login bool) map[string]Client {
	byID := make(map[string]Client, len(clients)+2)
	for _, c := range clients {
		byID[c.ID] = c
	}
	if directory {
		byID[token.ClientExchange] = Client{ID: token.ClientExchange, public: true}
	}
	if directory && login {
		byID[token.ClientLogin] = Client{ID: token.ClientLogin, public: true}
	}
	return byID
}

// credentials are what a request says about who sends it.
type credentials struct {
	id, secret string
}

// authMethod is a way in which clients authenticate (RFC 7591, section 2: token_endpoint_auth_method). It reads nil where
// the request doesn't go that way.
type authMethod struct {
	name   string
	secret bool
	read   func(*http.Request, url.Values) (*credentials, error)
}

// authMethods are tried together: a request must go one way.
var authMethods = []authMethod{
	{"client_secret_basic", true, basicCredentials},
	{"client_secret_post", true, formCredentials},
	{"none", false, publicCredentials},
}

// authMethodNames is what discovery says of an endpoint, which takes clients without a secret or doesn't.
func authMethodNames(public bool) []string {
	var names []string
	for _, m := range authMethods {
		if m.secret || public {
			names = append(names, m.name)
		}
	}
	return names
}

// basicCredentials come percent-encoded (RFC 6749, section 2.3.1). The form may repeat the id.
func basicCredentials(r *http.Request, form url.Values) (*credentials, error) {
	switch len(r.Header.Values("Authorization")) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, refuse("invalid_request", "more than one Authorization header")
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		return nil, &oauthError{code: "invalid_client", detail: "the Authorization header is not HTTP Basic", basic: true}
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil || form.Has("client_id") && form.Get("client_id") != id {
		return nil, errCredentials
	}
	return &credentials{id, secret}, nil
}

func formCredentials(_ *http.Request, form url.Values) (*credentials, error) {
	if !form.Has("client_secret") {
		return nil, nil
	}
	return &credentials{form.Get("client_id"), form.Get("client_secret")}, nil
}

// namesClient tells whether the request says in any way who sends it.
func namesClient(r *http.Request, form url.Values) bool {
	return form.Has("client_id") || form.Has("client_secret") || len(r.Header.Values("Authorization")) > 0
}

func publicCredentials(r *http.Request, form url.Values) (*credentials, error) {
	if form.Has("client_secret") || r.Header.Get("Authorization") != "" || !form.Has("client_id") {
		return nil, nil
	}
	return &credentials{id: form.Get("client_id")}, nil
}

var errCredentials = refuse("invalid_request", "send the client's id and secret once: by HTTP Basic, percent-encoded, or in the form")

// authenticate says which client sends the request. One without a secret is taken where public is true. An unknown client
// takes as long as a wrong secret and is answered alike, and both are counted for the address that they come from, so that
// nobody fills the audit: who is right is let in even then. With an error it gives at most the ID of the client
// that the request claims to be from, for the audit.
func (a *api) authenticate(r *http.Request, form url.Values, public bool) (Client, error) {
	var who *credentials
	var method authMethod
	for _, m := range authMethods {
		found, err := m.read(r, form)
		if err != nil {
			return Client{}, err
		}
		if found != nil && who != nil {
			return Client{}, errCredentials
		}
		if found != nil {
			who, method = found, m
		}
	}
	if who == nil {
		return Client{}, refuse("invalid_client", "say which client you are, by HTTP Basic or in the form")
	}
	client, known := a.clients[who.id]
	if method.secret {
		known = client.hasSecret(who.secret) && known
	} else {
		known = known && client.public && public
	}
	if !known {
		if err := a.limitAddress(wrongSecretPerAddress, r); err != nil {
			return Client{}, err
		}
		basic := method.name == "client_secret_basic"
		return Client{ID: client.ID}, &oauthError{code: "invalid_client", detail: "the client is unknown or its secret is wrong", basic: basic}
	}
	attribute(r, "client_id", client.ID)
	return client, nil
}

// hasSecret compares in constant time. The zero Client has no secret that anybody could know.
func (c Client) hasSecret(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], c.SecretSHA256[:]) == 1
}
