package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	sourceName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

const maxPrefix = 128 // bytes

// complete fills in what the preset says and checks the whole.
func (c SourceConfig) complete() (SourceConfig, error) {
	if c.Preset == "" {
		c.Preset = GenericPreset
	}
	r := rowOf(c.Preset)
	if r == nil {
		return c, c.wrong("preset: %q is none; rowpass has %s", c.Preset, presetIDs())
	}
	if c.Signature == "" && len(r.Signatures) > 0 {
		c.Signature = r.Signatures[0]
	}
	if c.SecretHeader == "" {
		c.SecretHeader = r.Headers[c.Signature]
	}
	for _, check := range []func(SourceConfig, *row) error{checkNames, checkSigning, checkGeneric, checkNeeds} {
		if err := check(c, r); err != nil {
			return c, err
		}
	}
	return c, nil
}

// wrong names the source, and begins with the key that is to be set.
func (c SourceConfig) wrong(format string, args ...any) error {
	return fmt.Errorf("source %s: %w", c.Name, fmt.Errorf(format, args...))
}

func presetIDs() string {
	var ids []string
	for _, r := range table() {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, ", ")
}

func checkNames(c SourceConfig, _ *row) error {
	switch {
	case !sourceName.MatchString(c.Name):
		return fmt.Errorf("source %q: name: 1 to 64 letters, digits, _ and - are allowed", c.Name)
	case len(c.Prefix) > maxPrefix || strings.ContainsRune(c.Prefix, 0) || !utf8.ValidString(c.Prefix):
		return c.wrong("prefix: at most %d bytes of text are allowed", maxPrefix)
	}
	return nil
}

func checkSigning(c SourceConfig, r *row) error {
	switch {
	case len(r.Signatures) == 0 && (len(c.Secrets) > 0 || c.Signature != "" || c.SecretHeader != ""):
		return c.wrong("secrets_file: preset %s has no webhook; leave out secrets_file, signature and secret_header", r.ID)
	case len(r.Signatures) == 0:
		return nil
	case !slices.Contains(r.Signatures, c.Signature):
		return c.wrong("signature: %q is none of preset %s's, which are %s", c.Signature, r.ID, strings.Join(r.Signatures, ", "))
	case len(c.Secrets) == 0:
		return c.wrong("secrets_file: give the secret by which the provider's events are verified")
	case c.Signature == StandardSignature && c.SecretHeader != "":
		return c.wrong("secret_header: leave it out; the headers of signature %s are always the same", c.Signature)
	case c.Signature != StandardSignature && c.SecretHeader == "":
		return c.wrong("secret_header: name the header that has the signature")
	case c.SecretHeader != "" && !headerName.MatchString(c.SecretHeader):
		return c.wrong("secret_header: %q is no name of a header", c.SecretHeader)
	}
	return nil
}

func checkGeneric(c SourceConfig, r *row) error {
	types := slices.Concat(c.Created, c.Updated, c.Deleted)
	switch {
	case r.ID != GenericPreset && (len(types) > 0 || !c.Fields.empty()):
		return c.wrong("fields: preset %s knows its own; leave out fields, created, updated and deleted, or take preset generic", r.ID)
	case r.ID != GenericPreset:
		return nil
	case len(c.Fields.EventType) == 0:
		return c.wrong("fields.event_type: say where an event has its type")
	case len(c.Fields.ID) == 0:
		return c.wrong("fields.id: say where a user object has the user's id")
	case len(types) == 0 || slices.Contains(types, ""):
		return c.wrong("created, updated, deleted: give the types of events that mean it, none of them empty")
	}
	for i, eventType := range types {
		if slices.Contains(c.Deleted, eventType) && i < len(types)-len(c.Deleted) {
			return c.wrong("deleted: %q is in created or updated as well", eventType)
		}
	}
	return nil
}

func (f Fields) empty() bool {
	return len(slices.Concat(f.EventType, f.EventID, f.EventTime, f.User, f.Subject, f.ID, f.Name, f.GivenName, f.FamilyName,
		f.Email, f.CreatedAt, f.UpdatedAt, f.Tenant)) == 0
}

// checkNeeds refuses a source whose events could never be understood.
func checkNeeds(c SourceConfig, r *row) error {
	given := c.API.given()
	for _, key := range r.Needs {
		if !given[key] {
			return c.wrong("%s: set it; %s's events only name the user, so the profile must be asked for", key, r.Name)
		}
	}
	return nil
}
