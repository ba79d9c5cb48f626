package keys

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// block is one entry of the configuration's list providers.
type block struct {
	Name         string   `yaml:"name"`
	Preset       string   `yaml:"preset"`
	JWKSURL      string   `yaml:"jwks_url,omitempty"`
	Issuer       string   `yaml:"issuer,omitempty"`
	Issuers      []string `yaml:"issuers,omitempty"`
	Audience     []string `yaml:"audience,omitempty"`
	Parties      []string `yaml:"azp,omitempty"`
	Algorithms   []string `yaml:"algorithms,omitempty"`
	Role         string   `yaml:"role,omitempty"`
	AllowPrivate []string `yaml:"allow_private,omitempty"`
}

// Block writes r as an entry of the configuration's list providers, in YAML: what is trusted, and what differs from the
// preset. What is missing stands below, as comments. name "" is the preset's ID.
func (r Recognised) Block(name string) string {
	t := r.Terms()
	b := block{
		Name: name, Preset: r.Preset.ID, JWKSURL: r.JWKSURL, Issuer: t.Issuer, Issuers: r.Issuers, Audience: r.Audience,
		Parties: r.AuthorizedParties, Role: r.Role, AllowPrivate: r.AllowPrivate,
	}
	if name == "" {
		b.Name = r.Preset.ID
	}
	if len(r.Issuers) == 1 && r.Issuers[0] == t.Issuer {
		b.Issuers = nil
	}
	if !slices.Equal(r.Algorithms, r.Preset.Algorithms) {
		b.Algorithms = r.Algorithms
	}
	return b.text() + comments(r.Missing)
}

func (b block) text() string {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode([]block{b}); err != nil { // strings always can be written
		return ""
	}
	return out.String()
}

func comments(missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("  # Still missing; rowpass says so and does not start before it is there:\n")
	for _, line := range missing {
		out.WriteString("  #   " + strings.Join(strings.Fields(line), " ") + "\n")
	}
	return out.String()
}
