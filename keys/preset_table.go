package keys

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed presets.json
var presetsJSON []byte

// table is presets.json, read at first use. Nobody changes it.
var table = sync.OnceValue(func() *presets { return readPresets(presetsJSON) })

type presets struct {
	rows []*row
}

// row is a preset with the ways in which addresses, issuers and tokens give it away. A match is on a host that is the
// vendor's own; a shape anybody can have.
type row struct {
	Preset
	Domains []string `json:"domains"` // the vendor's own: another host that carries one is a look-alike

	Match       []pattern `json:"match"` // of the key set's address
	Shape       []pattern `json:"shape"`
	IssuerMatch []pattern `json:"issuer_match"` // of the issuer, and of what its discovery document lies below
	IssuerShape []pattern `json:"issuer_shape"`
	TokenMatch  []traits  `json:"token_match"`
	TokenShape  []traits  `json:"token_shape"`

	Wrong           []mistake `json:"wrong"`
	Variants        []variant `json:"variants"`
	AudienceIgnored []pattern `json:"audience_ignored"` // values that say nothing of whom a token is for

	JWKS      []string `json:"jwks"` // templates: the first whose variables are known counts
	Discovery []string `json:"discovery"`
}

// traits are claims by which a token is recognised: all must be there, and one of each one's values must match. A name
// that ends with * stands for all that begin so, and one that begins with "header." is a header parameter.
type traits map[string]pattern

// mistake is what is often pasted and never works.
type mistake struct {
	Address *pattern `json:"address"`
	Claims  traits   `json:"claims"`
	Why     string   `json:"why"`
}

// variant are users of another kind, whose tokens only issuer and audience tell apart.
type variant struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	JWKS     string `json:"jwks"`
	Role     string `json:"role"`
}

// readPresets panics where the table is wrong, which its tests find.
func readPresets(text []byte) *presets {
	var p presets
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p.rows); err != nil {
		panic(fmt.Sprintf("reading presets.json: %v", err))
	}
	return &p
}

func (p *presets) row(id string) *row {
	at := slices.IndexFunc(p.rows, func(r *row) bool { return r.ID == id })
	if at < 0 {
		return nil
	}
	return p.rows[at]
}

// isLookAlike says whether host carries a vendor's domain, or may show one to a reader, without being known as the
// vendor's own: those are never recognised as anybody's.
func (p *presets) isLookAlike(host string) bool {
	labels := "." + host + "."
	return strings.Contains(labels, ".xn--") || slices.ContainsFunc(p.rows, func(r *row) bool {
		return slices.ContainsFunc(r.Domains, func(d string) bool { return strings.Contains(labels, "."+d+".") })
	})
}

// sharesKeys says whether a key set is on the host of a vendor that signs for everybody with the same keys, at whatever path.
func (p *presets) sharesKeys(url string) bool {
	a, err := parseAddress(url)
	return err == nil && slices.ContainsFunc(p.rows, func(r *row) bool {
		return r.SharedKeys && slices.ContainsFunc(r.Domains, func(d string) bool { return strings.HasSuffix("."+a.host, "."+d) })
	})
}

// row is p's own, the generic one where p is none of ours.
func (p Preset) row() *row {
	if r := table().row(p.ID); r != nil {
		return r
	}
	return table().row(GenericPreset)
}

// preset copies what a caller could change.
func (r *row) preset() Preset {
	p := r.Preset
	p.Issuers, p.Algorithms, p.Required = slices.Clone(p.Issuers), slices.Clone(p.Algorithms), slices.Clone(p.Required)
	p.SubjectClaims, p.TenantClaims = clonePaths(p.SubjectClaims), clonePaths(p.TenantClaims)
	p.Refused = maps.Clone(p.Refused)
	for claim, values := range p.Refused {
		p.Refused[claim] = slices.Clone(values)
	}
	return p
}

func clonePaths(paths [][]string) [][]string {
	paths = slices.Clone(paths)
	for i := range paths {
		paths[i] = slices.Clone(paths[i])
	}
	return paths
}

// pattern is a regular expression, whose named groups are values for templates.
type pattern struct {
	*regexp.Regexp
	with map[string]string // more values, templates of those
}

// UnmarshalJSON takes the expression as a string, or an object of it and more values.
func (p *pattern) UnmarshalJSON(data []byte) error {
	var full struct {
		Is   string            `json:"is"`
		With map[string]string `json:"with"`
	}
	if json.Unmarshal(data, &full.Is) != nil {
		if err := json.Unmarshal(data, &full); err != nil {
			return err
		}
	}
	expression, err := regexp.Compile(full.Is)
	*p = pattern{expression, full.With}
	return err
}

// values are what templates are filled with; some have several.
type values map[string][]string

func (p pattern) match(text string) (values, bool) {
	found := p.FindStringSubmatch(text)
	if found == nil {
		return nil, false
	}
	v := values{}
	for i, name := range p.SubexpNames() {
		if name != "" {
			v[name] = []string{found[i]}
		}
	}
	for name, template := range p.with {
		v[name] = v.expand(template)
	}
	return v, true
}

func firstMatch(list []pattern, text string) (values, bool) {
	for _, p := range list {
		if v, ok := p.match(text); ok {
			return v, true
		}
	}
	return nil, false
}

// expand gives a template's text for each value of its variables; nothing where one isn't known.
func (v values) expand(template string) []string {
	before, rest, ok := strings.Cut(template, "{")
	if !ok {
		return []string{template}
	}
	name, rest, _ := strings.Cut(rest, "}")
	var all []string
	for _, value := range v[name] {
		for _, end := range v.expand(rest) {
			all = append(all, before+value+end)
		}
	}
	return all
}

// expandAll gives what each of the templates expands to, each text once.
func (v values) expandAll(templates []string) []string {
	var all []string
	for _, t := range templates {
		for _, text := range v.expand(t) {
			if !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

// only gives the first template that stands for one text; "" where none does.
func (v values) only(templates []string) string {
	for _, t := range templates {
		if texts := v.expand(t); len(texts) == 1 {
			return texts[0]
		}
	}
	return ""
}

// sketch fills in what is known and shows the rest in angle brackets, for a person.
func (v values) sketch(template string) string {
	for name, texts := range v {
		if len(texts) == 1 {
			template = strings.ReplaceAll(template, "{"+name+"}", texts[0])
		}
	}
	return strings.NewReplacer("{", "<", "}", ">").Replace(template)
}
