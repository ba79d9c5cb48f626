package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// policy is one of row-level security.
type policy struct {
	policyRow
	of relation
	expressions
	renamed expressions // the same, but that claims nobody sends have the names of those which are near
}

// expressions are what a policy asks. Each is nil where it has none.
type expressions struct{ using, check *shape }

// policyRow is what the catalogue has of a policy.
type policyRow struct {
	Relation   uint32
	Name       string // quoted where needed
	Command    string // polcmd: r, a, w, d or * for all
	Permissive bool
	Public     bool     // for everybody
	Roles      []string // those of callers that it is for
	Using      string   // "" where it has none
	Check      string   // likewise
}

const policies = `
	select polrelid, format('%I', polname), polcmd::text, polpermissive, polroles = array[0]::oid[],
		array(select r from unnest($2::text[]) r where exists (select from unnest(polroles) for_role where for_role = 0 or pg_catalog.pg_has_role(r, for_role, 'USAGE'))),
		coalesce(pg_catalog.pg_get_expr(polqual, polrelid), ''), coalesce(pg_catalog.pg_get_expr(polwithcheck, polrelid), '')
	from pg_catalog.pg_policy join pg_catalog.pg_class c on c.oid = polrelid join pg_catalog.pg_namespace n on n.oid = relnamespace
	where nspname = any ($1::text[]) and relrowsecurity and pg_policy.oid <> all ($3::oid[])
	order by nspname, relname, polname`

// readPolicies reads each policy of the schemas that is for callers, and what its expressions do.
func (e *examination) readPolicies(ctx context.Context) error {
	rows, err := list[policyRow](ctx, e.tx, policies, e.Schemas, e.Roles, e.locked)
	if err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	for _, row := range rows {
		at := slices.IndexFunc(e.relations, func(r relation) bool { return r.OID == row.Relation })
		if at < 0 || len(row.Roles) == 0 {
			continue
		}
		p := policy{policyRow: row, of: e.relations[at]}
		p.expressions, p.renamed = p.read(nil, e.asks), p.read(e.misspelt(row), e.asks)
		if err := e.try(ctx, p); err != nil {
			return fmt.Errorf("trying %s as it would be mended: %w", p.object(), err)
		}
		e.policies = append(e.policies, p)
	}
	return nil
}

func (p policy) read(renamed map[string]string, asks askers) (x expressions) {
	types := p.of.types()
	if p.Using != "" {
		x.using = shapeOf(p.Using, p.of.Plain, types, renamed, asks)
	}
	if p.Check != "" {
		x.check = shapeOf(p.Check, p.of.Plain, types, renamed, asks)
	}
	return x
}

// misspelt are a policy's claims that no issuer sends and that are near to one that is sent.
func (e *examination) misspelt(p policyRow) map[string]string {
	renamed := map[string]string{}
	if len(e.Claims) == 0 {
		return renamed
	}
	for _, name := range append(e.asks.claimNames(parse(p.Using)), e.asks.claimNames(parse(p.Check))...) {
		if !e.sends(name) {
			if near := nearest(name, e.Claims); near != "" {
				renamed[name] = near
			}
		}
	}
	return renamed
}

// sends says whether some token has the claim.
func (e *examination) sends(claim string) bool {
	return slices.Contains(e.Claims, claim) || strings.Contains(e.hook, "'"+claim+"'") || strings.Contains(e.hook, `"`+claim+`"`)
}

func (p policy) object() string { return p.of.Name + " policy " + p.Name }

// shapes are the expressions that there are.
func (x expressions) shapes() []*shape {
	return slices.DeleteFunc([]*shape{x.using, x.check}, func(s *shape) bool { return s == nil })
}

// any says whether it is so of one of the expressions.
func (x expressions) any(is func(*shape) bool) bool { return slices.ContainsFunc(x.shapes(), is) }

// mend writes both expressions again. Whatever is wrong with them is right then, so several findings may bring it. Claims stay as they are.
func (p policy) mend() string { return p.mendAs(p.expressions) }

// mendAs is "" where something has to be written by a person, be it for whose table it is: its policies may call what must not run as
// whoever runs the mends.
func (p policy) mendAs(x expressions) string {
	if !p.of.Own || x.any(func(s *shape) bool { return s.unmended }) {
		return ""
	}
	return p.alter(x, func(s *shape) string { return s.mended })
}

func (p policy) undo() string {
	if p.mend() == "" {
		return ""
	}
	return p.asItWas()
}

func (p policy) asItWas() string {
	return p.alter(p.expressions, func(s *shape) string { return s.source })
}

func (p policy) alter(x expressions, expression func(*shape) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, nowhere+"alter policy %s on %s", p.Name, p.of.Name)
	if x.using != nil {
		fmt.Fprintf(&b, " using (%s)", expression(x.using))
	}
	if x.check != nil {
		fmt.Fprintf(&b, " with check (%s)", expression(x.check))
	}
	return b.String() + ";"
}

// policyFindings tells of policies that are slow, ask for what nobody sends, or are for too many.
func policyFindings(ctx context.Context, e *examination) ([]Finding, error) {
	var findings []Finding
	indexed := map[string]bool{} // relation and column of the indexes that were asked for
	for _, p := range e.policies {
		findings = append(findings, p.settingFinding(e.asks)...)
		slow, err := e.slowFindings(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.object(), err)
		}
		findings = append(findings, slow...)
		findings = append(findings, e.claimFindings(p)...) // behind whatever else writes the policy again, and keeps the names of claims
		findings = append(findings, e.publicFinding(p)...)
		index, err := e.indexFinding(ctx, p, indexed)
		if err != nil {
			return nil, fmt.Errorf("looking for indexes of %s: %w", p.of.Name, err)
		}
		findings = append(findings, index...)
	}
	return findings, nil
}

// settingFinding tells of claims that are believed without their seal, in the policy itself or in a function that it calls.
func (p policy) settingFinding(asks askers) []Finding {
	var trusted []string
	setting := false
	for _, s := range p.shapes() {
		setting, trusted = setting || s.setting, append(trusted, s.trusted...)
	}
	if !setting && len(trusted) == 0 {
		return nil
	}
	f := Finding{
		ID: "policy-trusts-setting", Severity: High, Object: p.object(),
		Title: "The policy reads claims from a setting, without their seal",
		Why:   "Whoever can send SQL can set request.jwt.claims, within the same statement too. " + asks.call("session") + " gives the same claims after it has checked rowpass's seal.",
		Costs: "A caller with SQL is whoever it says it is.",
		Mend:  p.sealed(setting),
	}
	if len(trusted) > 0 {
		slices.Sort(trusted)
		f.Undo = p.asBefore(f.Mend, setting)
		f.Title = fmt.Sprintf("The policy calls %s, which reads claims from a setting, without their seal", strings.Join(slices.Compact(trusted), ", "))
	}
	if p.any(func(s *shape) bool { return s.whole }) {
		f.Why += " But without claims that is JSON null, which is not NULL: a condition that is more than a claim looked up by its name, such as IS NOT NULL, NOT or COALESCE, may let callers without claims through then. See that it does not."
	}
	switch {
	case f.Mend == "" && setting:
		f.Why += " Write " + asks.call("session") + " in the place of the setting."
	case f.Mend == "":
		f.Why += fmt.Sprintf(" Ask that in the policy, such as (select %s ->> 'role'), or let the function ask it in the place of the setting.", asks.call("session"))
	default:
		f.Why += " Whoever sets the claims without rowpass, as PostgREST does, gets an error from the table then."
	}
	return []Finding{f}
}

// sealed is mend or, where only a person can write the whole otherwise, what at least asks functions that check the seal.
func (p policy) sealed(setting bool) string {
	if mend := p.mend(); mend != "" || setting {
		return mend
	}
	if !p.of.Own || p.any(func(s *shape) bool { return s.unsealed }) {
		return ""
	}
	return p.alter(p.expressions, func(s *shape) string { return s.sealed })
}

// asBefore takes back what asks rowpass in the place of others: rowpass itself can't be taken back before. A policy that read the setting by
// itself is not wanted again.
func (p policy) asBefore(mend string, setting bool) string {
	if mend == "" || setting {
		return ""
	}
	return p.asItWas()
}

// claimFindings tells of claims that nobody sends. With the owner's hook, only of those that are misspelt: the hook may add any.
func (e *examination) claimFindings(p policy) []Finding {
	if len(e.Claims) == 0 {
		return nil
	}
	renamed := e.misspelt(policyRow{Using: p.Using, Check: p.Check})
	var findings []Finding
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(e.asks.claimNames(parse(p.Using)), e.asks.claimNames(parse(p.Check))...)))) {
		f := Finding{
			ID: "claim-unknown", Severity: Low, Object: p.object(), Title: fmt.Sprintf("No issuer is known to send the claim %q", name),
			Why:   "A claim that a token does not have is NULL, and a comparison with NULL lets no row through. Make the issuer send it, or name the right one.",
			Costs: "Callers get empty answers and no error.",
		}
		if near := renamed[name]; near != "" {
			f.Severity, f.Title, f.Mend = Medium, fmt.Sprintf("No issuer sends the claim %q; %q is near", name, near), p.mendAs(p.renamed)
			if f.Mend != "" {
				f.Undo = p.asItWas()
			}
		} else if e.sends(name) || e.hook != "" {
			continue
		}
		findings = append(findings, f)
	}
	return findings
}

// publicFinding tells of a policy without TO. Whoever else holds a grant on the table today goes on to see by it what it sees.
func (e *examination) publicFinding(p policy) []Finding {
	if !p.Public || !p.Permissive {
		return nil
	}
	f := Finding{
		ID: "policy-for-public", Severity: Medium, Object: p.object(), Title: "The policy is for every role",
		Why:   "Without TO a policy is for PUBLIC: it also lets rows through to logins that are made later, for a report or a backup, and it is asked for callers without claims.",
		Costs: "Rows may reach roles that nobody thought of; anonymous requests ask it for nothing.",
	}
	others := e.others(p.of)
	mend := fmt.Sprintf("alter policy %s on %s to %s;", p.Name, p.of.Name, strings.Join(append(quoteAll(p.served(e.asks)), others...), ", "))
	if p.of.Public {
		f.Why += " But PUBLIC holds a grant on the table as well, so it can't be told whom else it serves, and no SQL is offered: grant to roles by their names, and name the same ones, such as " + mend
		return []Finding{f}
	}
	if len(others) > 0 {
		f.Why += fmt.Sprintf(" The mend keeps it for %s, beside callers: they hold grants on the table, or are its owner.", strings.Join(others, ", "))
	}
	f.Why += " Whoever is granted the table later has to be named too, or sees nothing by it, nor does who reads all tables by pg_read_all_data and holds no grant."
	f.Mend, f.Undo = mend, fmt.Sprintf("alter policy %s on %s to public;", p.Name, p.of.Name)
	return []Finding{f}
}

// served are the roles of callers to whom the policy can let a row through.
func (p policy) served(asks askers) []string {
	to := slices.Clone(p.Roles)
	if !p.any(func(s *shape) bool { return !asks.needsClaim(s.root) }) && slices.Contains(to, "authenticated") {
		to = slices.DeleteFunc(to, func(role string) bool { return role == "anonymous" }) // nobody else is without claims
	}
	return to
}
