package main

// fake is a provider as its users know it: what they configure, and what its tokens look like. In all texts BASE is the address
// of its server.
type fake struct {
	preset string
	path   string // of its key set
	config string // what the preset leaves to say, of a YAML flow mapping
	alg    string
	kid    string
	jwk    string // what its keys have beside kid, alg and use; null: they have no such member
	header string // of its tokens, beside alg and kid
	claims string // of a good one, beside exp and iat
	user   string // who that is here, behind the provider's name
	tenant string
	others []variant
}

// variant is another token of the same provider: the good one with these members over its own.
type variant struct {
	name   string
	header string
	claims string
	says   string // why it is refused; "": it is taken
}

// notOurs is what a token is told whose issuer nobody has configured.
const notOurs = "iss is neither this service nor a provider of it"

// fakes are one for each preset, in the providers' own shapes (their documentation, 2026).
var fakes = []fake{
	{
		preset: "clerk", path: "/.well-known/jwks.json", config: "issuer: 'https://sacred-mule-12.clerk.accounts.dev', azp: ['https://app.example']",
		alg: "RS256", kid: "ins_2aBc", header: `{"typ":"JWT","cat":"cl_B7d4PD111AAA"}`,
		claims: `{"azp":"https://app.example","fva":[3,-1],"iss":"https://sacred-mule-12.clerk.accounts.dev","o":{"id":"org_2","rol":"admin","slg":"acme"},"sid":"sess_2","sts":"active","sub":"user_2","v":2}`,
		user:   "user_2", tenant: "org_2",
		others: []variant{
			{"of the first version, with org_id", "", `{"o":null,"org_id":"org_2","v":1}`, ""},
			{"whose session is pending", "", `{"sts":"pending"}`, "tokens with this sts are not taken"},
			{"for another application", "", `{"azp":"https://evil.example"}`, "azp is no application that tokens of provider clerk are taken from"},
			{"of another instance", "", `{"iss":"https://other-mule-12.clerk.accounts.dev"}`, notOurs},
		},
	},
	{
		preset: "stack-auth", path: "/.well-known/jwks.json", config: "issuer: 'https://api.stack-auth.com/api/v1/projects/0a1b2c3d-0000-4000-8000-000000000001'",
		alg: "ES256", kid: "aBcDeFgH", jwk: `{"use":null}`,
		claims: `{"iss":"https://api.stack-auth.com/api/v1/projects/0a1b2c3d-0000-4000-8000-000000000001","aud":"0a1b2c3d-0000-4000-8000-000000000001","sub":"5a1b2c3d-0000-4000-8000-000000000007","project_id":"0a1b2c3d-0000-4000-8000-000000000001","branch_id":"main","refresh_token_id":"r1","role":"authenticated","name":"Ada","email":"ada@acme.example","email_verified":true,"selected_team_id":"` + acmeID + `","is_anonymous":false}`,
		user:   "5a1b2c3d-0000-4000-8000-000000000007", tenant: acmeID,
		others: []variant{
			{"of an anonymous user", "", `{"iss":"https://api.stack-auth.com/api/v1/projects-anonymous-users/0a1b2c3d-0000-4000-8000-000000000001","aud":"0a1b2c3d-0000-4000-8000-000000000001:anon"}`, notOurs},
			{"with the audience of anonymous users", "", `{"aud":"0a1b2c3d-0000-4000-8000-000000000001:anon"}`, "aud is none that tokens of provider stack-auth are taken for"},
			{"for another project", "", `{"aud":"9a1b2c3d-0000-4000-8000-000000000001"}`, "aud is none"},
			{"of another project", "", `{"iss":"https://api.stack-auth.com/api/v1/projects/9a1b2c3d-0000-4000-8000-000000000001"}`, notOurs},
		},
	},
	{
		preset: "auth0", path: "/.well-known/jwks.json", config: "issuer: 'https://dev-abc123.us.auth0.com/', audience: ['https://api.example']",
		alg: "RS256", kid: "NjVBRjY5MDlCMUIwNzU4RTA2QzZF", header: `{"typ":"JWT"}`,
		claims: `{"iss":"https://dev-abc123.us.auth0.com/","sub":"auth0|7","aud":["https://api.example","https://dev-abc123.us.auth0.com/userinfo"],"azp":"my_client_id","scope":"openid profile","org_id":"org_9"}`,
		user:   "auth0|7", tenant: "org_9",
		others: []variant{
			{"of type at+jwt", `{"typ":"at+jwt"}`, "", ""},
			{"that is an ID token", "", `{"aud":"my_client_id","nonce":"n-0S6_WzA2Mj","scope":null}`, "aud is none that tokens of provider auth0 are taken for"},
			{"that is an ID token for the same audience", "", `{"nonce":"n-0S6_WzA2Mj"}`, "this is an ID token; an access token is needed"},
			{"for another API", "", `{"aud":"https://other.example"}`, "aud is none"},
			{"with a slash less", "", `{"iss":"https://dev-abc123.us.auth0.com"}`, notOurs},
			{"of another tenant", "", `{"iss":"https://dev-other.us.auth0.com/"}`, notOurs},
		},
	},
	{
		preset: "firebase", path: "/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com", config: "audience: [my-project]",
		alg: "RS256", kid: "f83b7cda",
		claims: `{"iss":"https://securetoken.google.com/my-project","aud":"my-project","auth_time":1700000000,"user_id":"uid7","sub":"uid7","firebase":{"identities":{},"sign_in_provider":"custom","tenant":"acme-x1"}}`,
		user:   "uid7", tenant: "acme-x1",
		others: []variant{
			{"of another project", "", `{"iss":"https://securetoken.google.com/evil-project","aud":"evil-project"}`, notOurs},
			{"for another project", "", `{"aud":"evil-project"}`, "aud is none that tokens of provider firebase are taken for"},
			{"that is a session cookie", "", `{"iss":"https://session.firebase.google.com/my-project"}`, notOurs},
			{"without a sign-in", "", `{"auth_time":null}`, "auth_time is missing"},
			{"of nobody", "", `{"sub":""}`, "sub is missing"},
		},
	},
	{
		preset: "stytch", path: "/v1/sessions/jwks/x", config: "issuer: 'stytch.com/project-test-00000000-0000-4000-8000-000000000000'",
		alg: "RS256", kid: "jwk-test-1",
		claims: `{"aud":["project-test-00000000-0000-4000-8000-000000000000"],"iss":"stytch.com/project-test-00000000-0000-4000-8000-000000000000","sub":"user-test-7","https://stytch.com/session":{"id":"session-test-1","authentication_factors":[]}}`,
		user:   "user-test-7",
		others: []variant{
			{"that names a tenant, which its users may write", "", `{"tenant_id":"` + acmeID + `"}`, ""},
			{"for another project", "", `{"aud":["project-live-11111111-0000-4000-8000-000000000000"]}`, "aud is none that tokens of provider stytch are taken for"},
			{"of another project", "", `{"iss":"stytch.com/project-live-11111111-0000-4000-8000-000000000000"}`, notOurs},
			{"with a URL for its issuer", "", `{"iss":"https://stytch.com/project-test-00000000-0000-4000-8000-000000000000"}`, notOurs},
		},
	},
	{
		preset: "stytch-b2b", path: "/v1/b2b/sessions/jwks/x", config: "issuer: 'stytch.com/project-live-22222222-0000-4000-8000-000000000000'",
		alg: "RS256", kid: "jwk-live-2",
		claims: `{"aud":["project-live-22222222-0000-4000-8000-000000000000"],"iss":"stytch.com/project-live-22222222-0000-4000-8000-000000000000","sub":"member-live-7","https://stytch.com/organization":{"organization_id":"organization-live-3","slug":"acme"},"https://stytch.com/session":{"id":"member-session-live-1"}}`,
		user:   "member-live-7", tenant: "organization-live-3",
		others: []variant{
			{"for another project", "", `{"aud":["project-live-11111111-0000-4000-8000-000000000000"]}`, "aud is none that tokens of provider stytch-b2b are taken for"},
			{"of another project", "", `{"iss":"stytch.com/project-live-11111111-0000-4000-8000-000000000000"}`, notOurs},
		},
	},
	{
		preset: "keycloak", path: "/realms/acme/protocol/openid-connect/certs", config: "azp: [web], tenant_claim: [organization_id]",
		alg: "RS256", kid: "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE", header: `{"typ":"JWT"}`,
		claims: `{"iss":"BASE/realms/acme","aud":"account","sub":"7e1b2c3d-0000-4000-8000-000000000007","typ":"Bearer","azp":"web","sid":"s1","jti":"onrtac:1","acr":"1","realm_access":{"roles":["user"]},"scope":"openid","organization_id":"acme"}`,
		user:   "7e1b2c3d-0000-4000-8000-000000000007", tenant: "acme",
		others: []variant{
			{"that is an ID token", "", `{"typ":"ID","aud":"web"}`, "tokens with this typ are not taken"},
			{"that is a refresh token", "", `{"typ":"Refresh"}`, "tokens with this typ are not taken"},
			{"that is a logout token", `{"typ":"logout+jwt"}`, `{"typ":"Logout"}`, "typ says that this is no access token"},
			{"for another client", "", `{"azp":"admin-cli"}`, "azp is no application that tokens of provider keycloak are taken from"},
			{"of another realm", "", `{"iss":"BASE/realms/master"}`, notOurs},
		},
	},
	{
		preset: "supabase", path: "/auth/v1/.well-known/jwks.json", config: "tenant_claim: [app_metadata, tenant]",
		alg: "ES256", kid: "b81269f1-21d8-4f2e-b719-c2240a840d90", header: `{"typ":"JWT"}`,
		claims: `{"aal":"aal1","amr":[{"method":"password","timestamp":1700000000}],"app_metadata":{"provider":"email","tenant":"acme"},"aud":"authenticated","email":"ada@acme.example","is_anonymous":false,"iss":"BASE/auth/v1","phone":"","role":"authenticated","session_id":"s1","sub":"8e1b2c3d-0000-4000-8000-000000000007","user_metadata":{}}`,
		user:   "8e1b2c3d-0000-4000-8000-000000000007", tenant: "acme",
		others: []variant{
			{"of the service role", "", `{"role":"service_role"}`, "tokens with this role are not taken"},
			{"of an anonymous user", "", `{"is_anonymous":true}`, "tokens with this is_anonymous are not taken"},
			{"that is an API key", "", `{"iss":"supabase","ref":"abcdefghijklmnopqrst","role":"anon","aud":null,"sub":null}`, notOurs},
			{"with another audience", "", `{"aud":"anon"}`, "aud is none that tokens of provider supabase are taken for"},
		},
	},
	{
		preset: "cognito", path: "/.well-known/jwks.json", config: "issuer: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz', audience: [1example23456789], tenant_claim: ['custom:tenant_id']",
		alg: "RS256", kid: "1234example=",
		claims: `{"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","cognito:groups":["g"],"iss":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz","client_id":"1example23456789","origin_jti":"o1","event_id":"e1","token_use":"access","scope":"openid","auth_time":1700000000,"jti":"j1","username":"ada","custom:tenant_id":"acme"}`,
		user:   "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", tenant: "acme",
		others: []variant{
			{"that is an ID token of the same client", "", `{"token_use":"id","client_id":null,"aud":"1example23456789","at_hash":"h"}`, ""},
			{"of another client", "", `{"client_id":"2example23456789"}`, "aud is none that tokens of provider cognito are taken for"},
			{"that is an ID token of another client", "", `{"token_use":"id","client_id":null,"aud":"2example23456789"}`, "aud is none"},
			{"of another client whose aud is none of ours", "", `{"aud":"2example23456789"}`, "aud is none"},
			{"without a use", "", `{"token_use":null}`, "token_use is missing"},
			{"of another pool", "", `{"iss":"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other1234"}`, notOurs},
		},
	},
	{
		preset: "entra", path: "/common/discovery/v2.0/keys",
		config: "issuer: 'https://login.microsoftonline.com/common/v2.0', tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47], audience: [6e74172b-be56-4843-9ff4-e66a39bb12e3]",
		alg:    "RS256", kid: "nOo3ZDrODXEK1jKWhXslHR_KXEg", jwk: `{"alg":null,"x5t":"nOo3ZDrODXEK1jKWhXslHR_KXEg","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}`, header: `{"typ":"JWT","x5t":"nOo3ZDrODXEK1jKWhXslHR_KXEg"}`,
		claims: `{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0","azp":"6e74172b-be56-4843-9ff4-e66a39bb12e3","azpacr":"0","name":"Ada","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","scp":"access_as_user","sub":"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ","tid":"72f988bf-86f1-41af-91ab-2d7cd011db47","ver":"2.0"}`,
		user:   "690222be-ff1a-4d56-abd1-7e4f7d38e474", tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47",
		others: []variant{
			{"of the first version", "", `{"iss":"https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/","ver":"1.0","azp":null,"appid":"6e74172b-be56-4843-9ff4-e66a39bb12e3"}`, ""},
			{"of another tenant", "", `{"iss":"https://login.microsoftonline.com/11111111-86f1-41af-91ab-2d7cd011db47/v2.0","tid":"11111111-86f1-41af-91ab-2d7cd011db47"}`, notOurs},
			{"of another tenant with our issuer", "", `{"tid":"11111111-86f1-41af-91ab-2d7cd011db47"}`, "the tenant is none that tokens of provider entra are taken from"},
			{"for Microsoft Graph", "", `{"aud":"00000003-0000-0000-c000-000000000000"}`, "aud is none that tokens of provider entra are taken for"},
			{"that is an ID token", "", `{"nonce":"12345","scp":null}`, "this is an ID token"},
		},
	},
	{
		preset: "google", path: "/oauth2/v3/certs", config: "issuer: 'https://accounts.google.com', audience: [1234987819200.apps.googleusercontent.com]",
		alg: "RS256", kid: "b5c8e0a9",
		claims: `{"iss":"https://accounts.google.com","azp":"1234987819200.apps.googleusercontent.com","aud":"1234987819200.apps.googleusercontent.com","sub":"10769150350006150715113082367","at_hash":"HK6E_P6Dh8Y93mRNtsDB1Q","hd":"acme.example","email":"ada@acme.example","email_verified":true,"nonce":"0394852-3190485-2490358"}`,
		user:   "10769150350006150715113082367", tenant: "acme.example",
		others: []variant{
			{"in the other spelling of the issuer", "", `{"iss":"accounts.google.com"}`, ""},
			{"for another application", "", `{"aud":"9999987819200.apps.googleusercontent.com"}`, "aud is none that tokens of provider google are taken for"},
			{"of an address that nobody confirmed", "", `{"email_verified":false}`, "tokens with this email_verified are not taken"},
			{"without an address", "", `{"email_verified":null}`, "email_verified is missing"},
		},
	},
	{
		preset: "descope", path: "/.well-known/jwks.json", config: "issuer: P2abcdefghijklmnopqrstuvwxyz",
		alg: "RS256", kid: "SK2abc",
		claims: `{"amr":["email"],"drn":"DS","dct":"T2acme","iss":"https://api.descope.com/P2abcdefghijklmnopqrstuvwxyz","sub":"U2abc","tenants":{"T2acme":{}}}`,
		user:   "U2abc", tenant: "T2acme",
		others: []variant{
			{"with the bare project for its issuer", "", `{"iss":"P2abcdefghijklmnopqrstuvwxyz"}`, ""},
			{"with the subject in dsub", "", `{"dsub":"U2abc","sub":"ada@acme.example"}`, ""},
			{"of another project", "", `{"iss":"https://api.descope.com/P2zzzzzzzzzzzzzzzzzzzzzzzzzz"}`, notOurs},
		},
	},
	{
		preset: "propelauth", path: "/.well-known/jwks.json", config: "issuer: 'https://58812312.propelauthtest.com'",
		alg: "RS256", kid: "e3b0c442",
		claims: `{"iss":"https://58812312.propelauthtest.com","sub":"31c41c16-c281-44ae-9602-8a047e3bf33d","user_id":"31c41c16-c281-44ae-9602-8a047e3bf33d","email":"ada@acme.example","org_member_info":{"org_id":"1189c444-8a2d-4c41-8b4b-ae43ce79a492","org_name":"Acme","user_role":"Admin"}}`,
		user:   "31c41c16-c281-44ae-9602-8a047e3bf33d", tenant: "1189c444-8a2d-4c41-8b4b-ae43ce79a492",
		others: []variant{{"of another project", "", `{"iss":"https://99912312.propelauthtest.com"}`, notOurs}},
	},
	{
		preset: "workos", path: "/sso/jwks/client_01ABCDEF",
		alg: "RS256", kid: "sso_oidc_key_pair_01",
		config: "issuer: 'https://api.workos.com/user_management/client_01ABCDEF', issuers: ['https://api.workos.com', 'https://api.workos.com/', 'https://api.workos.com/user_management/client_01ABCDEF']",
		claims: `{"iss":"https://api.workos.com/user_management/client_01ABCDEF","sub":"user_01H","sid":"session_01H","jti":"01H","org_id":"org_01H","role":"admin","permissions":["todos:write"]}`,
		user:   "user_01H", tenant: "org_01H",
		others: []variant{
			{"in the issuer's first spelling", "", `{"iss":"https://api.workos.com"}`, ""},
			{"in the issuer's second spelling", "", `{"iss":"https://api.workos.com/"}`, ""},
			{"of another client", "", `{"iss":"https://api.workos.com/user_management/client_01OTHER"}`, notOurs},
		},
	},
	{
		preset: "neon-auth", path: "/neondb/auth/.well-known/jwks.json", config: "issuer: 'https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth'",
		alg: "EdDSA", kid: "2f1c7a",
		claims: `{"iss":"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech","aud":"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech","sub":"9e1b2c3d-0000-4000-8000-000000000007","id":"9e1b2c3d-0000-4000-8000-000000000007","email":"ada@acme.example","role":"authenticated","o":{"id":"b0000000-0000-4000-8000-000000000001","slug":"globex","role":"owner"}}`,
		user:   "9e1b2c3d-0000-4000-8000-000000000007", tenant: "b0000000-0000-4000-8000-000000000001",
		others: []variant{
			{"for another origin", "", `{"aud":"https://ep-other-1.neonauth.us-east-1.aws.neon.tech"}`, "aud is none that tokens of provider neon-auth are taken for"},
			{"of another project", "", `{"iss":"https://ep-other-1.neonauth.us-east-1.aws.neon.tech"}`, notOurs},
			{"with the path in its issuer", "", `{"iss":"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth"}`, notOurs},
		},
	},
	{
		preset: "better-auth", path: "/api/auth/jwks",
		alg: "EdDSA", kid: "c5c7995d-0037-4553-8aee-b5b620b89b23", jwk: `{"alg":null,"use":null}`,
		claims: `{"iss":"BASE","aud":"BASE","sub":"uBetter7","id":"uBetter7","name":"Ada","email":"ada@acme.example","activeOrganizationId":"orgBetter"}`,
		user:   "uBetter7", tenant: "orgBetter",
		others: []variant{
			{"of an algorithm whose name is Ed25519", `{"alg":"Ed25519"}`, "", ""},
			{"for another service", "", `{"aud":"https://other.example"}`, "aud is none that tokens of provider better-auth are taken for"},
			{"of another server", "", `{"iss":"https://other.example"}`, notOurs},
		},
	},
	{
		preset: "supertokens", path: "/auth/jwt/jwks.json",
		alg: "RS256", kid: "d-1700000000000", header: `{"typ":"JWT","version":"5"}`,
		claims: `{"iss":"BASE/auth","sub":"fa7a0841-b533-4478-95533-0fde890c3483","tId":"public","rsub":"fa7a0841","sessionHandle":"h1","refreshTokenHash1":"x","parentRefreshTokenHash1":null,"antiCsrfToken":null}`,
		user:   "fa7a0841-b533-4478-95533-0fde890c3483", tenant: "public",
		others: []variant{{"of another API", "", `{"iss":"BASE/other"}`, notOurs}},
	},
	{
		preset: "logto", path: "/oidc/jwks", config: "audience: ['https://api.example']",
		alg: "ES384", kid: "Ydr6d7BVhPZk", header: `{"typ":"at+jwt"}`,
		claims: `{"jti":"l1","sub":"foo7","iss":"BASE/oidc","aud":"https://api.example","scope":"read","client_id":"app7","organization_id":"orgLogto"}`,
		user:   "foo7", tenant: "orgLogto",
		others: []variant{
			{"that is an ID token", `{"typ":"JWT"}`, `{"aud":"app7","at_hash":"h"}`, "aud is none that tokens of provider logto are taken for"},
			{"for another API", "", `{"aud":"https://other.example"}`, "aud is none"},
		},
	},
	{
		preset: "zitadel", path: "/oauth/v2/keys", config: "audience: ['69234237810729019']",
		alg: "RS256", kid: "318838604669387137", header: `{"typ":"JWT"}`,
		claims: `{"aud":["100002@acme","69234237810729019"],"client_id":"100002@acme","iss":"BASE","jti":"z1","sub":"7010","urn:zitadel:iam:user:resourceowner:id":"2202"}`,
		user:   "7010", tenant: "2202",
		others: []variant{
			{"that is an ID token", "", `{"at_hash":"h","amr":["pwd"]}`, "this is an ID token; an access token is needed"},
			{"for another project", "", `{"aud":["100002@acme","79234237810729019"]}`, "aud is none that tokens of provider zitadel are taken for"},
		},
	},
	{
		preset: "generic", path: "/jwks.json", config: "issuer: 'https://id.example', audience: [app]",
		alg: "ES256", kid: "g1",
		claims: `{"iss":"https://id.example","aud":"app","sub":"u7","tenant_id":"` + acmeID + `","role":"rowpass_owner"}`,
		user:   "u7",
		others: []variant{
			{"that is an ID token", "", `{"c_hash":"h"}`, "this is an ID token"},
			{"that maps itself", "", `{"rowpass_user":"admin"}`, "rowpass_user is not a token's to say"},
			{"that maps its tenant itself", "", `{"rowpass_tenant":"` + acmeID + `"}`, "rowpass_tenant is not a token's to say"},
			{"for another service", "", `{"aud":"other"}`, "aud is none that tokens of provider generic are taken for"},
			{"whose client has the name of an audience", "", `{"aud":null,"client_id":"app"}`, "aud is none that tokens of provider generic are taken for"},
		},
	},
}
