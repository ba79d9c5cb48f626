package identity

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// raw is a profile's raw_json. The table's generated columns read four of its keys, which are checked; the provider's own
// object stands beside them, or is the whole where the provider's is the shape that the table was made for. Where PostgreSQL
// cannot hold that object, or writes it with more than 1 MiB, provider_raw is null: users may write parts of it, and must not keep their row from changing.
func (s *Source) raw(p Profile, object map[string]any) (json.RawMessage, error) {
	kept := maps.Clone(object)
	for _, name := range s.row.Secret {
		delete(kept, name)
	}
	own := s.columns(p)
	whole := map[string]any{"provider_raw": kept}
	if s.row.Flat {
		whole = kept
	}
	maps.Copy(whole, own)
	if storable(whole, 1) {
		if raw, err := encode(whole); err == nil && len(raw)+digits(whole) <= maxJSON {
			return raw, nil
		}
	}
	own["provider_raw"] = nil
	return encode(own)
}

// columns are what the table reads, and whose it is.
func (s *Source) columns(p Profile) map[string]any {
	own := map[string]any{
		"id": p.ID, "display_name": textOrNull(p.Name), "primary_email": textOrNull(p.Email), "signed_up_at_millis": nil, "provider": s.cfg.Name,
	}
	if !p.SignedUp.IsZero() {
		own["signed_up_at_millis"] = p.SignedUp.UnixMilli()
	}
	return own
}

func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// gone says whether the object itself tells that the user was deleted.
func (s *Source) gone(object map[string]any) bool {
	return slices.ContainsFunc(s.row.Gone, func(g sign) bool {
		value := g.Path.find(object)
		return !isNothing(value) && (len(g.Values) == 0 || slices.Contains(g.Values, fmt.Sprint(value)))
	})
}
