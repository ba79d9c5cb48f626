package token

import (
	"math"
	"time"
)

// maxClaims is how many bytes a claim set may have when it is written again: the database takes no more.
const maxClaims = 8 << 10

// maxTime is 9999-12-31T23:59:59Z, the last moment that RFC 3339 and every database can write.
const maxTime = 253402300799

// Claims is what a verified token says. A Verifier hands the same one to many callers: it is read only.
type Claims struct {
	Issuer    string    // iss: who signed it, exactly as configured
	Subject   string    // sub: who it is about, in the issuer's name space; never empty
	ClientID  string    // client_id: the program that asked for it (RFC 9068 section 2.2); never empty
	ID        string    // jti: this token's own, for a deny-list; never empty
	Tenant    string    // tenant_id; "" where the token has none
	Role      string    // role as the token has it, not checked against any list; "" where it has none
	Scope     string    // scope: names with spaces between them (RFC 8693 section 4.2); "" where it has none
	SessionID string    // sid: the session that it belongs to, which may be ended as a whole; "" where it has none
	Audience  []string  // aud: who may accept it; at least one
	IssuedAt  time.Time // iat; zero where the token has none
	NotBefore time.Time // nbf; zero where the token has none
	Expiry    time.Time // exp: refused from here on, give or take the leeway
	GoodUntil time.Time // exp with the leeway that its issuer has here: nobody takes it any more then; zero where none verified it
	KeyID     string    // the kid of the key that verified it
	Provider  string    // whose token it is, as the configuration names it; "" where it is ours
	Identity  Identity  // whom the provider means; zero where the token is ours
	Origins   []Origin  // what it was exchanged for, and what that was; nil where it was not

	// JSON is the whole claim set, written again from what was verified as Object.JSON says: one object of at most
	// 8 KiB and 16 levels, without white space. Whoever reads it finds what the fields above say and nothing else.
	JSON []byte
}

// readClaims reads a claim set strictly. It checks types and what is required, and neither times nor names.
func readClaims(payload []byte) (*Claims, error) {
	o, err := ParseObject(payload)
	if err != nil {
		return nil, invalid("claims: %v", err)
	}
	if len(o.JSON()) > maxClaims {
		return nil, tooLarge("the claim set", maxClaims)
	}
	if f := checkReserved(o); f != nil {
		return nil, f.err
	}
	c := &Claims{JSON: o.JSON()}
	if err := c.readNames(o); err != nil {
		return nil, err
	}
	if err := c.readTimes(o); err != nil {
		return nil, err
	}
	return c, nil
}

// readNames reads the strings. A wrong type is never taken for an absent claim.
func (c *Claims) readNames(o Object) error {
	for _, m := range []struct {
		name     string
		to       *string
		required bool
	}{
		{"iss", &c.Issuer, true}, {"sub", &c.Subject, true}, {"client_id", &c.ClientID, true}, {"jti", &c.ID, true},
		{"tenant_id", &c.Tenant, false}, {"role", &c.Role, false}, {"scope", &c.Scope, false},
		{"sid", &c.SessionID, false},
	} {
		var err error
		if *m.to, _, err = o.text(m.name); err != nil {
			return invalid("claims: %s is not a string", m.name)
		}
		if m.required && *m.to == "" {
			return invalid("claims: %s is missing or empty", m.name)
		}
	}
	var err error
	if c.Audience, _, err = o.texts("aud"); err != nil {
		return invalid("claims: aud is neither a string nor an array of strings")
	}
	if c.Origins, err = readOrigins(o); err != nil {
		return err
	}
	_, err = delegation(o, "")
	return err
}

// readTimes reads the NumericDates of RFC 7519 section 2, which may have fractions.
func (c *Claims) readTimes(o Object) error {
	for _, m := range []struct {
		name string
		to   *time.Time
	}{{"exp", &c.Expiry}, {"nbf", &c.NotBefore}, {"iat", &c.IssuedAt}} {
		seconds, ok, err := o.number(m.name)
		if err != nil {
			return invalid("claims: %s is not a number", m.name)
		}
		if m.name == "exp" && (!ok || seconds <= 0) {
			return invalid("claims: exp is missing or not above 0")
		}
		if seconds < 0 || seconds > maxTime {
			return invalid("claims: %s is not between 1970 and 9999", m.name)
		}
		if ok {
			*m.to = numericDate(seconds)
		}
	}
	return nil
}

func numericDate(seconds float64) time.Time {
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}
