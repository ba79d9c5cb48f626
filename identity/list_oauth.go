package identity

import (
	"cmp"
	"net/url"
	"strings"
)

// keycloakList asks with a client's service account. Whole representations are asked for, as events have them.
func keycloakList(c *listClient, cfg APIConfig) (Lister, error) {
	realm := url.PathEscape(cfg.Realm)
	c.token = &listToken{path: "/realms/" + realm + "/protocol/openid-connect/token", id: cfg.ClientID, secret: cfg.ClientSecret, secretInForm: true}
	users := "/admin/realms/" + realm + "/users"
	return &restList{client: c, first: "0", next: nextOffset, count: &listRequest{path: users + "/count"},
		page: func(cursor string) listRequest {
			return listRequest{path: users, query: url.Values{"first": {cursor}, "max": {"100"}, "briefRepresentation": {"false"}}}
		},
		one: below(users + "/"),
	}, nil
}

func logtoList(c *listClient, cfg APIConfig) (Lister, error) {
	c.token = &listToken{path: "/oidc/token", id: cfg.ClientID, secret: cfg.ClientSecret,
		form: url.Values{"resource": {logtoResource(cfg)}, "scope": {"all"}}}
	return &restList{client: c, first: "1", next: nextNumber, total: totalIn("Total-Number"),
		page: func(cursor string) listRequest {
			return listRequest{path: "/api/users", query: url.Values{"page": {cursor}, "page_size": {"100"}}}
		},
		one: below("/api/users/"),
	}, nil
}

// logtoResource is the Management API's identifier, which has the tenant's own domain even where the tenant has another; a
// server of one's own calls its tenant default.
func logtoResource(cfg APIConfig) string {
	if u, err := url.Parse(cfg.URL); err == nil && strings.HasSuffix(u.Hostname(), ".logto.app") {
		return "https://" + u.Hostname() + "/api"
	}
	return "https://" + cmp.Or(cfg.ProjectID, "default") + ".logto.app/api"
}
