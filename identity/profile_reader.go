package identity

import (
	"strings"
	"time"
)

// reader takes fields out of a user object. What no column can hold is left out, since users write much of it themselves: nobody
// may keep what is said of it later, a deletion say, from being understood.
type reader struct {
	source *Source
	object map[string]any
}

// text is "" where there is none that fits.
func (r *reader) text(paths []Path) string {
	text, ok := first(paths, r.object).(string)
	if !ok || !fits(text) {
		return ""
	}
	return text
}

func (r *reader) name() string {
	fields := r.source.row.Fields
	if name := r.text(fields.Name); name != "" {
		return name
	}
	name := strings.TrimSpace(r.text(fields.GivenName) + " " + r.text(fields.FamilyName))
	if !fits(name) {
		return ""
	}
	return name
}

// instant is the zero time where there is none.
func (r *reader) instant(paths []Path) time.Time {
	return instant(first(paths, r.object), r.source.row.Millis)
}

// tenants is nil where the object says nothing about them.
func (r *reader) tenants() []string {
	for _, path := range r.source.row.Fields.Tenant {
		values, there := path.all(r.object)
		if !there {
			continue
		}
		tenants := []string{}
		for _, value := range values {
			if tenant, err := checkTenant(value); err == nil {
				tenants = append(tenants, tenant)
			}
		}
		return tenants
	}
	return nil
}

// subject checks a user's ID, which may be anything that a provider allows.
func (s *Source) subject(value any) (string, error) {
	subject, ok := identifier(value)
	switch {
	case isNothing(value):
		return "", poison("the user's id is missing")
	case !ok:
		return "", poison("the user's id is neither a string nor a whole number")
	case len(s.ID(subject)) > maxSubject || strings.ContainsRune(subject, 0):
		return "", poison("the user's id, with the prefix, is longer than %d bytes or has a NUL character", maxSubject)
	}
	return subject, s.free(subject)
}

// free refuses an ID that is somebody else's to give.
func (s *Source) free(subject string) error {
	for _, prefix := range s.cfg.Reserved {
		if strings.HasPrefix(s.ID(subject), prefix) && !strings.HasPrefix(s.cfg.Prefix, prefix) {
			return poison("the user's id begins with %q, as only others' ids may: give source %s a provider that has no shared_subjects, so that its ids get a prefix of their own", prefix, s.Name())
		}
	}
	return nil
}

func checkTenant(value any) (string, error) {
	tenant, ok := identifier(value)
	if !ok || tenant == "" || len(tenant) > maxSubject || strings.ContainsRune(tenant, 0) {
		return "", poison("the user's tenant is no string of 1 to %d bytes", maxSubject)
	}
	return tenant, nil
}

// fits says whether a column takes it.
func fits(text string) bool { return len(text) <= maxText && storableText(text) }
