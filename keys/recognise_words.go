package keys

import (
	"fmt"
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`<([a-z]+)>`)

// inWords says after each problem what belongs in place of <project> and the like.
func inWords(problems []string) []string {
	var all []string
	for _, problem := range problems {
		var parts []string
		for _, found := range placeholder.FindAllStringSubmatch(problem, -1) {
			if means := meaningOf(found[1]); means != "" && !strings.Contains(strings.Join(parts, ""), found[0]) {
				parts = append(parts, fmt.Sprintf("%s for %s", means, found[0]))
			}
		}
		if len(parts) > 0 {
			problem += ", with " + strings.Join(parts, ", and ")
		}
		all = append(all, problem)
	}
	return all
}

// meaningOf is what a variable of the presets' templates stands for, for a person.
func meaningOf(variable string) string {
	switch variable {
	case "fapi":
		return "the host of your Frontend API (sacred-mule-12.clerk.accounts.dev)"
	case "env":
		return "test or live"
	case "project":
		return "the project's ID"
	case "host":
		return "the provider's host (login.example.com)"
	case "base":
		return "the provider's address (https://login.example.com)"
	case "realm":
		return "the realm's name"
	case "ref":
		return "the project's reference (abcdefghijklmnopqrst)"
	case "region":
		return "the AWS region (us-east-1)"
	case "cn":
		return "nothing (.cn in China)"
	case "pool":
		return "the user pool's ID (us-east-1_AbC123xyz)"
	case "tid":
		return "the tenant's ID (a UUID)"
	case "client":
		return "the client's ID (client_…)"
	case "origin":
		return "the origin of NEON_AUTH_URL (https://ep-cool-1.neonauth.us-east-1.aws.neon.tech)"
	case "database":
		return "the database's name (neondb)"
	}
	return ""
}
