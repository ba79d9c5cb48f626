package keys_test

// known is a provider by all that can be pasted of it. Discovery is "" where it has no such document.
type known struct {
	preset          string
	sure            bool
	jwks            string
	issuer          string
	discovery       string
	issuers         []string // those that the JWKS URL gives; nil is issuer alone
	audience        []string
	missing         []string // the keys, for the JWKS URL
	issuerIsAnyones bool     // nothing in the issuer tells whose it is
}

func knownOnes() []known {
	const consumer, b2b = "project-test-00000000-0000-4000-8000-000000000000", "project-live-00000000-0000-4000-8000-000000000000"
	const entra = "https://login.microsoftonline.com/" + tenantID
	const stack = "https://api.stack-auth.com/api/v1/projects/" + projectID
	const descope, regional = "P2abcdefghijklmnopqrstuvwxyz", "Peuc12gotLL7ZROo6LTAOK1XGv0cqsqX"
	audience := []string{"audience"}
	return []known{
		{preset: "clerk", sure: true, jwks: clerkKeys, issuer: "https://sacred-mule-12.clerk.accounts.dev",
			discovery: "https://sacred-mule-12.clerk.accounts.dev/.well-known/openid-configuration"},
		{preset: "clerk", jwks: "https://clerk.example.com/.well-known/jwks.json", issuer: "https://clerk.example.com",
			discovery: "https://clerk.example.com/.well-known/openid-configuration"},
		{preset: "stack-auth", sure: true, jwks: stack + "/.well-known/jwks.json", issuer: stack, audience: []string{projectID}},
		{preset: "stack-auth", sure: true, jwks: stack + "/.well-known/jwks.json?include_anonymous=true", issuer: stack, audience: []string{projectID}},
		{preset: "auth0", sure: true, jwks: "https://dev-abc123.us.auth0.com/.well-known/jwks.json", issuer: "https://dev-abc123.us.auth0.com/",
			discovery: "https://dev-abc123.us.auth0.com/.well-known/openid-configuration", missing: audience},
		{preset: "auth0", sure: true, jwks: "https://old.auth0.com/.well-known/jwks.json", issuer: "https://old.auth0.com/",
			discovery: "https://old.auth0.com/.well-known/openid-configuration", missing: audience},
		{preset: "firebase", sure: true, jwks: firebaseKeys, issuer: "https://securetoken.google.com/my-project",
			discovery: "https://securetoken.google.com/my-project/.well-known/openid-configuration", issuers: []string{}, missing: audience},
		{preset: "firebase", sure: true, jwks: "https://www.googleapis.com/robot/v1/metadata/x509/securetoken%40system.gserviceaccount.com",
			issuer: "https://securetoken.google.com/my-project", issuers: []string{}, missing: audience},
		{preset: "stytch", sure: true, jwks: "https://test.stytch.com/v1/sessions/jwks/" + consumer, issuer: "stytch.com/" + consumer,
			discovery: "https://test.stytch.com/v1/public/" + consumer + "/.well-known/openid-configuration", audience: []string{consumer}},
		{preset: "stytch", sure: true, jwks: "https://test.stytch.com/v1/sessions/jwks/my-awesome-project", issuer: "stytch.com/my-awesome-project",
			discovery: "https://test.stytch.com/v1/public/my-awesome-project/.well-known/openid-configuration", audience: []string{"my-awesome-project"}},
		{preset: "stytch", sure: true, jwks: "https://api.stytch.com/v1/sessions/jwks/" + b2b, issuer: "stytch.com/" + b2b, audience: []string{b2b}},
		{preset: "stytch", sure: true, jwks: "https://witty-walk-1.customers.stytch.dev/.well-known/jwks.json", issuer: "https://witty-walk-1.customers.stytch.dev",
			discovery: "https://witty-walk-1.customers.stytch.dev/.well-known/openid-configuration", missing: audience},
		{preset: "stytch-b2b", sure: true, jwks: "https://live.stytch.com/v1/b2b/sessions/jwks/" + b2b, audience: []string{b2b}, issuers: []string{"stytch.com/" + b2b}},
		{preset: "keycloak", jwks: "https://sso.example.com/realms/acme/protocol/openid-connect/certs", issuer: "https://sso.example.com/realms/acme",
			discovery: "https://sso.example.com/realms/acme/.well-known/openid-configuration"},
		{preset: "keycloak", jwks: "https://sso.example.com/auth/realms/acme/protocol/openid-connect/certs", issuer: "https://sso.example.com/auth/realms/acme",
			discovery: "https://sso.example.com/auth/realms/acme/.well-known/openid-configuration"},
		{preset: "keycloak", jwks: "http://127.0.0.1:8080/realms/dev/protocol/openid-connect/certs", issuer: "http://127.0.0.1:8080/realms/dev",
			discovery: "http://127.0.0.1:8080/realms/dev/.well-known/openid-configuration"},
		{preset: "supabase", sure: true, jwks: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
			issuer:    "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
			discovery: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/openid-configuration", audience: []string{"authenticated"}},
		{preset: "supabase", jwks: "http://127.0.0.1:54321/auth/v1/.well-known/jwks.json", issuer: "http://127.0.0.1:54321/auth/v1",
			discovery: "http://127.0.0.1:54321/auth/v1/.well-known/openid-configuration", audience: []string{"authenticated"}},
		{preset: "cognito", sure: true, jwks: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/.well-known/jwks.json",
			issuer:    "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
			discovery: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/.well-known/openid-configuration", missing: audience},
		{preset: "cognito", sure: true, jwks: "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbC/.well-known/jwks.json",
			issuer: "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbC", missing: audience},
		{preset: "cognito", sure: true, jwks: "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Zz9/.well-known/jwks.json",
			issuer: "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Zz9", missing: audience},
		{preset: "entra", sure: true, jwks: entra + "/discovery/v2.0/keys", issuer: entra + "/v2.0", discovery: entra + "/v2.0/.well-known/openid-configuration",
			issuers: []string{entra + "/v2.0", "https://sts.windows.net/" + tenantID + "/"}, missing: audience},
		{preset: "entra", sure: true, jwks: entra + "/discovery/keys?appid=" + projectID, issuer: "https://sts.windows.net/" + tenantID + "/",
			discovery: entra + "/.well-known/openid-configuration", issuers: []string{entra + "/v2.0", "https://sts.windows.net/" + tenantID + "/"}, missing: audience},
		{preset: "entra", sure: true, jwks: "https://login.microsoftonline.com/common/discovery/keys", issuer: "https://login.microsoftonline.com/common/v2.0",
			discovery: "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration", issuers: []string{}, missing: []string{"tenants", "audience"}},
		{preset: "entra", sure: true, jwks: "https://login.partner.microsoftonline.cn/organizations/discovery/v2.0/keys", issuers: []string{}, missing: []string{"tenants", "audience"}},
		{preset: "entra", sure: true, jwks: "https://contoso.ciamlogin.com/" + tenantID + "/discovery/v2.0/keys",
			issuer: "https://contoso.ciamlogin.com/" + tenantID + "/v2.0", discovery: "https://contoso.ciamlogin.com/" + tenantID + "/v2.0/.well-known/openid-configuration",
			issuers: []string{}, missing: []string{"issuers", "audience"}},
		{preset: "entra", sure: true, jwks: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/discovery/v2.0/keys",
			issuer: "https://contoso.b2clogin.com/" + tenantID + "/v2.0/", issuers: []string{}, missing: []string{"issuers", "audience"}},
		{preset: "google", sure: true, jwks: googleKeys, issuer: "https://accounts.google.com", discovery: "https://accounts.google.com/.well-known/openid-configuration",
			issuers: []string{"https://accounts.google.com", "accounts.google.com"}, missing: audience},
		{preset: "google", sure: true, jwks: "https://www.googleapis.com/oauth2/v1/certs", issuer: "accounts.google.com",
			issuers: []string{"https://accounts.google.com", "accounts.google.com"}, missing: audience},
		{preset: "descope", sure: true, jwks: "https://api.descope.com/" + descope + "/.well-known/jwks.json", issuer: descope,
			discovery: "https://api.descope.com/" + descope + "/.well-known/openid-configuration",
			issuers:   []string{descope, "https://api.descope.com/" + descope, "https://api.descope.com/v1/apps/" + descope}},
		{preset: "descope", sure: true, jwks: "https://api.descope.com/v2/keys/" + descope, issuer: "https://api.descope.com/" + descope,
			issuers: []string{descope, "https://api.descope.com/" + descope, "https://api.descope.com/v1/apps/" + descope}},
		{preset: "descope", sure: true, jwks: "https://api.euc1.descope.com/" + regional + "/.well-known/jwks.json", issuer: "https://api.euc1.descope.com/v1/apps/" + regional,
			issuers: []string{regional, "https://api.euc1.descope.com/" + regional, "https://api.euc1.descope.com/v1/apps/" + regional}},
		{preset: "propelauth", sure: true, jwks: "https://58812312.propelauthtest.com/.well-known/jwks.json", issuer: "https://58812312.propelauthtest.com",
			discovery: "https://58812312.propelauthtest.com/.well-known/openid-configuration"},
		{preset: "generic", jwks: "https://auth.example.com/.well-known/jwks.json", issuer: "https://auth.example.com",
			discovery: "https://auth.example.com/.well-known/openid-configuration", issuers: []string{"https://auth.example.com", "https://auth.example.com/"}, missing: audience},
		{preset: "workos", sure: true, jwks: "https://api.workos.com/sso/jwks/client_01ABCDEF", issuer: "https://api.workos.com/user_management/client_01ABCDEF",
			discovery: "https://api.workos.com/user_management/client_01ABCDEF/.well-known/openid-configuration",
			issuers:   []string{"https://api.workos.com", "https://api.workos.com/", "https://api.workos.com/user_management/client_01ABCDEF"}},
		{preset: "workos", jwks: "https://id.example.com/sso/jwks/client_01ABCDEF", issuer: "https://id.example.com/user_management/client_01ABCDEF",
			issuers: []string{"https://api.workos.com", "https://api.workos.com/", "https://api.workos.com/user_management/client_01ABCDEF",
				"https://id.example.com/user_management/client_01ABCDEF", "https://id.example.com"}},
		{preset: "neon-auth", sure: true, jwks: "https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth/.well-known/jwks.json",
			issuer:    "https://ep-cool-1.neonauth.us-east-1.aws.neon.tech",
			discovery: "https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth/.well-known/openid-configuration",
			audience:  []string{"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech"}},
		{preset: "better-auth", jwks: "http://localhost:3000/api/auth/jwks", issuer: "http://localhost:3000", issuerIsAnyones: true,
			discovery: "http://localhost:3000/api/auth/.well-known/openid-configuration", audience: []string{"http://localhost:3000"}},
		{preset: "supertokens", jwks: "https://api.example.com/auth/jwt/jwks.json", issuer: "https://api.example.com/auth",
			discovery: "https://api.example.com/auth/.well-known/openid-configuration"},
		{preset: "logto", sure: true, jwks: "https://ab12cd.logto.app/oidc/jwks", issuer: "https://ab12cd.logto.app/oidc",
			discovery: "https://ab12cd.logto.app/oidc/.well-known/openid-configuration", missing: audience},
		{preset: "logto", jwks: "https://id.example.com/oidc/jwks", issuer: "https://id.example.com/oidc", missing: audience},
		{preset: "zitadel", sure: true, jwks: "https://acme.zitadel.cloud/oauth/v2/keys", issuer: "https://acme.zitadel.cloud",
			discovery: "https://acme.zitadel.cloud/.well-known/openid-configuration", missing: audience},
		{preset: "zitadel", jwks: "https://id.example.com/oauth/v2/keys", issuer: "https://id.example.com", issuerIsAnyones: true, missing: audience},
		{preset: "generic", jwks: "https://id.example.org/.well-known/jwks.json", issuer: "https://id.example.org",
			discovery: "https://id.example.org/.well-known/openid-configuration", issuers: []string{"https://id.example.org", "https://id.example.org/"}, missing: audience},
	}
}
