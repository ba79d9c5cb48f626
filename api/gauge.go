package api

import "sync"

// gauge counts what runs for each key, and refuses what would be too much.
type gauge struct {
	mu      sync.Mutex
	running map[string]int // guarded by mu; a key that runs nothing is not there
}

func newGauge() *gauge { return &gauge{running: map[string]int{}} }

// take returns what gives the place back, or errTooMany.
func (g *gauge) take(key string, limit int) (release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[key] >= limit {
		return nil, errTooMany
	}
	g.running[key]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.running[key]--; g.running[key] == 0 {
			delete(g.running, key)
		}
	}, nil
}
