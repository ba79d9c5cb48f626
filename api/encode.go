package api

import (
	"encoding/hex"
	"time"
	"unicode/utf8"

	"rowpass/db"
)

// The encoders below append a row's JSON. encoding/json's reflection takes as long as the database takes for the query.

func appendUser(b []byte, u *db.User) []byte {
	b = appendUUID(append(b, `{"id":`...), u.ID)
	b = appendUUID(append(b, `,"tenant_id":`...), u.TenantID)
	b = appendString(append(b, `,"name":`...), u.Name)
	b = appendString(append(b, `,"email":`...), u.Email)
	b = appendString(append(b, `,"role":`...), u.Role)
	b = append(append(b, `,"settings":`...), u.Settings...) // jsonb's own text is JSON
	b = appendTime(append(b, `,"created_at":`...), u.CreatedAt)
	b = appendTime(append(b, `,"updated_at":`...), u.UpdatedAt)
	return append(b, '}')
}

func appendTenant(b []byte, t *db.Tenant) []byte {
	b = appendUUID(append(b, `{"id":`...), t.ID)
	b = appendString(append(b, `,"name":`...), t.Name)
	b = appendTime(append(b, `,"created_at":`...), t.CreatedAt)
	b = appendTime(append(b, `,"updated_at":`...), t.UpdatedAt)
	return append(b, '}')
}

func userID(u *db.User) db.UUID     { return u.ID }
func tenantID(t *db.Tenant) db.UUID { return t.ID }

func appendUUID(b []byte, id db.UUID) []byte {
	b = append(b, '"')
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, id[[]int{0, 4, 6, 8, 10}[i]:end])
	}
	return append(b, '"')
}

func appendTime(b []byte, t time.Time) []byte {
	b = t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"')
}

// appendString quotes s (RFC 8259, section 7). Bytes that are no UTF-8 become U+FFFD.
func appendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscaped(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\t':
		return append(b, `\t`...)
	}
	return hex.AppendEncode(append(b, `\u00`...), []byte{c})
}
