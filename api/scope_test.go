package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScopeAndAudienceOnlyShrink(t *testing.T) {
	s := newIssuing(t, issuing{})
	const files = "https://files.example"
	for _, tt := range []struct {
		name       string
		as         string
		parameters []string
		scope      string
		audience   any
		refused    string // in the answer
	}{
		{"without asking it is all", actsForAll, nil, "read write", []any{audience, files}, ""},
		{"parameters without a value were not sent", actsForAll, []string{"scope", ""}, "read write", []any{audience, files}, ""},
		{"less", actsForAll, []string{"scope", "write", "audience", audience}, "write", audience, ""},
		{"in another order", actsForAll, []string{"scope", "write read"}, "read write", []any{audience, files}, ""},
		{"a scope more", actsForAll, []string{"scope", "read admin"}, "", nil, "invalid_scope"},
		{"a scope in capitals", actsForAll, []string{"scope", "READ"}, "", nil, "invalid_scope"},
		{"scopes with a tab between them", actsForAll, []string{"scope", "read\twrite"}, "", nil, "invalid_scope"},
		{"scopes with a comma between them", actsForAll, []string{"scope", "read,write"}, "", nil, "invalid_scope"},
		{"a refresh token, which is for users", actsForAll, []string{"scope", "read offline_access"}, "", nil, "invalid_scope"},
		{"a refresh token, which this client never has", actsForNobody, []string{"scope", "offline_access"}, "", nil, "invalid_scope"},
		{"an audience more", actsForAll, []string{"audience", "https://other.example"}, "", nil, "invalid_target"},
		{"one audience of its own and one more", actsForAll, []string{"audience", audience, "audience", "other"}, "", nil, "invalid_target"},
		{"two audiences", actsForAll, []string{"audience", audience, "audience", files}, "read write", []any{files, audience}, ""},
		{"an audience twice", actsForAll, []string{"audience", files, "audience", files}, "read write", files, ""},
		{"a resource by its address", actsForAll, []string{"resource", files}, "read write", files, ""},
		{"this service by its address", actsForAll, []string{"resource", issuer}, "read write", audience, ""},
		{"this service by its address with a slash", actsForAll, []string{"resource", issuer + "/"}, "read write", audience, ""},
		{"a resource and an audience", actsForAll, []string{"resource", files, "audience", audience}, "read write", []any{files, audience}, ""},
		{"two resources", actsForAll, []string{"resource", files, "resource", issuer}, "read write", []any{files, audience}, ""},
		{"a resource more", actsForAll, []string{"resource", "https://other.example"}, "", nil, "invalid_target"},
		{"a resource below one of its own", actsForAll, []string{"resource", files + "/secret"}, "", nil, "invalid_target"},
		{"a resource that is no address", actsForAll, []string{"resource", audience}, "", nil, "invalid_target"},
		{"a resource with a fragment", actsForAll, []string{"resource", files + "#x"}, "", nil, "without a fragment"},
		{"a resource with an empty fragment", actsForAll, []string{"resource", files + "#"}, "", nil, "without a fragment"},
		{"a client without audiences gets the issuer's", actsForNobody, nil, "read write", audience, ""},
		{"and may name it", actsForNobody, []string{"audience", audience}, "read write", audience, ""},
		{"or its address", actsForNobody, []string{"resource", issuer}, "read write", audience, ""},
		{"but no other", actsForNobody, []string{"resource", files}, "", nil, "invalid_target"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.oauth("/api/token", tt.as, append([]string{"grant_type", "client_credentials"}, tt.parameters...)...)
			if tt.refused != "" {
				a.check(t, 400, []string{tt.refused}, []string{"access_token"})
				return
			}
			claims := claimsOf(t, a.object(t)["access_token"])
			want := map[string]any{"scope": tt.scope, "aud": tt.audience, "answer": tt.scope}
			got := map[string]any{"scope": claims["scope"], "aud": claims["aud"], "answer": a.object(t)["scope"]}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
