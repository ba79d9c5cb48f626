package keys

import (
	"errors"
	"fmt"
	"strings"
)

// vendor gives whose own host an address or an issuer is on; nil where it is nobody's.
func (p *presets) vendor(text string) (*row, values) {
	for _, r := range p.rows {
		if v, ok := firstMatch(r.Match, text); ok {
			return r, v
		}
	}
	return p.issuerVendor(text)
}

func (p *presets) issuerVendor(text string) (*row, values) {
	for _, r := range p.rows {
		if v, ok := firstMatch(r.IssuerMatch, text); ok {
			return r, v
		}
	}
	return nil, nil
}

func (p *presets) mistakenAddress(text string) error {
	for _, r := range p.rows {
		for _, m := range r.Wrong {
			if m.Address != nil && m.Address.MatchString(text) {
				return errors.New(m.Why)
			}
		}
	}
	return nil
}

// finding is a row with how it was come by.
type finding struct {
	row    *row
	values values
	sure   bool
	from   string
	terms  Terms  // what the paste says itself
	at     string // the discovery document's address, where the paste is that
	maybe  *row   // whose it may be, too, on so little ground that its rules must not be taken; nil
}

// find tries what is only known to be an address: the vendors' own hosts first, forms that anybody can have last.
func (p *presets) find(a address) finding {
	if base, ok := a.below(); ok {
		f := p.findIssuer(address{text: base, host: a.host})
		f.from, f.at = FromDiscoveryURL, a.text
		if f.values["external"] != nil {
			f.terms.Issuer = "" // it is another one, which the document names
		}
		return f
	}
	if f, ok := p.findJWKS(a); ok {
		return f
	}
	return p.findIssuer(a)
}

func (p *presets) findJWKS(a address) (finding, bool) {
	f := finding{from: FromJWKSURL, terms: Terms{JWKSURL: a.text}}
	for _, r := range p.rows {
		if v, ok := firstMatch(r.Match, a.text); ok {
			f.row, f.values, f.sure = r, v, true
			return f, true
		}
	}
	if owner, _ := p.issuerVendor(a.text); owner != nil {
		return f, false
	}
	for _, r := range p.rows {
		v, ok := firstMatch(r.Shape, a.text)
		switch {
		case !ok || r.ID != GenericPreset && p.isLookAlike(a.host):
		case r.needsMore(a):
			f.maybe = r
		default:
			f.row, f.values = r, v
			return f, true
		}
	}
	f.row = p.row(GenericPreset)
	return f, a.isKeySet()
}

// needsMore says whether a host's name alone would choose rules by which tokens for every other service are taken.
func (r *row) needsMore(a address) bool { return r.Audience.Kind == AudienceNone && a.isBare() }

// byOrigin is for a vendor's host without the path that its issuers have there.
func (p *presets) byOrigin(a address) (owner *row, v values, issuer string) {
	for _, r := range p.rows {
		for _, template := range r.Issuers {
			_, rest, _ := strings.Cut(template, "://")
			_, path, _ := strings.Cut(rest, "/")
			if v, ok := firstMatch(r.IssuerMatch, a.text+"/"+path); ok && path != "" && a.isBare() {
				return r, v, a.text + "/" + path
			}
		}
	}
	return nil, nil, ""
}

func (p *presets) findIssuer(a address) finding {
	f := finding{from: FromIssuer, terms: Terms{Issuer: a.issuer()}}
	if f.row, f.values = p.issuerVendor(a.text); f.row != nil {
		f.sure = true
		return f
	}
	if owner, v, issuer := p.byOrigin(a); owner != nil {
		f.row, f.values, f.sure, f.terms.Issuer = owner, v, true, issuer
		return f
	}
	f.row = p.row(GenericPreset)
	if p.isLookAlike(a.host) {
		return f
	}
	for _, r := range p.rows {
		v, ok := firstMatch(r.IssuerShape, a.text)
		switch {
		case ok && r.needsMore(a):
			f.maybe = r
		case ok:
			f.row, f.values = r, v
			return f
		}
	}
	return f
}

// result completes what was found by what its preset says.
func (f finding) result() Recognised {
	t := f.row.fill(f.terms, f.values)
	r := Recognised{
		Preset: f.row.preset(), Sure: f.sure, From: f.from, JWKSURL: t.JWKSURL, DiscoveryURL: f.discovery(t.Issuers),
		Issuers: t.Issuers, Audience: t.Audience, Algorithms: t.Algorithms, Role: t.Role,
	}
	r.JWKSURL, r.DiscoveryURL = fetchable(r.JWKSURL), fetchable(r.DiscoveryURL)
	if f.from != FromToken && f.row.ID == "stytch" && f.terms.JWKSURL == "" {
		r.Hints = append(r.Hints, "preset: for a B2B project give its JWKS URL, which has b2b in it, or a token: its key set is another")
	}
	r.Hints = append(r.Hints, f.doubts()...)
	return r
}

// doubts are about a preset that asks for no audience, where only the form of an address speaks for it.
func (f finding) doubts() []string {
	switch {
	case f.sure || f.from == FromToken:
		return nil
	case f.maybe != nil && f.row.ID == GenericPreset:
		return []string{fmt.Sprintf("preset: it may be %s, whose tokens have no aud to ask for: if it is, write preset: %s. A token tells", f.maybe.Name, f.maybe.ID)}
	case f.row.Audience.Kind == AudienceNone:
		return []string{fmt.Sprintf("preset: tokens of %s have no aud, so the block asks for none: if this is another provider, tokens for other services are taken, "+
			"and preset: %s with audience is what you need", f.row.Name, GenericPreset)}
	}
	return nil
}

// discovery gives the address of the discovery document. A provider of any make must have one for its issuer to lead anywhere.
func (f finding) discovery(issuers []string) string {
	switch {
	case f.at != "":
		return f.at
	case f.row.ID != GenericPreset:
		return f.values.only(f.row.Discovery)
	case len(issuers) == 0:
		return ""
	}
	return discoveryURL(issuers[0])
}

// fetchable gives "" in place of an address that nobody should ask, such as one made of the iss of a token.
func fetchable(text string) string {
	if a, err := parseAddress(text); err != nil || a.checkPlain() != nil {
		return ""
	}
	return text
}
