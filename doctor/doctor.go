// Package doctor examines a database for what keeps row-level security from holding, or from being fast, and explains what one
// caller sees of one table and why. It reads catalogues as the owner, and rows of tables that are the owner's own: nothing there runs
// code of a lesser role's. Plans, counts and verdicts are a caller's, over the gateway's login with sealed claims, as requests are.
// Whatever it does stands in transactions that are read-only and rolled back, so it changes nothing.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Config says what is examined.
type Config struct {
	OwnerURL   string   // the owner's login, which reads the catalogues
	GatewayURL string   // the gateway's, which may become each of Roles: plans are made there
	Roles      []string // the roles that callers become; nil: authenticated and anonymous
	Gateway    string   // the name of the login that becomes them; "": logins are not examined
	Claims     []string // the names of claims that the configured issuers send; empty: unknown, and no claim is called unknown
	Schemas    []string // whose relations are examined; nil: all but PostgreSQL's own and AuthSchema, rowpass and neon_identity, which are rowpass's
	Tolerated  []string // relations, as schema.name, that callers may reach although no policy guards their rows
	Dangerous  string   // a regular expression of functions of pg_catalog that callers should not have; "": these are not examined

	AuthSchema string // where rowpass's functions stand; "": auth
}

// Severity says how much a finding matters.
type Severity string

// The severities. High: rows may reach whom they should not. Medium: something is slow, told or open that should not be.
// Low: worth a look.
const (
	High   Severity = "high"
	Medium Severity = "medium"
	Low    Severity = "low"
)

// Finding is one thing that is wrong. Where several are mended, the order is that of Examine.
type Finding struct {
	ID       string   `json:"id"`             // kebab-case, never renamed
	Severity Severity `json:"severity"`       //
	Object   string   `json:"object"`         // what it is about, such as "public.todos policy todos_own"
	Title    string   `json:"title"`          // what is wrong, in a sentence
	Why      string   `json:"why"`            // why that is wrong and, where Mend is empty, what to decide
	Costs    string   `json:"costs"`          // what it costs to leave it
	Mend     string   `json:"mend"`           // SQL statements that mend it, each with its semicolon; "" where only a person can decide
	Undo     string   `json:"undo,omitempty"` // SQL that takes Mend back; "" where what was is lost or not wanted again
}

// check is one part of an examination.
type check struct {
	step string // what is being done, for errors
	find func(context.Context, *examination) ([]Finding, error)
}

// checks stand in the order in which their mends may be run.
var checks = []check{
	{"examining roles", roleFindings},
	{"examining grants", grantFindings},
	{"examining default privileges", defaultFindings},
	{"examining functions", functionFindings},
	{"examining relations", relationFindings},
	{"examining rules and guards", ruleFindings},
	{"examining policies", policyFindings},
	{"examining keys", keyFindings},
	{"examining foreign keys", foreignKeyFindings},
}

// Examine reports what is wrong with a database, the most severe first. It changes nothing.
func Examine(ctx context.Context, c Config) ([]Finding, error) {
	if len(c.Roles) == 0 {
		c.Roles = []string{"authenticated", "anonymous"}
	}
	e, err := begin(ctx, c)
	if err != nil {
		return nil, err
	}
	defer e.end(ctx)
	findings := append([]Finding{}, e.missed...)
	for _, check := range checks {
		found, err := e.run(ctx, check)
		if err == nil {
			found, err = e.offered(ctx, found)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", check.step, err)
		}
		findings = append(findings, found...)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
	return findings, nil
}

func rank(s Severity) int { return slices.Index([]Severity{High, Medium, Low}, s) }
