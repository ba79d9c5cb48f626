package token

// MaxActors is how many may have acted one after the other.
const MaxActors = 8

// Delegation is who acts for a token's subject, and who may.
type Delegation struct {
	Actors []string // act.sub, act.act.sub and so on: who acts, and for whom it does (RFC 8693 section 4.1)
	MayAct *Party   // who may become the actor (section 4.4); nil where the token doesn't say
}

// Party is somebody whom a claim names.
type Party struct {
	Issuer  string // whose name that is; "": the token's issuer's
	Subject string
}

// actor is act, within which stands the actor before it.
type actor struct {
	Subject string `json:"sub"`
	Actor   *actor `json:"act,omitempty"`
}

// actorOf nests actors, of whom the first acts now.
func actorOf(names []string) *actor {
	if len(names) == 0 {
		return nil
	}
	return &actor{names[0], actorOf(names[1:])}
}

// Delegation reads act and may_act. A provider's actors get the provider's prefix, as its subjects do. What cannot be read
// is ErrInvalid, and not taken for nobody: a token of ours that Verify takes has nothing of the kind, a provider's may.
func (c *Claims) Delegation() (Delegation, error) {
	o, err := ParseObject(c.JSON)
	if err != nil {
		return Delegation{}, invalid("claims: %v", err)
	}
	prefix := ""
	if c.Provider != "" {
		prefix = c.Provider + "|"
	}
	return delegation(o, prefix)
}

func delegation(o Object, prefix string) (d Delegation, err error) {
	for value := o.find("act"); value != nil; {
		acting, name, err := party("act", value)
		if err != nil {
			return d, err
		}
		if d.Actors = append(d.Actors, prefix+name); len(d.Actors) > MaxActors {
			return d, invalid("claims: act names more than %d actors", MaxActors)
		}
		value = acting.find("act")
	}
	value := o.find("may_act")
	if value == nil {
		return d, nil
	}
	may, name, err := party("may_act", value)
	if err != nil {
		return d, err
	}
	d.MayAct = &Party{Subject: name}
	if d.MayAct.Issuer, _, err = may.text("iss"); err != nil {
		return d, invalid("claims: may_act has an iss that is no string")
	}
	return d, nil
}

// maxParty is how many bytes the name of who acts may have: several of them have to fit into a token.
const maxParty = 256

func party(claim string, value []byte) (o Object, subject string, err error) {
	if o, err = ParseObject(value); err != nil {
		return o, "", invalid("claims: %s is not an object", claim)
	}
	if subject, _, err = o.text("sub"); err != nil || subject == "" || len(subject) > maxParty {
		return o, "", invalid("claims: %s has no sub that is a string of at most %d bytes", claim, maxParty)
	}
	return o, subject, nil
}
