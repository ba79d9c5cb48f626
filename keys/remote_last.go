package keys

import (
	"encoding/json"
	"errors"
	"time"
)

// Last keeps one document for each provider, so that a start without the provider works. Whoever can write there can make
// tokens of that provider for 24 hours. Both methods end soon; neither changes document.
type Last interface {
	// Load gives what was saved under name, and the time with it. Where nothing was, all are zero.
	Load(name string) (document []byte, fetched time.Time, err error)
	Save(name string, document []byte, fetched time.Time) error
}

// kept is what a Remote saves: the set together with where it came from, so that a provider whose address was changed never
// verifies with the keys of the former one.
type kept struct {
	Source   string          `json:"source"`
	Document json.RawMessage `json:"document"`
}

// recall begins with what Last has, which is due to be fetched again at once.
func (r *Remote) recall() *held {
	if r.cfg.Last == nil {
		return &held{}
	}
	h, err := r.readLast()
	if err != nil {
		r.cfg.Log.Warn("provider's last keys were not read", "err", err)
		return &held{}
	}
	return h
}

func (r *Remote) readLast() (*held, error) {
	data, fetched, err := r.cfg.Last.Load(r.cfg.Name)
	if err != nil || data == nil {
		return &held{}, err
	}
	var k kept
	if json.Unmarshal(data, &k) != nil {
		return nil, errors.New("the last key set is damaged")
	}
	if k.Source != r.cfg.source() {
		return &held{}, nil
	}
	if fetched.After(r.cfg.Now().Add(time.Minute)) {
		return nil, errors.New("the last key set is of a time to come, so nobody knows how old it is")
	}
	set, err := parseUsable(k.Document)
	if err != nil {
		return nil, err
	}
	return &held{set: set, document: k.Document, fetched: fetched}, nil
}

// keep saves a document that was just taken.
func (r *Remote) keep(document []byte, fetched time.Time) {
	if r.cfg.Last == nil {
		return
	}
	data, err := json.Marshal(kept{r.cfg.source(), document})
	if err == nil {
		err = r.cfg.Last.Save(r.cfg.Name, data, fetched)
	}
	if err != nil {
		r.cfg.Log.Warn("provider's keys were not saved", "err", err)
	}
}
