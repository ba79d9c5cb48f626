package doctor_test

import (
	"strings"
	"testing"

	"rowpass/doctor"
)

// byHand is where no SQL is offered.
const byHand = ""

// columns are those of a table t.
var columns = map[string]string{"tenant_id": "uuid", "n": "bigint", "owner": "text", "code": "character varying(20)", "day": "date", "amount": "integer", "codes": "text[]", "Odd Name": "uuid"}

var mends = []struct{ name, from, to string }{
	{"right already", "(tenant_id = ( SELECT auth.tenant_id() AS tenant_id))", "tenant_id = ( SELECT auth.tenant_id() AS tenant_id)"},
	{"a bare function", "(tenant_id = auth.tenant_id())", "tenant_id = (select auth.tenant_id())"},
	{"on the other side", "(auth.tenant_id() = tenant_id)", "(select auth.tenant_id()) = tenant_id"},
	{"a claim", "(owner = (auth.session() ->> 'sub'::text))", "owner = (select auth.session() ->> 'sub'::text)"},
	{"the whole comparison in the sub-select", "( SELECT (auth.tenant_id() = t.tenant_id))", "(select auth.tenant_id()) = t.tenant_id"},
	{"the tutorial's", "( SELECT ((auth.session() ->> 'tenant_id'::text) = (t.tenant_id)::text))", "t.tenant_id = (select case when auth.as_uuid(auth.session() ->> 'tenant_id'::text)::text = (auth.session() ->> 'tenant_id'::text) then auth.as_uuid(auth.session() ->> 'tenant_id'::text) end)"},
	{"a named sub-select", "( SELECT (auth.tenant_id() = t.tenant_id) AS mine)", "(select auth.tenant_id()) = t.tenant_id"},
	{"a cast column", "((tenant_id)::text = ( SELECT auth.tenant() AS tenant))", "tenant_id = (select case when auth.tenant_id()::text = (auth.tenant()) then auth.tenant_id() end)"},
	{"a number keeps its one spelling", "((n)::text = ( SELECT auth.tenant() AS tenant))",
		"n = (select case when (auth.tenant()) ~ '^(0|-?[1-9][0-9]{0,18})$' then case when (auth.tenant())::numeric between -9223372036854775808 and 9223372036854775807 then (auth.tenant())::bigint end end)"},
	{"a smaller number", "((amount)::text = auth.tenant())", "amount = (select case when (auth.tenant()) ~ '^(0|-?[1-9][0-9]{0,17})$' then (auth.tenant())::bigint end)"},
	{"text that is text anyway", "((code)::text = ( SELECT auth.user_id() AS user_id))", "(code)::text = ( SELECT auth.user_id() AS user_id)"},
	{"a date, which is none of ours", "((day)::text = ( SELECT auth.tenant() AS tenant))", byHand},
	{"in a list of conditions", "((tenant_id = auth.tenant_id()) AND ((owner = auth.user_id()) OR (n > 3)))", "(tenant_id = (select auth.tenant_id())) AND ((owner = (select auth.user_id())) OR (n > 3))"},
	{"NULL is not false there", "(((tenant_id)::text = ( SELECT auth.tenant() AS tenant)) IS NULL)", byHand},
	{"nor within NOT", "(NOT ((tenant_id)::text = ( SELECT auth.tenant() AS tenant)))", byHand},
	{"a function of the row", "public.visible(tenant_id, auth.user_id())", "public.visible(tenant_id, (select auth.user_id()))"},
	{"a function of PostgreSQL's", "(day > (now() - '1 day'::interval))", "day > (now() - '1 day'::interval)"},
	{"a name with a blank", `("Odd Name" = auth.tenant_id())`, `"Odd Name" = (select auth.tenant_id())`},
	{"a sub-select that looks at the row", "(EXISTS ( SELECT 1\n   FROM members m\n  WHERE (m.tenant_id = t.tenant_id)))", byHand},
	{"a sub-select that does not", "(tenant_id IN ( SELECT m.tenant_id\n   FROM members m\n  WHERE (m.owner = auth.user_id())))", "tenant_id IN ( SELECT m.tenant_id\n   FROM members m\n  WHERE (m.owner = auth.user_id()))"},
	{"a misspelt claim", "(owner = ( SELECT (auth.session() ->> 'subb'::text)))", "owner = ( SELECT (auth.session() ->> 'sub'::text))"},
	{"the same word that is no claim", "((owner = 'subb'::text) AND (owner = auth.user_id()))", "(owner = 'subb'::text) AND (owner = (select auth.user_id()))"},
	{"an unsealed setting", "(owner = (((current_setting('request.jwt.claims'::text, true))::jsonb ->> 'sub'::text)))", "owner = (select auth.session() ->> 'sub'::text)"},
	{"another setting", "(owner = current_setting('app.owner'::text, true))", "owner = (select current_setting('app.owner'::text, true))"},
	{"a legacy setting, which is one claim", "(owner = current_setting('request.jwt.claim.sub'::text, true))", byHand},
	{"a setting that only sounds like it", "(owner = ((current_setting('request.jwt.claims_too'::text, true))::jsonb ->> 'sub'::text))", byHand},
	{"the usual guard", "(owner = ((NULLIF(current_setting('request.jwt.claims'::text, true), ''::text))::jsonb ->> 'sub'::text))", "owner = (select auth.session() ->> 'sub'::text)"},
	{"another guard", "(owner = ((NULLIF(current_setting('request.jwt.claims'::text, true), '{}'::text))::jsonb ->> 'sub'::text))", byHand},
	{"a volatile function", "(owner = public.next())", "owner = public.next()"},
	{"a volatile function of the caller", "(owner = public.next(auth.user_id()))", "owner = public.next((select auth.user_id()))"},
	{"a volatile function beside", "(owner = (auth.user_id() || random()))", "owner = ((select auth.user_id()) || random())"},
	{"a number by a volatile function", "((n)::text = ( SELECT public.next() AS next))", byHand},
	{"an operator that is not PostgreSQL's", "(owner = (auth.user_id() OPERATOR(m.+) 'x'::text))", "owner = ((select auth.user_id()) OPERATOR(m.+) 'x'::text)"},
	{"a type that is not PostgreSQL's", "(owner = (auth.user_id())::m.name)", "owner = (select auth.user_id())::m.name"},
	{"a text that is cut off", "(((n)::text)::character(2) = (auth.user_id())::character(2))", "((n)::text)::character(2) = (select (auth.user_id())::character(2))"},
	{"a UUID that is cut off", "((tenant_id)::character(5) = (auth.user_id())::character(5))", byHand},
	{"any of an array that is made", "(owner = ANY (string_to_array(auth.user_id(), ','::text)))", "owner = ANY (string_to_array((select auth.user_id()), ','::text))"},
	{"any of an array that a claim is", "(owner = ANY ((auth.session() ->> 'sub'::text)::text[]))", "owner = ANY ((select auth.session() ->> 'sub'::text)::text[])"},
	{"any of a function's", "(owner = ANY (public.roles()))", byHand},
	{"any of a list", "(owner = ANY (ARRAY[auth.user_id(), 'q'::text]))", "owner = ANY (ARRAY[(select auth.user_id()), 'q'::text])"},
	{"all of a list", "(owner <> ALL (ARRAY[auth.user_id(), 'q'::text]))", "owner <> ALL (ARRAY[(select auth.user_id()), 'q'::text])"},
	{"arrays that overlap", "(codes && ARRAY[auth.user_id()])", "codes && (select ARRAY[auth.user_id()])"},
	{"an element", "(owner = (ARRAY[auth.user_id(), 'q'::text])[public.at()])", "owner = (select ARRAY[auth.user_id(), 'q'::text])[(select public.at())]"},
	{"rows of the row", "(owner IN ( SELECT unnest(t.codes) AS unnest))", byHand},
	{"an array of the row", "(codes = ARRAY( SELECT t.owner))", byHand},
	{"whether there is one of the row", "(EXISTS ( SELECT (t.owner = auth.user_id())))", byHand},
	{"rows", "(ROW(owner, n) = ROW(auth.user_id(), 1))", "ROW(owner, n) = ROW((select auth.user_id()), 1)"},
	{"values", "(owner = ( VALUES (auth.user_id())))", "owner = ( VALUES (auth.user_id()))"},
	{"named arguments", "public.visible(tenant => auth.tenant_id(), row_id => n)", "public.visible(tenant => (select auth.tenant_id()), row_id => n)"},
	{"all of the row", "(public.title(t.*) = auth.user_id())", "public.title(t.*) = (select auth.user_id())"},
	{"a system column", "((tableoid)::text = auth.user_id())", "(tableoid)::text = (select auth.user_id())"},
	{"a case beside OR", "(CASE WHEN ((n)::text = auth.user_id()) THEN true ELSE false END OR (n > 3))", byHand},
	{"quotes in a string", "(owner = public.f('it''s (odd'::text))", "owner = (select public.f('it''s (odd'::text))"},
}

func TestPoliciesAreWrittenAgain(t *testing.T) {
	t.Parallel()
	for _, m := range mends {
		t.Run(m.name, func(t *testing.T) {
			got, ok := doctor.Mend(m.from, "t", columns, map[string]string{"subb": "sub"})
			if !ok {
				got = byHand
			}
			if got != m.to {
				t.Errorf("%s\nbecomes %s\nwant    %s", m.from, got, m.to)
			}
		})
	}
}

func TestForeignFunctionsGiveWayToOurs(t *testing.T) {
	t.Parallel()
	trusting := map[string]string{"auth.uid": "rowpass_auth.uid()", "auth.jwt": "rowpass_auth.jwt()", "auth.role": "", "public.mine": ""}
	for _, m := range []struct{ name, from, mended, sealed string }{
		{"bare", "(tenant_id = auth.uid())", "tenant_id = (select rowpass_auth.uid())", "tenant_id = rowpass_auth.uid()"},
		{"in a sub-select", "(tenant_id = ( SELECT auth.uid() AS uid))", "tenant_id = ( SELECT rowpass_auth.uid() AS uid)", "tenant_id = ( SELECT rowpass_auth.uid() AS uid)"},
		{"as text", "((tenant_id)::text = (auth.jwt() ->> 'org'::text))", "tenant_id = (select case when rowpass_auth.as_uuid(rowpass_auth.jwt() ->> 'org'::text)::text = (rowpass_auth.jwt() ->> 'org'::text) then rowpass_auth.as_uuid(rowpass_auth.jwt() ->> 'org'::text) end)", "(tenant_id)::text = (rowpass_auth.jwt() ->> 'org'::text)"},
		{"a misspelt claim of theirs", "(owner = ( SELECT (auth.jwt() ->> 'subb'::text)))", "owner = ( SELECT (rowpass_auth.jwt() ->> 'sub'::text))", "owner = ( SELECT (rowpass_auth.jwt() ->> 'subb'::text))"},
		{"beside a sub-select that looks at the row", "(EXISTS ( SELECT 1\n   FROM m\n  WHERE ((m.id = t.n) AND (m.owner = auth.uid()))))", byHand, "EXISTS ( SELECT 1\n   FROM m\n  WHERE ((m.id = t.n) AND (m.owner = rowpass_auth.uid())))"},
		{"one that ours has no name for", "((owner = auth.role()) AND (tenant_id = auth.uid()))", byHand, byHand},
		{"one of the row", "public.mine(tenant_id)", byHand, byHand},
		{"one of the name with arguments", "(tenant_id = auth.uid('x'::text))", byHand, byHand},
		{"in a string", "(owner = 'auth.uid()'::text)", "owner = 'auth.uid()'::text", "owner = 'auth.uid()'::text"},
		{"all claims", "(auth.jwt() IS NOT NULL)", byHand, byHand},
		{"all claims in a sub-select", "(( SELECT auth.jwt() AS jwt) IS NOT NULL)", byHand, byHand},
		{"whether there is a claim", "(NOT (auth.jwt() ? 'is_banned'::text))", byHand, byHand},
		{"an element of claims", "((auth.jwt() -> 0) IS NULL)", byHand, byHand},
		{"all claims at a path", "((auth.jwt() #> '{}'::text[]) IS NULL)", byHand, byHand},
		{"ours", "(tenant_id = rowpass_auth.uid())", "tenant_id = (select rowpass_auth.uid())", "tenant_id = rowpass_auth.uid()"},
	} {
		t.Run(m.name, func(t *testing.T) {
			mended, sealed := doctor.MendBeside(m.from, "t", columns, map[string]string{"subb": "sub"}, "rowpass_auth", trusting)
			if mended != m.mended || sealed != m.sealed {
				t.Errorf("%s\nbecomes %s\nwant    %s\nsealed  %s\nwant    %s", m.from, mended, m.mended, sealed, m.sealed)
			}
		})
	}
}

func FuzzPoliciesAreWrittenAgain(f *testing.F) {
	for _, m := range mends {
		f.Add(m.from)
	}
	f.Add("((((")
	f.Add("(a))'")
	f.Add(`"`)
	f.Add("a::b.c(1)[]")
	f.Fuzz(func(t *testing.T, text string) {
		mended, ok := doctor.Mend(text, "t", columns, nil)
		if ok && !strings.ContainsAny(text, ".:") && !strings.Contains(text, "current_setting") && len(mended) > len(text) {
			t.Errorf("nothing is called or cast in %q, and it becomes %q", text, mended)
		}
	})
}

func TestAMisspeltNameIsRecognised(t *testing.T) {
	t.Parallel()
	known := []string{"tenant_id", "sub", "org_id", "role"}
	for name, want := range map[string]string{
		"tenantId": "tenant_id", "tenent_id": "tenant_id", "tennant_id": "tenant_id", "subb": "sub", "roles": "role", "organization": "", "department": "", "x": "",
	} {
		if got := doctor.Nearest(name, known); got != want {
			t.Errorf("%s is taken for %q, want %q", name, got, want)
		}
	}
}
