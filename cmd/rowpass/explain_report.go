package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"rowpass/doctor"
)

// writeExplanation writes the answer, and below it what it rests on. The schema is that of rowpass's functions.
func writeExplanation(to io.Writer, i ink, schema string, e doctor.Explanation) {
	fmt.Fprintf(to, "%s\n\n", i.bold(printable(e.Answer)))
	l := newListing(to, i)
	l.row("table", printable(e.Table)+", a "+e.Kind+map[bool]string{true: " with row-level security"}[e.RLS])
	l.row("role", e.Role)
	l.row(schema+".user_id()", orNull(e.Identity.UserID))
	l.row(schema+".uid()", orNull(e.Identity.UID))
	l.row(schema+".tenant()", orNull(e.Identity.Tenant))
	l.row(schema+".tenant_id()", orNull(e.Identity.TenantID))
	l.row("claims", printable(compact(e.Claims)))
	l.row("grants", grantsText(e.Grants))
	l.row("rows seen", countText(e.Counts.Seen))
	l.row("rows in all", countText(e.Counts.All))
	if e.Row != nil {
		l.row("row "+printable(e.Row.Key), "exists: "+exists(e)+", seen: "+yesNo(e.Row.Seen))
	}
	if e.Unread != "" {
		l.row("not looked at", printable(e.Unread))
	}
	_ = l.write()
	for _, p := range e.Policies {
		writePolicy(to, i, p, e.Row != nil && e.Row.Exists && e.Unread == "")
	}
	for _, t := range e.Typos {
		fmt.Fprintf(to, "\nPolicy %s asks for the claim %q, which the token does not have%s.\n", printable(t.Policy), t.Claim, meant(t.Meant))
	}
	if len(e.Plan) > 0 {
		fmt.Fprintf(to, "\n%s\n", i.faint("plan"))
	}
	for _, line := range e.Plan {
		fmt.Fprintf(to, "  %s\n", printable(line))
	}
}

func writePolicy(to io.Writer, i ink, p doctor.PolicyVerdict, judged bool) {
	how := "permissive"
	if !p.Permissive {
		how = "restrictive"
	}
	fmt.Fprintf(to, "\npolicy %s: %s, for %s, to %s", i.bold(printable(p.Name)), how, p.Command, printable(strings.Join(p.Roles, ", ")))
	if !p.Applies {
		fmt.Fprint(to, "; not for this role")
	}
	fmt.Fprintln(to)
	if p.Using != "" {
		fmt.Fprintf(to, "  using %s%s\n", printable(oneLine(p.Using)), i.verdict(p.Sees, p.Error, judged && p.Applies))
	}
	if p.WithCheck != "" {
		fmt.Fprintf(to, "  with check %s%s\n", printable(oneLine(p.WithCheck)), i.verdict(p.Writes, p.Error, judged && p.Applies))
	}
}

// verdict is what an expression says of the row, where one was asked for.
func (i ink) verdict(v *bool, failed string, judged bool) string {
	switch {
	case !judged:
		return ""
	case failed != "":
		return ": " + i.red("error: "+printable(failed))
	case v == nil:
		return ": " + i.red("null, which counts as false")
	case *v:
		return ": " + i.green("true")
	}
	return ": " + i.red("false")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func orNull(name *string) string {
	if name == nil {
		return "null"
	}
	return printable(*name)
}

func compact(claims json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, claims) != nil {
		return string(claims)
	}
	return b.String()
}

func grantsText(grants []doctor.Grant) string {
	var all []string
	for _, g := range grants {
		text := g.Privilege
		if len(g.Columns) > 0 {
			text += " (" + strings.Join(g.Columns, ", ") + ")"
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "none"
	}
	return printable(strings.Join(all, ", "))
}

func countText(n *int64) string {
	switch {
	case n == nil:
		return "not known"
	case *n >= doctor.CountLimit:
		return fmt.Sprintf("%d or more", *n)
	}
	return fmt.Sprint(*n)
}

// exists says whether there is the row, which the caller alone was asked about where the table is somebody else's.
func exists(e doctor.Explanation) string {
	if e.Unread != "" && !e.Row.Seen {
		return "not known"
	}
	return yesNo(e.Row.Exists)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func meant(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; %q is near", name)
}
