package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rowpass/db/dbtest"
)

// instancesSecret is client_load's in the tests of several instances.
const instancesSecret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

// instances is what several rowpass on one PostgreSQL start with: the ring is in the database, wrapped, and its keys take turns
// within seconds.
func instances(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	write(t, config, fmt.Sprintf("clients:\n- id: client_load\n  secret_sha256: %x\n  tenant: %s\n  act_for: everyone\n  scopes: [offline_access]\n",
		sha256.Sum256([]byte(instancesSecret)), acmeID), 0o600)
	secret := filepath.Join(dir, "secret")
	write(t, secret, strings.Repeat("5a", 32)+"\n", 0o600)
	environ := environment(t, external(dbtest.New(t))...)
	return append(environ, "ROWPASS_CONFIG="+config, "ROWPASS_KEYS_STORE=postgres", "ROWPASS_KEYS_WRAPPING_SECRET_FILE="+secret,
		"ROWPASS_KEYS_JWKS_MAX_AGE=1s", "ROWPASS_LIMITS_TOKEN_PER_ADDRESS=0", "ROWPASS_LIMITS_TOKEN_PER_CLIENT=0")
}

// crowd sends requests to instances and notes every one that fails though nothing excuses it.
type crowd struct {
	t     *testing.T
	sent  atomic.Int64
	void  sync.Map // kids whose tokens must fail, from just before they were revoked
	gone  sync.Map // addresses whose instance was killed
	mu    sync.Mutex
	fault []string // guarded by mu
}

func (c *crowd) fail(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = append(c.fault, fmt.Sprintf(format, args...))
}

// work gets a token at one instance and uses it at another, until stop is closed.
func (c *crowd) work(from, to string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		token, err := clientToken(from)
		if err != nil {
			c.excuse(from, "getting a token: %v", err)
			continue
		}
		status, err := statusOf(to, token)
		c.sent.Add(1)
		switch {
		case err != nil:
			c.excuse(to, "using a token: %v", err)
		case status == http.StatusOK:
		default:
			if _, void := c.void.Load(kidOf(token)); !void {
				c.fail("a token of %s, key %s, was answered %d by %s", from, kidOf(token), status, to)
			}
		}
	}
}

// excuse notes a failure, unless it is the killed instance's.
func (c *crowd) excuse(address, format string, err error) {
	if _, gone := c.gone.Load(address); !gone {
		c.fail(address+": "+format, err)
	}
}

// keep is another service: it verifies with the key set that it fetched less than max-age ago, and knows no other key.
func (c *crowd) keep(address string, stop <-chan struct{}) {
	var known map[string]bool
	var fetched time.Time
	for {
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(fetched) >= time.Second {
			kids, err := publishedKids(address)
			if err != nil {
				c.excuse(address, "fetching the key set: %v", err)
				continue
			}
			known, fetched = kids, time.Now()
		}
		token, err := clientToken(address)
		if err != nil {
			c.excuse(address, "getting a token: %v", err)
			continue
		}
		if time.Since(fetched) >= time.Second {
			continue // the answer came so late that this key set would have been fetched anew
		}
		_, forced := c.void.Load("successor of a revoked key")
		if !known[kidOf(token)] && !forced {
			c.fail("key %s signed before whoever keeps the key set for a second could know it", kidOf(token))
		}
	}
}

// TestInstancesRotateTogether puts load on two instances while their keys take turns three times, one is revoked, and one
// instance is killed. Only what must fail may fail.
func TestInstancesRotateTogether(t *testing.T) {
	t.Parallel()
	environ := instances(t)
	succeed(t, environ, "keys", "generate")
	first, second := serve(t, environ), serve(t, environ)
	c := &crowd{t: t}
	stop := make(chan struct{})
	var working sync.WaitGroup
	for range 2 {
		working.Go(func() { c.work(first.api, second.api, stop) })
		working.Go(func() { c.work(second.api, first.api, stop) })
	}
	working.Go(func() { c.keep(second.api, stop) })

	rotateAndWait(t, environ, second.api)
	rotateAndWait(t, environ, second.api)

	held, err := clientToken(first.api)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := statusOf(second.api, held); err != nil || status != http.StatusOK {
		t.Fatalf("before its key is revoked a token is answered %d, %v", status, err)
	}
	c.void.Store("successor of a revoked key", true)
	c.void.Store(kidOf(held), true)
	succeed(t, environ, "keys", "revoke", kidOf(held))
	revoked := time.Now()
	for _, p := range []*process{first, second} {
		until(t, "a revoked key's token is refused", func() bool {
			status, err := statusOf(p.api, held)
			return err == nil && status == http.StatusUnauthorized
		})
	}
	t.Logf("the revoked key's token was refused by both after %s", time.Since(revoked))

	c.gone.Store(first.api, true)
	first.end(syscall.SIGKILL)
	rotateAndWait(t, environ, second.api)
	close(stop)
	working.Wait()
	if len(c.fault) > 0 {
		t.Errorf("%d failures beside %d answers, such as:\n%s", len(c.fault), c.sent.Load(), strings.Join(c.fault[:min(len(c.fault), 10)], "\n"))
	}
	if c.sent.Load() < 100 {
		t.Errorf("only %d requests were sent: this shows nothing", c.sent.Load())
	}
	t.Logf("%d requests", c.sent.Load())
}

// TestALogOutHoldsOnEveryInstance ends a token at one instance and uses it at the other.
func TestALogOutHoldsOnEveryInstance(t *testing.T) {
	t.Parallel()
	environ := instances(t)
	succeed(t, environ, "keys", "generate")
	first, second := serve(t, environ), serve(t, environ)
	token, err := clientToken(first.api)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := statusOf(second.api, token); err != nil || status != http.StatusOK {
		t.Fatalf("before it is ended, the token is answered %d, %v by the other instance", status, err)
	}
	if a := ask(t, "POST", first.api+"/api/logout", token, ""); a.status != http.StatusNoContent {
		t.Fatalf("log-out: %d %s", a.status, a.body)
	}
	ended := time.Now()
	if status, err := statusOf(first.api, token); err != nil || status != http.StatusUnauthorized {
		t.Errorf("right after the answer the same instance answers %d, %v", status, err)
	}
	until(t, "the other instance refuses it", func() bool {
		status, err := statusOf(second.api, token)
		return err == nil && status == http.StatusUnauthorized
	})
	t.Logf("the other instance refused it after %s", time.Since(ended))
}

// TestKeysTakeTurnsByThemselves waits for two keys that nobody has asked for.
func TestKeysTakeTurnsByThemselves(t *testing.T) {
	t.Parallel()
	environ := append(instances(t), "ROWPASS_KEYS_ROTATE_EVERY=3s")
	succeed(t, environ, "keys", "generate")
	p := serve(t, environ)
	signed := map[string]bool{}
	until(t, "a third key signs", func() bool {
		token, err := clientToken(p.api)
		if err != nil {
			t.Fatal(err)
		}
		signed[kidOf(token)] = true
		if status, err := statusOf(p.api, token); err != nil || status != http.StatusOK {
			t.Fatalf("its own token is answered %d, %v", status, err)
		}
		return len(signed) == 3
	})
	if told := succeed(t, environ, "audit", "--event", "rotate"); strings.Count(told, "standby to current") < 2 || strings.Contains(told, "by rowpass keys") {
		t.Errorf("the audit says:\n%s", told)
	}
}

// rotateAndWait makes a standby key and waits until an instance signs with it.
func rotateAndWait(t *testing.T, environ []string, address string) {
	t.Helper()
	before, err := publishedKids(address)
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, environ, "keys", "rotate")
	until(t, "a new key signs", func() bool {
		token, err := clientToken(address)
		return err == nil && !before[kidOf(token)]
	})
}

func clientToken(address string) (string, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+address+"/api/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	r.SetBasicAuth("client_load", instancesSecret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("status %d: %w", response.StatusCode, err)
	}
	return answer.AccessToken, nil
}

// statusOf uses a token.
func statusOf(address, token string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/api/tenants", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func publishedKids(address string) (map[string]bool, error) {
	response, err := http.Get("http://" + address + "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, err
	}
	kids := map[string]bool{}
	for _, k := range set.Keys {
		kids[k.Kid] = true
	}
	return kids, nil
}

func kidOf(token string) string {
	header, _, _ := strings.Cut(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(header)
	var h struct{ Kid string }
	_ = json.Unmarshal(text, &h)
	return h.Kid
}
