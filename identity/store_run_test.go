package identity_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func TestOneRunASourceGoesOnAtATime(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk, other := clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|")
	var begun atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		s := storeOf(t, d, nil, clerk, other)
		all.Go(func() {
			_, err := s.BeginRun(t.Context(), "clerk", false)
			if err == nil {
				begun.Add(1)
			} else if !errors.Is(err, identity.ErrRunning) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := begun.Load(); n != 1 {
		t.Errorf("%d runs go on", n)
	}
	if _, err := storeOf(t, d, nil, other).BeginRun(t.Context(), "other", false); err != nil {
		t.Error(err)
	}
}

func TestARunThatBrokeOffGoesOn(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	broken, err := s.BeginRun(t.Context(), "clerk", true)
	if err != nil {
		t.Fatal(err)
	}
	broken.Cursor, broken.Pages, broken.Total, broken.Counts = "page 3", 2, 500, identity.Counts{Added: 200}
	if err := s.SaveProgress(t.Context(), "clerk", broken); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BeginRun(t.Context(), "clerk", true); !errors.Is(err, identity.ErrRunning) {
		t.Errorf("while it has the lease: %v", err)
	}
	dbtest.Exec(t, d.OwnerURL, "update rowpass.sync_runs set leased_until = now() - interval '1 second'")
	next, err := s.BeginRun(t.Context(), "clerk", true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(broken, next, cmpopts.IgnoreUnexported(identity.Run{})); diff != "" {
		t.Error(diff)
	}
	if err := s.SaveProgress(t.Context(), "clerk", broken); !errors.Is(err, identity.ErrRunning) {
		t.Errorf("whoever has lost the lease: %v", err)
	}
	if err := s.PauseRun(t.Context(), "clerk", next); err != nil {
		t.Fatal(err)
	}
	other, err := s.BeginRun(t.Context(), "clerk", false)
	if err != nil || other.Cursor != "" || other.Pages != 0 || other.Begun.Equal(next.Begun) {
		t.Errorf("a run of the other kind: %+v, %v", other, err)
	}
	if err := s.FinishRun(t.Context(), "clerk", other, 7); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveProgress(t.Context(), "clerk", other); !errors.Is(err, identity.ErrRunning) {
		t.Errorf("once it is finished: %v", err)
	}
	status, err := s.Status(t.Context())
	if err != nil || status[0].Drift != 7 || status[0].LastReconciled.IsZero() {
		t.Errorf("%+v, %v", status, err)
	}
	last, err := s.BeginRun(t.Context(), "clerk", true)
	if err != nil || last.Cursor != "" {
		t.Errorf("%+v, %v", last, err)
	}
	if err := s.FinishRun(t.Context(), "clerk", last, 0); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Status(t.Context()); err != nil || !cmp.Equal(after[0].LastReconciled, status[0].LastReconciled) || after[0].Drift != 7 {
		t.Errorf("a backfill is no reconciliation: %+v, %v", after, err)
	}
}

func TestWhomAListHasNotNamed(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "c|")
	s := storeOf(t, d, nil, clerk, clerkSource(t, "other", "o|"))
	var changes []identity.Change
	for i := range 9 {
		changes = append(changes, identity.Change{Kind: identity.Upsert, Profile: profileOf(t, clerk, fmt.Sprint("u", i), "Ann", minute(1))})
	}
	changes = append(changes, identity.Change{Kind: identity.Delete, Subject: "u0", At: minute(2)})
	if _, err := s.Apply(t.Context(), "clerk", changes); err != nil {
		t.Fatal(err)
	}
	r, err := s.BeginRun(t.Context(), "clerk", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listed(t.Context(), "clerk", r, []string{"u1", "u3", "u5", "unknown"}); err != nil {
		t.Fatal(err)
	}
	since := []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, clerk, "u8", "Ann", r.Begun.Add(1e6))}}
	if _, err := s.Apply(t.Context(), "clerk", since); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[string][]string{"": {"u2", "u4"}, "u4": {"u6", "u7"}, "u7": {}} {
		subjects, unlisted, live, err := s.Unlisted(t.Context(), "clerk", r, after, 2)
		if err != nil || unlisted != 4 || live != 8 {
			t.Errorf("%d of %d, %v", unlisted, live, err)
		}
		if diff := cmp.Diff(want, subjects); diff != "" {
			t.Error(diff)
		}
	}
}
