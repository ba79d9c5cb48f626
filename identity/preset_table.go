package identity

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

//go:embed presets.json
var presetsJSON []byte

// table is presets.json, read at first use. Nobody changes it.
var table = sync.OnceValue(func() []*row { return readPresets(presetsJSON) })

// row is a preset with how its provider's messages are read.
type row struct {
	Preset
	Headers map[string]string `json:"headers"` // by signature: whose value is the secret or the MAC

	Events meanings `json:"events"`
	Type   []Path   `json:"type"` // an event's type is made of these, with dots between, instead of Fields.EventType
	Only   string   `json:"only"` // what every type begins with: another one is somebody else's event
	Trial  Path     `json:"trial"`
	Fields Fields   `json:"fields"`
	Member member   `json:"member"`

	Millis bool     `json:"millis"` // numbers are milliseconds, however small
	Flat   bool     `json:"flat"`   // raw_json is the user object itself, as Neon's is
	Asks   bool     `json:"asks"`   // where there is an API, it is asked rather than the event believed
	Gone   []sign   `json:"gone"`   // by which a user object says that the user is gone
	Secret []string `json:"secret"` // members of a user object that no table should have
}

// meanings are the event types that mean each Kind; all others are ignored.
type meanings struct {
	Upsert  []string `json:"upsert"`
	Delete  []string `json:"delete"`
	Fetch   []string `json:"fetch"`
	Join    []string `json:"join"`
	Leave   []string `json:"leave"`
	Several []string `json:"several"` // about several users, whom they don't name
}

// member says where an event of a membership has what. With a status, only the active one makes a member.
type member struct {
	Subject Path   `json:"subject"`
	Tenant  Path   `json:"tenant"`
	Status  Path   `json:"status"`
	Active  string `json:"active"`
}

// sign is a member of an object with one of these values; with any, where there are none.
type sign struct {
	Path   Path     `json:"path"`
	Values []string `json:"values"`
}

// readPresets panics where the table is wrong, which its tests find.
func readPresets(text []byte) []*row {
	var rows []*row
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&rows); err != nil {
		panic(fmt.Sprintf("reading presets.json: %v", err))
	}
	return rows
}

func rowOf(id string) *row {
	at := slices.IndexFunc(table(), func(r *row) bool { return r.ID == id })
	if at < 0 {
		return nil
	}
	return table()[at]
}

// preset copies what a caller could change.
func (r *row) preset() Preset {
	p := r.Preset
	p.Signatures, p.Needs = slices.Clone(p.Signatures), slices.Clone(p.Needs)
	return p
}

// generic is the generic row as a configuration completes it.
func (r *row) generic(cfg SourceConfig) *row {
	own := *r
	own.Fields = cfg.Fields
	if len(own.Fields.User) == 0 {
		own.Fields.User = []Path{{}}
	}
	own.Events = meanings{Upsert: append(slices.Clone(cfg.Created), cfg.Updated...), Delete: cfg.Deleted}
	return &own
}

// kind is what a type of event means, and whether it means several users.
func (m meanings) kind(eventType string) (k Kind, several bool) {
	switch {
	case slices.Contains(m.Upsert, eventType):
		return Upsert, false
	case slices.Contains(m.Delete, eventType):
		return Delete, false
	case slices.Contains(m.Fetch, eventType):
		return Fetch, false
	case slices.Contains(m.Join, eventType):
		return Join, false
	case slices.Contains(m.Leave, eventType):
		return Leave, false
	}
	return Ignore, slices.Contains(m.Several, eventType)
}
