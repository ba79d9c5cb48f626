package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// StoreConfig says where profiles are kept and who sends them. Every field but MaxConns, MaxPending, Fetchers and Chance is
// required.
type StoreConfig struct {
	URL           string        // the service's login, or the owner's
	QueryExecMode string        // pgx's name: cache_statement, or exec behind a pooler that mixes up named statements
	MaxConns      int           // 0: 4
	MaxPending    int64         // events of one source that wait or are dead at most; 0: 1,000,000
	Timeout       time.Duration // of one statement
	Sources       []*Source
	Fetchers      map[string]Lister // by the source's name: who is asked about a user whose event has no profile
	Now           func() time.Time
	Chance        func() float64 // from 0 to below 1, anew at each call: by it pauses differ; nil: they are all the same
	Log           *slog.Logger
}

// Errors that callers tell apart.
var (
	ErrUnavailable   = errors.New("the database cannot be reached, or is too busy")
	ErrFull          = errors.New("too many events of this source wait or could not be read; rowpass sync status says which")
	ErrUnknownSource = errors.New("no such source in sync.sources")
	ErrForeign       = errors.New("the id belongs to another source; give one of the two a prefix of its own")
	ErrRunning       = errors.New("another instance or command is reading this source's list; wait until it has ended")
)

// Store keeps profiles, and the events that they are made from until they are read. It never runs a caller's SQL, keeps nothing
// on a connection from one transaction to the next, and is safe for concurrent use.
type Store struct {
	pool       *pgxpool.Pool
	timeout    time.Duration
	maxPending int64
	sources    map[string]*Source
	names      []string // of sources, sorted
	fetchers   map[string]Lister
	now        func() time.Time
	chance     func() float64
	patience   patience
	log        *slog.Logger
	wake       chan struct{} // holds one place: an event was accepted here
	wakeFetch  chan struct{} // likewise: there is a user to ask for
	waiting    waiting
	seen       *seen
	lists      sync.Mutex // held while the reading of a list uses the database, so that all of them together need one connection
}

// storeConns is how many connections a store needs at most: one for each of Run's two loops, one for lists, and one for what comes in,
// which takes those that are free as well.
const storeConns = 4

// OpenStore makes the pool and starts nothing: it connects when it is first needed, and Run reads events. The caller closes it.
func OpenStore(ctx context.Context, c StoreConfig) (*Store, error) {
	pool, err := openPool(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &Store{
		pool: pool, timeout: c.Timeout, maxPending: cmp.Or(c.MaxPending, maxPending), sources: map[string]*Source{}, fetchers: c.Fetchers,
		now: c.Now, chance: c.Chance, patience: patience{fetchTime, fetchOneTime}, log: c.Log, wake: make(chan struct{}, 1), wakeFetch: make(chan struct{}, 1), seen: newSeen(),
	}
	if s.chance == nil {
		s.chance = func() float64 { return 0 }
	}
	for _, source := range c.Sources {
		if s.sources[source.Name()] != nil {
			s.Close()
			return nil, fmt.Errorf("sync.sources has two entries named %s; rename one", source.Name())
		}
		s.sources[source.Name()] = source
		s.names = append(s.names, source.Name())
	}
	slices.Sort(s.names)
	return s, nil
}

// source finds a source by its name.
func (s *Store) source(name string) (*Source, error) {
	if found := s.sources[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("%s: %w", name, ErrUnknownSource)
}
