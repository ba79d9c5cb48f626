package identity

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// listAPIs are those of the presets that have one. What a page holds and how often it may be asked for is the provider's; sizes
// are those that each takes.
func listAPIs() map[string]listAPI {
	return map[string]listAPI{
		"clerk": {[]string{"api.key_file"}, "api.key_file to a secret key of the instance (sk_live_…)",
			sharedURL("https://api.clerk.com"), clerkList},
		"stack-auth": {[]string{"api.project_id", "api.key_file"}, "api.project_id to the project's ID and api.key_file to a secret server key of it (ssk_…)",
			sharedURL("https://api.stack-auth.com"), stackList},
		"stytch": {[]string{"api.project_id", "api.key_file"}, "api.project_id and api.key_file to the project's ID and a secret of it",
			stytchURL, stytchList},
		"stytch-b2b": {[]string{"api.project_id", "api.key_file"}, "api.project_id and api.key_file to the project's ID and a secret of it",
			stytchURL, stytchB2BList},
		"auth0": {[]string{"api.url", "api.client_id", "api.client_secret_file"},
			"api.url to https:// and the tenant's own domain, and api.client_id and api.client_secret_file to those of a machine-to-machine application that is authorized for the Management API with read:users",
			configuredURL, auth0List},
		"workos": {[]string{"api.key_file"}, "api.key_file to an API key of the environment (sk_…)",
			sharedURL("https://api.workos.com"), workosList},
		"supabase": {[]string{"api.url", "api.key_file"}, "api.url to the project's address and api.key_file to a secret key (sb_secret_…) or the service_role key of it",
			supabaseURL, supabaseList},
		"keycloak": {[]string{"api.url", "api.realm", "api.client_id", "api.client_secret_file"},
			"api.url, api.realm, and api.client_id and api.client_secret_file to those of a client of that realm whose service account has the role view-users of realm-management",
			configuredURL, keycloakList},
		"descope": {[]string{"api.project_id", "api.key_file"}, "api.project_id to the project's ID and api.key_file to a management key that may read its users",
			sharedURL("https://api.descope.com"), descopeList},
		"logto": {[]string{"api.url", "api.client_id", "api.client_secret_file"},
			"api.url to the tenant's endpoint, and api.client_id and api.client_secret_file to those of a machine-to-machine application with a role that has the Management API's permission all",
			configuredURL, logtoList},
	}
}

// clerkList: the oldest first, so that who comes meanwhile is on the last page.
func clerkList(c *listClient, cfg APIConfig) (Lister, error) {
	c.header.Set("Authorization", "Bearer "+cfg.Key)
	return &restList{client: c, first: "0", next: nextOffset, count: &listRequest{path: "/v1/users/count"}, countAt: Path{"total_count"},
		page: func(cursor string) listRequest {
			return listRequest{path: "/v1/users", query: url.Values{"limit": {"500"}, "offset": {cursor}, "order_by": {"+created_at"}}}
		},
		one: below("/v1/users/"),
	}, nil
}

// stackList leaves out anonymous users, which have no profile, and has restricted ones, which are people who have yet to confirm something.
func stackList(c *listClient, cfg APIConfig) (Lister, error) {
	c.header.Set("X-Stack-Access-Type", "server")
	c.header.Set("X-Stack-Project-Id", cfg.ProjectID)
	c.header.Set("X-Stack-Secret-Server-Key", cfg.Key)
	return &restList{client: c, users: Path{"items"}, next: nextAt(Path{"pagination", "next_cursor"}),
		page: func(cursor string) listRequest {
			query := url.Values{"limit": {"100"}, "include_restricted": {"true"}}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			return listRequest{path: "/api/v1/users", query: query}
		},
		one: below("/api/v1/users/"),
	}, nil
}

// stytchURL: a project's ID says whether it is one for tests, which are elsewhere.
func stytchURL(c APIConfig) string {
	if strings.HasPrefix(c.ProjectID, "project-test-") {
		return sharedURL("https://test.stytch.com")(c)
	}
	return sharedURL("https://api.stytch.com")(c)
}

func stytchKey(c *listClient, cfg APIConfig) {
	c.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(cfg.ProjectID+":"+cfg.Key)))
}

// stytchSearch is the body of Stytch's searches.
type stytchSearch struct {
	Organizations []string `json:"organization_ids,omitempty"`
	Limit         int      `json:"limit"`
	Cursor        string   `json:"cursor,omitempty"`
}

func stytchList(c *listClient, cfg APIConfig) (Lister, error) {
	stytchKey(c, cfg)
	return &restList{client: c, users: Path{"results"}, next: nextAt(Path{"results_metadata", "next_cursor"}), total: totalAt(Path{"results_metadata", "total"}),
		page: func(cursor string) listRequest {
			return listRequest{path: "/v1/users/search", body: stytchSearch{Limit: 1000, Cursor: cursor}}
		},
		one: below("/v1/users/"),
	}, nil
}

func workosList(c *listClient, cfg APIConfig) (Lister, error) {
	c.header.Set("Authorization", "Bearer "+cfg.Key)
	return &restList{client: c, users: Path{"data"}, next: nextAt(Path{"list_metadata", "after"}),
		page: func(cursor string) listRequest {
			query := url.Values{"limit": {"100"}, "order": {"asc"}}
			if cursor != "" {
				query.Set("after", cursor)
			}
			return listRequest{path: "/user_management/users", query: query}
		},
		one: below("/user_management/users/"),
	}, nil
}

// supabaseURL takes a project's address with or without the path of its Auth.
func supabaseURL(c APIConfig) string {
	return strings.TrimSuffix(strings.TrimRight(c.URL, "/"), "/auth/v1")
}

func supabaseList(c *listClient, cfg APIConfig) (Lister, error) {
	c.header.Set("Apikey", cfg.Key)
	c.header.Set("Authorization", "Bearer "+cfg.Key)
	return &restList{client: c, first: "1", users: Path{"users"}, next: nextNumber, total: totalIn("X-Total-Count"),
		page: func(cursor string) listRequest {
			return listRequest{path: "/auth/v1/admin/users", query: url.Values{"page": {cursor}, "per_page": {"500"}}}
		},
		one: below("/auth/v1/admin/users/"),
	}, nil
}

// descopeSearch is the body of Descope's search. Test users are taken for users, since events tell of them as well.
type descopeSearch struct {
	Limit     int      `json:"limit"`
	Page      int      `json:"page"`
	TestUsers bool     `json:"withTestUser"`
	Users     []string `json:"userIds,omitempty"`
}

func descopeList(c *listClient, cfg APIConfig) (Lister, error) {
	c.header.Set("Authorization", "Bearer "+cfg.ProjectID+":"+cfg.Key)
	search := func(s descopeSearch) listRequest {
		s.TestUsers = true
		return listRequest{path: "/v2/mgmt/user/search", body: s}
	}
	return &restList{client: c, first: "0", users: Path{"users"}, next: nextNumber, total: totalAt(Path{"total"}),
		page: func(cursor string) listRequest { return search(descopeSearch{Limit: 100, Page: integer(cursor)}) },
		one:  func(subject string) listRequest { return search(descopeSearch{Limit: 1, Users: []string{subject}}) },
		user: Path{"users", "0"}, none: Path{"users"},
	}, nil
}
