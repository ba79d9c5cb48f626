package token

// Match says which user of ours a provider's user is, where its token is exchanged for one of ours.
type Match string

const (
	MatchNone    Match = ""        // nobody: the provider's tokens are not exchanged
	MatchLinked  Match = "linked"  // whom the owner has linked with it
	MatchEmail   Match = "email"   // the same, or else who has its e-mail address, which the provider says that it has verified
	MatchSubject Match = "subject" // whose id its subject is
)

// Matches are all that a configuration can choose, MatchNone left out.
func Matches() []Match { return []Match{MatchLinked, MatchEmail, MatchSubject} }

// Identity is whom a provider's token is about, in the provider's own words, and whether that may be a user of ours.
type Identity struct {
	Match   Match
	Subject string // without it
	Email   string // "" unless Match is MatchEmail and the provider says that it is verified
}

// identity reads whom the token is about. An address that is not said to be verified, by a true or, as some write it, the
// word, is whatever its user has typed.
func (p *Provider) identity(o Object, subject string) Identity {
	i := Identity{Match: p.Match, Subject: subject}
	verified := string(o.at(p.EmailVerified))
	if p.Match == MatchEmail && (verified == "true" || verified == `"true"`) {
		i.Email, _, _ = o.first([]Path{p.Email})
	}
	return i
}
