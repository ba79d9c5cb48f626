package statement

import (
	"strings"
	"unicode/utf8"
)

// SQLSTATEs, as PostgreSQL would answer. See its appendix A.
const (
	codeSyntax      = "42601"
	codePrivilege   = "42501"
	codeUnsupported = "0A000"
	codeEncoding    = "22021"
	codeTooLong     = "54000"
	codeTooDeep     = "54001"
)

// Refusal is why a statement may not run, in the words and with the SQLSTATE of PostgreSQL where it has some.
type Refusal struct {
	Code    string
	Message string
	Hint    string // what to do instead; may be empty
	// Position is the character of the SQL text that it is about, counted from 1; 0 if none.
	Position int
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(code, message, hint string) *Refusal {
	return &Refusal{Code: code, Message: message, Hint: hint}
}

// at sets the position from a byte offset of the parser, which is negative where it doesn't know.
func (r *Refusal) at(sql string, offset int32) *Refusal {
	if offset >= 0 && int(offset) <= len(sql) {
		r.Position = utf8.RuneCountInString(sql[:offset]) + 1
	}
	return r
}

// maxMessage is of characters; the parser repeats whole tokens, and a token may be as long as the text.
const maxMessage = 300

// clip keeps a message short enough to be remembered.
func clip(message string) string {
	if utf8.RuneCountInString(message) <= maxMessage {
		return message
	}
	return strings.Clone(string([]rune(message)[:maxMessage])) + "…"
}
