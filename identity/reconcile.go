package identity

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ReconcileConfig says what to read and where it goes. Store, Source, Lister and Now are required; the source is one of the store's.
type ReconcileConfig struct {
	Store  *Store
	Source *Source
	Lister Lister

	Backfill        bool // only add and change: nobody is taken for deleted
	AllowMassDelete bool // else more than a fifth of the users, and ten or more, are never deleted at once
	Now             func() time.Time
	Report          func(Progress) // is told after each step, by the goroutine that called Reconcile; nil: nobody is
}

// Progress is how far a run has come.
type Progress struct {
	Source   string
	Backfill bool
	Resumed  bool // it goes on where an earlier one was broken off
	Listed   bool // the list was read; those that it didn't name are asked for
	Pages    int
	Done     int // users so far; of the list, or of those to ask for
	Total    int // users in all, likewise; 0: unknown
	Counts   Counts
}

// Reconciled is what a run has come to, the run that it went on with included.
type Reconciled struct {
	Counts  Counts
	Pages   int
	Resumed bool

	// Drift is how many rows differed although nothing was under way: what was added, changed or deleted, but for changes that
	// by the provider's time are less than 5 min older than the page they were on, whose events may be yet to come.
	Drift int64

	Poisoned int    // users of the list that could not be understood: they are left as they are
	Poison   string // why the first of them could not
	Unsure   int    // users that the list didn't name and the provider neither has nor lacks for certain: likewise
}

// ErrMassDelete says that so many users are gone at the provider that another project or an incomplete list is likelier.
var ErrMassDelete = errors.New("nothing was deleted")

const inFlight = 5 * time.Minute // how long a change may take to arrive as an event

// Reconcile reads a source's whole list, page by page, and makes the rows agree. A run that broke off goes on where it was; one at
// a time reads a source, over all instances (else ErrRunning). As pages shift under who reads them, a user that the list didn't
// name is asked for, and only deleted if the provider says that there is none.
//
// What the list says counts as of the user object's own time of change, and else as of five minutes before its page was asked for.
// A list without an end is ErrEndless. Any number of sources may be read at once: together they need one connection.
func Reconcile(ctx context.Context, c ReconcileConfig) (Reconciled, error) {
	name := c.Source.Name()
	r := &reconciler{ReconcileConfig: c, name: name}
	if err := r.using(func() (err error) {
		r.run, err = c.Store.BeginRun(ctx, name, c.Backfill)
		return err
	}); err != nil {
		return Reconciled{}, err
	}
	r.out.Resumed = r.run.Pages > 0
	if err := r.all(ctx); err != nil {
		r.breakOff(ctx, err)
		return r.outcome(), fmt.Errorf("source %s: %w", name, err)
	}
	return r.outcome(), nil
}

// reconciler is one run of Reconcile.
type reconciler struct {
	ReconcileConfig
	run     Run
	name    string
	out     Reconciled
	recent  int64 // changes that don't count as drift
	refused int64 // deletions that do, though they were not made
	read    int   // pages, by this process
}

func (r *reconciler) all(ctx context.Context) error {
	if !r.run.Listed {
		if err := r.list(ctx); err != nil {
			return err
		}
	}
	var refused error // which ends the run all the same: the next one is to read the list anew
	if !r.Backfill {
		if refused = r.confirm(ctx); refused != nil && !errors.Is(refused, ErrMassDelete) {
			return refused
		}
	}
	if err := r.using(func() error { return r.Store.FinishRun(ctx, r.name, r.run, r.drift()) }); err != nil {
		return err
	}
	return refused
}

// breakOff gives the lease back even if ctx has ended. If it can't, the lease runs out by itself. In a list without an end there is no
// place to go on at.
func (r *reconciler) breakOff(ctx context.Context, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout)
	defer cancel()
	give := r.Store.PauseRun
	if errors.Is(why, ErrEndless) {
		give = r.Store.AbandonRun
	}
	_ = r.using(func() error { return give(ctx, r.name, r.run) })
}

// using uses the database when it is this run's turn, of those of this store.
func (r *reconciler) using(f func() error) error {
	r.Store.lists.Lock()
	defer r.Store.lists.Unlock()
	return f()
}

func (r *reconciler) drift() int64 {
	c := r.run.Counts
	return max(int64(c.Added+c.Changed+c.Deleted)-r.recent, 0) + r.refused
}

func (r *reconciler) outcome() Reconciled {
	r.out.Counts, r.out.Pages, r.out.Drift = r.run.Counts, r.run.Pages, r.drift()
	return r.out
}

// save keeps how far the run has come, and ends it where another one has taken over.
func (r *reconciler) save(ctx context.Context) error {
	return r.using(func() error { return r.Store.SaveProgress(ctx, r.name, r.run) })
}

func (r *reconciler) report(done, total int) {
	if r.Report != nil {
		r.Report(Progress{Source: r.name, Backfill: r.Backfill, Resumed: r.out.Resumed, Listed: r.run.Listed,
			Pages: r.run.Pages, Done: done, Total: total, Counts: r.run.Counts})
	}
}

// apply makes changes, and counts those apart that may be under way as events. asked is the moment before the provider was.
func (r *reconciler) apply(ctx context.Context, changes []Change, asked time.Time) error {
	var settled, recent []Change
	for _, c := range changes {
		if c.Kind == Upsert && c.Profile.At.After(asked.Add(-inFlight)) {
			recent = append(recent, c)
		} else {
			settled = append(settled, c)
		}
	}
	if _, err := r.applyAll(ctx, settled); err != nil {
		return err
	}
	n, err := r.applyAll(ctx, recent)
	r.recent += int64(n.Added + n.Changed + n.Deleted)
	return err
}

func (r *reconciler) applyAll(ctx context.Context, changes []Change) (Counts, error) {
	if len(changes) == 0 {
		return Counts{}, nil
	}
	var n Counts
	err := r.using(func() (err error) {
		n, err = r.Store.Apply(ctx, r.name, changes)
		return err
	})
	if err != nil {
		return Counts{}, fmt.Errorf("applying %d users: %w", len(changes), err)
	}
	r.run.Counts.Add(n)
	return n, nil
}
