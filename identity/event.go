package identity

import (
	"strings"
	"time"
)

// Kind is what an event means for a profile.
type Kind int

// The kinds.
const (
	Ignore Kind = iota // an event of another kind: there is nothing to do
	Upsert             // the event has the profile as it is now
	Delete             // the user is gone
	Fetch              // the user was made or changed, and the event doesn't say how: the provider's list must be asked
	Join               // the user is a member of the tenant
	Leave              // the user is no member of the tenant any more
)

// String is the kind's name, for logs.
func (k Kind) String() string {
	return [...]string{"ignore", "upsert", "delete", "fetch", "join", "leave"}[k]
}

// Event is one message about one user.
type Event struct {
	Kind    Kind
	Subject string    // without the source's prefix; "" for Ignore
	At      time.Time // when it happened, by the provider's clock if it tells; in whole microseconds. Zero for Ignore
	Profile Profile   // for Upsert; its At is the event's
	Tenant  string    // for Join and Leave
}

// Read understands an event that was verified; received is when it first came. An error is a *PoisonError, of an event that
// doesn't say what happened or to whom: whoever reads it again finds the same. Of a profile, what cannot be kept is left out.
//
// Its time is the event's own, else the user object's time of change, else received, and received again for a deletion, since
// the object that was deleted is older than that. An event of a time more than five minutes ahead of received is refused: the
// row would be closed to all events until then. An object's own time that is so far ahead is left out.
func (s *Source) Read(body []byte, received time.Time) (Event, error) {
	if len(body) > maxJSON {
		return Event{}, poison("the event has %d bytes, and 1 MiB is the most", len(body))
	}
	root, err := parseObject(body, "the event")
	if err != nil {
		return Event{}, err
	}
	m := message{source: s, root: root, received: storedTime(received)}
	kind, err := m.kind()
	if err != nil || kind == Ignore || !m.prepare() {
		return Event{}, err
	}
	e, err := m.event(kind)
	if err != nil {
		return Event{}, err
	}
	if e.At.After(m.received.Add(maxAhead)) {
		return Event{}, poison("the event's time is more than 5 minutes ahead of this machine's")
	}
	return e, nil
}

// message is an event's body while it is read.
type message struct {
	source   *Source
	root     map[string]any
	received time.Time
}

func (m message) kind() (Kind, error) {
	row := m.source.row
	eventType, err := m.eventType()
	if err != nil {
		return Ignore, err
	}
	if len(row.Trial) > 0 && !isNothing(row.Trial.find(m.root)) {
		return Ignore, nil
	}
	kind, several := row.Events.kind(eventType)
	switch {
	case several:
		return Ignore, poison("the event is about several users and doesn't name them: run rowpass sync reconcile %s", m.source.Name())
	case kind == Upsert && m.source.asks():
		return Fetch, nil
	}
	return kind, nil
}

func (m message) eventType() (string, error) {
	row := m.source.row
	parts := row.Type
	if len(parts) == 0 {
		eventType, ok := first(row.Fields.EventType, m.root).(string)
		if !ok {
			return "", poison("the event has no type")
		}
		return eventType, nil
	}
	var names []string
	for _, part := range parts {
		name, ok := part.find(m.root).(string)
		if !ok {
			return "", poison("the event has no %s", strings.Join(part, "."))
		}
		names = append(names, name)
	}
	eventType := strings.Join(names, ".")
	if !strings.HasPrefix(eventType, row.Only) {
		return "", poison("the event is not about %s: let the provider send no others here", strings.Trim(row.Only, "."))
	}
	return eventType, nil
}

func (m message) event(kind Kind) (Event, error) {
	at := m.time()
	switch kind {
	case Join, Leave:
		return m.membership(kind, at)
	case Upsert:
		return m.upsert(at)
	case Delete:
		return m.deletion(at)
	}
	return m.about(Fetch, at)
}

// time is the event's own, the zero time where it has none.
func (m message) time() time.Time {
	return storedTime(instant(first(m.source.row.Fields.EventTime, m.root), m.source.row.Millis))
}

// about is an event that says no more than who it is about.
func (m message) about(kind Kind, at time.Time) (Event, error) {
	subject, err := m.source.subject(m.subject())
	if at.IsZero() {
		at = m.received
	}
	return Event{Kind: kind, Subject: subject, At: at}, err
}

// user is the user object, nil where the event has none that says whose it is.
func (m message) user() map[string]any {
	user, _ := first(m.source.row.Fields.User, m.root).(map[string]any)
	if first(m.source.row.Fields.ID, user) == nil {
		return nil
	}
	return user
}

func (m message) subject() any {
	if user := m.user(); user != nil {
		return first(m.source.row.Fields.ID, user)
	}
	return first(m.source.row.Fields.Subject, m.root)
}
