package identity_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// storm is a hundred thousand events of ten thousand users, ten each, brought to two instances by somebody who, like a provider,
// brings again what was not taken.
type storm struct {
	url    string
	events int

	mu       sync.Mutex // guards what follows
	random   *rand.Rand
	todo     []int // events to be brought, a third of them twice
	acked    int
	kills    []int // numbers of acknowledged events at which an instance is killed
	killed   int
	running  [2]*exec.Cmd
	complete chan struct{} // closed when everything was acknowledged
	over     bool          // nothing is started any more
}

func newStorm(url string, events, kills int) *storm {
	s := &storm{url: url, events: events, random: rand.New(rand.NewPCG(7, 11)), complete: make(chan struct{})}
	for i := range events {
		s.todo = append(s.todo, i)
		if i%3 == 0 {
			s.todo = append(s.todo, i)
		}
	}
	s.random.Shuffle(len(s.todo), func(i, j int) { s.todo[i], s.todo[j] = s.todo[j], s.todo[i] })
	for range kills {
		s.kills = append(s.kills, 1+s.random.IntN(len(s.todo)-1))
	}
	return s
}

// instance keeps one running, and hands it events until all are acknowledged.
func (s *storm) instance(t *testing.T, slot int) {
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), stormURL+"="+s.url)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Error(err)
			return
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Error(err)
			return
		}
		if !s.start(t, slot, cmd) {
			return
		}
		unacked := map[int]int{}
		feed := func() {
			if event, ok := s.take(); ok {
				unacked[event]++
				_, _ = fmt.Fprintln(stdin, event) // one that was killed takes nothing, and acknowledges nothing
			}
		}
		for range stormWindow {
			feed()
		}
		for acks := bufio.NewScanner(stdout); acks.Scan(); feed() {
			var event int
			if _, err := fmt.Sscan(acks.Text(), &event); err != nil || unacked[event] == 0 {
				t.Errorf("an instance said %q: %v", acks.Text(), err)
				continue
			}
			unacked[event]--
			s.ack()
		}
		_ = stdin.Close()
		_ = cmd.Wait()
		s.giveBack(unacked)
	}
}

func (s *storm) start(t *testing.T, slot int, cmd *exec.Cmd) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	s.running[slot] = cmd
	return true
}

func (s *storm) take() (event int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.todo) == 0 {
		return 0, false
	}
	event = s.todo[len(s.todo)-1]
	s.todo = s.todo[:len(s.todo)-1]
	return event, true
}

func (s *storm) giveBack(unacked map[int]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for event, times := range unacked {
		for range times {
			s.todo = append(s.todo, event)
		}
	}
}

func (s *storm) ack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked++
	for _, at := range s.kills {
		if at == s.acked {
			s.kill(s.random.IntN(2))
		}
	}
	if s.acked == s.events+(s.events+2)/3 {
		close(s.complete)
	}
}

// kill is kill -9, for those who hold the lock.
func (s *storm) kill(slot int) {
	if s.running[slot] != nil && s.running[slot].Process.Kill() == nil {
		s.killed++
	}
}

func (s *storm) killBoth(over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = over
	s.kill(0)
	s.kill(1)
}

const (
	stormURL     = "ROWPASS_TEST_STORM" // the environment of an instance
	stormWindow  = 64                   // events that are under way to one instance
	stormCallers = 8
)

// stormInstance is what an instance does: it accepts the events whose numbers it reads, and says of each when it is kept.
func stormInstance(url string) int {
	s, err := openStorm(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go s.Run(context.Background())
	numbers := make(chan int)
	for range stormCallers {
		go func() {
			for n := range numbers {
				id, body := stormEvent(n).delivery()
				for {
					if _, err := s.Accept(context.Background(), "clerk", identity.Message{ID: id, Body: body}); err == nil {
						break
					}
				}
				fmt.Println(n)
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err != nil {
			return 1
		}
		numbers <- n
	}
	return 0
}

// stormOf is the n-th event. Each user has ten, a second apart.
type stormOf struct {
	user, kind, name string
	at               time.Time
}

func stormEvent(n int) stormOf {
	random := rand.New(rand.NewPCG(uint64(n), 5)) //nolint:gosec // not negative
	e := stormOf{user: fmt.Sprintf("user_%05d", n/10), name: fmt.Sprint("Name ", n), at: signupTime.Add(time.Duration(n%10) * time.Second)}
	switch c := random.IntN(10); {
	case n%10 == 0:
		e.kind = "user.created"
	case c == 0:
		e.kind = "user.deleted"
	case c == 1:
		e.kind, e.name = "organizationMembership.created", "acme"
	case c == 2:
		e.kind, e.name = "organizationMembership.deleted", "acme"
	default:
		e.kind = "user.updated"
	}
	return e
}

func (e stormOf) delivery() (id string, body []byte) {
	return e.user + e.at.String(), clerkEvent(e.kind, e.user, e.name, e.at)
}

// stormUser is what is left of a user.
type stormUser struct {
	Name      string
	Updated   time.Time
	Deleted   bool
	OfATenant bool
}

// stormModel is what must be left: events in the order in which they happened.
func stormModel(events int) map[string]stormUser {
	users := map[string]stormUser{}
	for n := range events {
		e := stormEvent(n)
		u := users[e.user]
		switch e.kind {
		case "user.deleted":
			u.Deleted, u.Updated = true, e.at
		case "organizationMembership.created", "organizationMembership.deleted":
			u.OfATenant = e.kind == "organizationMembership.created"
		default:
			u.Name, u.Deleted, u.Updated = e.name, false, e.at
		}
		users[e.user] = u
	}
	return users
}

func stormLeft(t *testing.T, d dbtest.Database) map[string]stormUser {
	const query = `
		select u.id, u.name, u.updated_at, u.deleted_at is not null, coalesce(m.member, false)
		from neon_identity.users_sync u left join rowpass.profile_tenants m on m.id = u.id`
	rows, err := dbtest.Connect(t, d.OwnerURL).Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]stormUser{}
	var id string
	var u stormUser
	if _, err := pgx.ForEachRow(rows, []any{&id, &u.Name, &u.Updated, &u.Deleted, &u.OfATenant}, func() error {
		u.Updated = u.Updated.UTC()
		left[id] = u
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return left
}

func TestNothingAcceptedIsLostWhenInstancesAreKilled(t *testing.T) {
	events, kills := 100_000, 20
	if testing.Short() {
		events, kills = 3_000, 3
	}
	d := dbtest.New(t)
	s := newStorm(d.ServiceURL, events, kills)
	begun := time.Now()
	var instances sync.WaitGroup
	for slot := range s.running {
		instances.Go(func() { s.instance(t, slot) })
	}
	<-s.complete
	accepted := time.Since(begun)
	s.killBoth(false)
	store, err := openStorm(d.ServiceURL)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	status := drained(t, store)
	t.Logf("%d deliveries accepted in %v, all read after %v, %d kills", s.acked, accepted.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), s.killed)
	s.killBoth(true)
	instances.Wait()
	if status[0].Dead != 0 || s.killed < kills {
		t.Errorf("%d dead, %d kills", status[0].Dead, s.killed)
	}
	if got := rowsOf(t, d.OwnerURL, "select state, count(*), bool_or(body is not null) from rowpass.inbox group by state"); got != fmt.Sprintf("(done,%d,f)", events) {
		t.Error(got)
	}
	want, left := stormModel(events), stormLeft(t, d)
	if maps.Equal(want, left) {
		return
	}
	diff := cmp.Diff(want, left)
	t.Error(diff[:min(len(diff), 3000)])
}

func openStorm(url string) (*identity.Store, error) {
	source, err := identity.NewSource(identity.SourceConfig{Name: "clerk", Preset: "clerk", Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
	if err != nil {
		return nil, err
	}
	return identity.OpenStore(context.Background(), identity.StoreConfig{
		URL: url, MaxConns: stormCallers + 2, Timeout: 10 * time.Second, Sources: []*identity.Source{source}, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}
