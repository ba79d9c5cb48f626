package api

import (
	"net/url"
	"slices"
	"strings"
)

// offlineAccess is the scope that a refresh token comes with (OpenID Connect Core, section 11). It has to be asked for.
const offlineAccess = "offline_access"

func hasScope(scope, name string) bool { return slices.Contains(strings.Fields(scope), name) }

// scopeOf is what was asked for, all of it allowed (RFC 6749, section 3.3); without asking, all that is allowed but
// offlineAccess.
func scopeOf(allowed []string, form url.Values) (string, error) {
	asked := strings.FieldsFunc(form.Get("scope"), func(r rune) bool { return r == ' ' })
	if len(asked) == 0 {
		return strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(name string) bool { return name == offlineAccess }), " "), nil
	}
	for _, name := range asked {
		if !slices.Contains(allowed, name) {
			return "", refuse("invalid_scope", "this may be asked for: %s", strings.Join(allowed, " "))
		}
	}
	slices.Sort(asked)
	return strings.Join(slices.Compact(asked), " "), nil
}

// audienceOf is whom the token is to be for, named by audience or by resource (RFC 8707), all of it allowed; without asking,
// all that is allowed. Allowed is empty where only the issuer's own audience is. So may the answer be, for a Grant.
func (a *api) audienceOf(allowed []string, form url.Values) ([]string, error) {
	asked := slices.Clone(form["audience"])
	for _, resource := range form["resource"] {
		name, err := a.audienceAt(resource)
		if err != nil {
			return nil, err
		}
		asked = append(asked, name)
	}
	if len(asked) == 0 {
		return allowed, nil
	}
	allowed = a.orOwn(allowed)
	for _, name := range asked {
		if !slices.Contains(allowed, name) {
			return nil, refuse("invalid_target", "a token may be for: %s", strings.Join(allowed, " "))
		}
	}
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// audienceAt is the audience of a resource: its address, or the issuer's own for the address of this service.
func (a *api) audienceAt(resource string) (string, error) {
	if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
		return "", refuse("invalid_target", "resource must be an absolute address without a fragment")
	}
	if strings.TrimSuffix(resource, "/") == strings.TrimSuffix(a.PublicURL, "/") {
		return a.Issuer.Audience(), nil
	}
	return resource, nil
}

// orOwn is the issuer's own audience where none is named.
func (a *api) orOwn(audience []string) []string {
	if len(audience) == 0 {
		return []string{a.Issuer.Audience()}
	}
	return audience
}

// shrink gives those of granted that are still allowed.
func shrink(granted, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(granted), func(name string) bool { return !slices.Contains(allowed, name) })
}
