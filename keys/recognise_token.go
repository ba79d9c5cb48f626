package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	maxIssuer    = 1024 // bytes
	maxAudiences = 20
)

// sample is a token that was read and not verified.
type sample struct {
	header, claims map[string]any
	issuer         string
	alg            string // one of VerifyAlgorithms
}

// isSample says whether text is meant to be a token: a JSON object in base64url, and a dot.
func isSample(text string) bool {
	first, _, ok := strings.Cut(text, ".")
	return ok && readPart(first) != nil
}

// readPart gives nil for what is no JSON object in base64url.
func readPart(part string) map[string]any {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil || !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil
	}
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&members) != nil {
		return nil
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil
	}
	return members
}

// readSample says of a token that can never verify why that is so. Its errors quote nothing of it.
func readSample(text string) (sample, error) {
	parts := strings.Split(text, ".")
	if len(parts) == 5 {
		return sample{}, errors.New("this token is encrypted (JWE), for somebody who has the key: let your provider issue signed ones")
	}
	if len(parts) != 3 {
		return sample{}, errors.New("this is a part of a token: copy the whole, three parts with two dots between")
	}
	s := sample{header: readPart(parts[0]), claims: readPart(parts[1])}
	if s.claims == nil {
		return sample{}, errors.New("the second part of this token is no JSON object: copy the whole token, as it is")
	}
	if err := table().mistakenToken(s); err != nil {
		return sample{}, err
	}
	if err := s.readAlgorithm(); err != nil {
		return sample{}, err
	}
	return s, s.readIssuer()
}

func (s *sample) readAlgorithm() error {
	alg, _ := s.header["alg"].(string)
	switch s.alg = canonical(alg); {
	case slices.Contains(VerifyAlgorithms(), s.alg):
		return nil
	case strings.HasPrefix(alg, "HS"):
		return errors.New("this token is signed with a secret (HS256 or alike), so whoever can verify it can forge it: let the provider sign with " +
			"ES256 or RS256 (Supabase: JWT signing keys; Auth0: the API's signing algorithm)")
	case strings.EqualFold(alg, "none") || alg == "":
		return errors.New("this token is not signed at all")
	}
	return fmt.Errorf("the alg of this token is none of %s", strings.Join(VerifyAlgorithms(), ", "))
}

func (s *sample) readIssuer() error {
	s.issuer, _ = s.claims["iss"].(string)
	if s.issuer == "" {
		return errors.New("this token has no iss, which says whose it is: give the JWKS URL")
	}
	if len(s.issuer) > maxIssuer || !isPrintable(s.issuer) {
		return errors.New("the iss of this token is too long or has characters in it that cannot be seen")
	}
	return nil
}

// isPrintable keeps what a terminal or a person would be deceived by out of a configuration.
func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' })
}

// texts gives a claim's values as text: its own, or those of an array. What else is there counts as "".
func (s sample) texts(name string) []string {
	if parameter, ok := strings.CutPrefix(name, "header."); ok {
		return textsOf(s.header, parameter)
	}
	prefix, ok := strings.CutSuffix(name, "*")
	if !ok {
		return textsOf(s.claims, name)
	}
	for claim := range s.claims {
		if strings.HasPrefix(claim, prefix) {
			return []string{""}
		}
	}
	return nil
}

func textsOf(members map[string]any, name string) []string {
	switch value := members[name].(type) {
	case nil:
		return nil
	case string:
		return []string{value}
	case bool:
		return []string{fmt.Sprint(value)}
	case []any:
		texts := []string{}
		for _, v := range value {
			if text, ok := v.(string); ok {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return []string{""}
}

// has gives the values that the patterns captured, if the token has all of t.
func (s sample) has(t traits) (values, bool) {
	all := values{}
	for name, p := range t {
		v, ok := s.one(name, p)
		if !ok {
			return nil, false
		}
		for variable, texts := range v {
			all[variable] = texts
		}
	}
	return all, len(t) > 0
}

func (s sample) one(name string, p pattern) (values, bool) {
	for _, text := range s.texts(name) {
		if v, ok := p.match(text); ok {
			return v, true
		}
	}
	return nil, false
}

func (p *presets) mistakenToken(s sample) error {
	for _, r := range p.rows {
		for _, m := range r.Wrong {
			if _, ok := s.has(m.Claims); ok {
				return errors.New(m.Why)
			}
		}
	}
	return nil
}

// recogniseToken reads text, and forgets it.
func recogniseToken(text string) (Recognised, error) {
	s, err := readSample(text)
	if err != nil {
		return Recognised{}, err
	}
	if strings.Contains(s.issuer, "://") {
		if _, err := parseAddress(s.issuer); err != nil {
			return Recognised{}, fmt.Errorf("the iss of this token: %w", err)
		}
	}
	f := table().findToken(s)
	r := f.result()
	r.addSample(s, f.row)
	return r, nil
}

// findToken tries the vendors' own issuers first, then claims that only one provider's tokens have, then the issuer's form.
func (p *presets) findToken(s sample) finding {
	f := finding{from: FromToken, terms: Terms{Issuer: s.issuer}}
	if f.row, f.values = p.byTraits(s, func(r *row) []traits { return r.TokenMatch }); f.row != nil {
		f.sure = true
		return f
	}
	if f.row, f.values = p.issuerVendor(normal(s.issuer)); f.row != nil {
		f.sure = true
		return f
	}
	a, err := parseAddress(s.issuer)
	if err == nil && !p.isLookAlike(a.host) {
		if f.row, f.values = p.byTraits(s, func(r *row) []traits { return r.TokenShape }); f.row != nil {
			return f
		}
	}
	if err == nil {
		f = p.findIssuer(a)
	} else {
		f.row = p.row(GenericPreset)
	}
	f.from, f.terms.Issuer = FromToken, s.issuer
	return f
}

func (p *presets) byTraits(s sample, of func(*row) []traits) (*row, values) {
	for _, r := range p.rows {
		for _, t := range of(r) {
			if v, ok := s.has(t); ok {
				return r, v
			}
		}
	}
	return nil, nil
}

// addSample adds what only a token says. Its iss is listed whatever the preset expects, since it is compared as it stands.
func (r *Recognised) addSample(s sample, p *row) {
	if !slices.Contains(r.Issuers, s.issuer) {
		r.Issuers = append(r.Issuers, s.issuer)
	}
	if !slices.Contains(r.Algorithms, s.alg) {
		r.Algorithms = append(r.Algorithms, s.alg)
	}
	if azp := textsOf(s.claims, "azp"); p.AuthorizedParty && len(azp) == 1 && azp[0] != "" && isPrintable(azp[0]) {
		r.AuthorizedParties = azp
	}
	looks := s.looksLikeIDToken(p)
	if aud := s.audience(p); looks == "" && len(aud) > 0 && (p.Audience.Kind != AudienceFixed || len(r.Audience) == 0) {
		r.Audience = aud
	}
	if len(r.Audience) > 1 {
		r.Hints = append(r.Hints, "audience: the token is for several: keep "+p.Audience.Means)
	}
	r.Hints = append(r.Hints, s.refusals(p)...)
	if looks != "" {
		r.Hints = append(r.Hints, "audience: this "+looks+". It says to an application who signed in, and its aud, that application, was left out: give an access "+
			"token, whose aud is yours")
	}
}

// auth0Client is the form of an application's ID at Auth0. An API's identifier is chosen by a person, a URL as a rule.
var auth0Client = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// looksLikeIDToken says so of a token whose aud is no API, "" where it doesn't. What a verifier tells ID tokens by (OpenID Connect Core,
// sections 2 and 3.3.2.11) is optional, and Auth0's applications with a server leave it out: theirs have an application for aud and
// nothing that access tokens are for.
func (s sample) looksLikeIDToken(p *row) string {
	if p.IDTokens {
		return ""
	}
	for _, claim := range []string{"nonce", "at_hash", "c_hash"} {
		if s.claims[claim] != nil {
			return "is an ID token, by its " + claim
		}
	}
	aud := textsOf(s.claims, "aud")
	isAPI := slices.ContainsFunc(aud, func(text string) bool { return !auth0Client.MatchString(text) })
	for _, claim := range []string{"scope", "azp", "client_id", "gty", "permissions"} {
		isAPI = isAPI || s.claims[claim] != nil
	}
	if p.ID != "auth0" || len(aud) == 0 || isAPI {
		return ""
	}
	return "looks like an ID token, whose aud is an application's ID and which has no scope"
}

// audience leaves out values that don't say for whom the token is.
func (s sample) audience(p *row) []string {
	all := textsOf(s.claims, "aud")
	if all == nil && p.Audience.Kind == AudienceOrClient {
		all = textsOf(s.claims, "client_id")
	}
	all = slices.DeleteFunc(all, func(text string) bool {
		_, ignored := firstMatch(p.AudienceIgnored, text)
		return ignored || text == "" || strings.Contains(text, "*") || len(text) > maxIssuer || !isPrintable(text)
	})
	return all[:min(len(all), maxAudiences)]
}

// refusals tells why the sample itself would not be taken.
func (s sample) refusals(p *row) []string {
	var all []string
	for _, claim := range p.Required {
		if textsOf(s.claims, claim) == nil {
			all = append(all, fmt.Sprintf("required: this token has no %s, so it would be refused", claim))
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(p.Refused)) {
		for _, value := range textsOf(s.claims, claim) {
			if slices.Contains(p.Refused[claim], value) {
				all = append(all, fmt.Sprintf("refused: the %s of this token is %s, so it would be refused", claim, value))
			}
		}
	}
	return all
}
