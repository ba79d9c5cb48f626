package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/db/embedded"
	"rowpass/migrations"
	"rowpass/seed"
)

// A storm is 200 workers of two tenants on four connections. Some hang up in the middle, and PostgreSQL is killed in
// between. Each worker changes a row of its own, so it knows what must be there afterwards.
const (
	stormWorkers  = 200
	stormProgress = 1500 // answers with 2xx after each kill
)

func TestNoForeignRowAndNoLostWriteWhilePostgresIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short leaves the storm out")
	}
	cluster := newRestartable(t)
	s := newServer(t, options{database: &cluster.database})
	workers := cluster.workers(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var storm sync.WaitGroup
	for _, w := range workers {
		storm.Go(func() { w.work(ctx) })
	}
	progress := func(what string) {
		start, until := time.Now(), w2xx(workers)+stormProgress
		for w2xx(workers) < until && !t.Failed() {
			if time.Since(start) > 60*time.Second {
				t.Errorf("after %s only %d of %d answers in a minute", what, stormProgress-(until-w2xx(workers)), stormProgress)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Logf("after %s: %d answers took %s", what, stormProgress, time.Since(start).Round(time.Millisecond))
	}
	progress("the start")
	cluster.killBackend(t)
	progress("a backend was killed")
	for range 2 {
		cluster.killAndRestart(t)
		progress("PostgreSQL was killed")
	}
	stop()
	storm.Wait()
	cluster.compare(t, workers)
}

// worker is one user who reads its tenant's users and counts in its own settings.
type worker struct {
	t          *testing.T
	s          *server
	id, tenant string
	foreign    string // the other tenant, which must never appear
	token      string
	client     *http.Client
	tried      int // the last count sent
	kept       int // the last count answered with 2xx
	answers    *atomic.Int64
}

func w2xx(workers []*worker) (n int64) { return workers[0].answers.Load() }

func (w *worker) work(ctx context.Context) {
	for i := 0; ctx.Err() == nil && !w.t.Failed(); i++ {
		request, cancel := context.WithTimeout(ctx, 30*time.Second)
		if rand.IntN(8) == 0 { //nolint:gosec // not a secret
			request, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond) //nolint:gosec // not a secret
		}
		if i%3 == 0 {
			w.write(request)
		} else {
			w.read(request)
		}
		cancel()
	}
}

func (w *worker) read(ctx context.Context) {
	status, body, err := w.call(ctx, http.MethodGet, "/api/users?limit=1000", "")
	if err != nil || status == http.StatusServiceUnavailable {
		w.pause(status)
		return
	}
	if status != http.StatusOK || strings.Contains(body, w.foreign) || !strings.Contains(body, w.tenant) {
		w.t.Errorf("GET by %s of %s: status %d, %.200s", w.id, w.tenant, status, body)
	}
	w.answers.Add(1)
}

func (w *worker) write(ctx context.Context) {
	w.tried++
	status, body, err := w.call(ctx, http.MethodPatch, "/api/users/"+w.id, fmt.Sprintf(`{"settings":{"n":%d}}`, w.tried))
	if err != nil || status == http.StatusServiceUnavailable {
		w.pause(status)
		return
	}
	if status != http.StatusOK || !strings.Contains(body, w.id) {
		w.t.Errorf("PATCH by %s: status %d, %s", w.id, status, body)
	}
	w.kept = w.tried
	w.answers.Add(1)
}

// pause keeps those who are refused from taking the machine from those who are served.
func (w *worker) pause(status int) {
	if status != 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *worker) call(ctx context.Context, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// restartable is a durable cluster of the test's own.
type restartable struct {
	config   embedded.Config
	server   *embedded.Server
	database dbtest.Database
}

func newRestartable(t *testing.T) *restartable {
	t.Helper()
	dir := must(dbtest.NewDir())(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &restartable{config: must(dbtest.Config(t.Context(), dir))(t)}
	r.config.Throwaway = false
	r.config.Log = slog.New(slog.DiscardHandler)
	r.server = must(embedded.Start(t.Context(), r.config))(t)
	t.Cleanup(func() { _ = r.server.Stop(context.Background()) })
	name := r.config.Database
	r.database = dbtest.Database{
		Name: name, OwnerURL: r.server.URL(dbtest.Owner, name), GatewayURL: r.server.URL(dbtest.Gateway, name),
		ServiceURL: r.server.URL(dbtest.Service, name), SuperuserURL: r.server.URL(embedded.Superuser, name),
	}
	must(migrations.Up(t.Context(), migrations.Config{
		OwnerURL: r.database.OwnerURL, GatewayURL: r.database.GatewayURL, ServiceURL: r.database.ServiceURL, Log: r.config.Log,
	}))(t)
	if _, err := dbtest.Connect(t, r.database.OwnerURL).PgConn().Exec(t.Context(), seed.SQL).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return r
}

// workers makes a user for each worker, half of them in either tenant.
func (r *restartable) workers(t *testing.T, s *server) []*worker {
	t.Helper()
	answers := &atomic.Int64{}
	workers := make([]*worker, stormWorkers)
	owner := dbtest.Connect(t, r.database.OwnerURL)
	for i := range workers {
		w := &worker{t: t, s: s, tenant: acme, foreign: globex, answers: answers, client: &http.Client{Transport: &http.Transport{}}}
		if i%2 == 1 {
			w.tenant, w.foreign = globex, acme
		}
		err := owner.QueryRow(t.Context(), `insert into users (tenant_id, email) values ($1, $2) returning id::text`,
			w.tenant, "w"+strconv.Itoa(i)+"@storm.example").Scan(&w.id)
		if err != nil {
			t.Fatal(err)
		}
		w.token = s.token(w.id, w.tenant)
		workers[i] = w
	}
	return workers
}

// killBackend kills one of the gateway's sessions, upon which PostgreSQL throws all out and recovers by itself.
func (r *restartable) killBackend(t *testing.T) {
	t.Helper()
	var pid int
	err := dbtest.Connect(t, r.database.SuperuserURL).QueryRow(t.Context(),
		`select pid from pg_stat_activity where usename = $1 limit 1`, dbtest.Gateway).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func (r *restartable) killAndRestart(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.config.StateDir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r.server.Done()
	if err := r.server.Stop(t.Context()); err != nil {
		t.Logf("the server that was killed: %v", err)
	}
	r.server = must(embedded.Start(t.Context(), r.config))(t)
}

// compare looks each worker's row up: what was answered with 2xx is there, and nothing that was never sent.
func (r *restartable) compare(t *testing.T, workers []*worker) {
	t.Helper()
	conn := dbtest.Connect(t, r.database.OwnerURL)
	writes := 0
	for _, w := range workers {
		var settings struct{ N int }
		var text []byte
		err := conn.QueryRow(t.Context(), `select settings from users where id = $1`, w.id).Scan(&text)
		if errors.Is(err, pgx.ErrNoRows) || json.Unmarshal(text, &settings) != nil {
			t.Fatalf("row of %s: %s, %v", w.id, text, err)
		}
		if settings.N < w.kept || settings.N > w.tried {
			t.Errorf("row of %s says %d; answered with 2xx was %d, sent was %d", w.id, settings.N, w.kept, w.tried)
		}
		writes += w.kept
	}
	if writes == 0 {
		t.Error("nothing was written, so that this test can tell nothing")
	}
	t.Logf("%d answers, of them %d writes by %d workers, all there", w2xx(workers), writes, len(workers))
}
