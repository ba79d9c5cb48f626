package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rowpass/db/dbtest"
)

// TestSessions runs the sessions of testdata/script. Beside the commands of testscript they know those of commands below,
// and rowpass itself.
func TestSessions(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: commands(), Setup: prepare, RequireUniqueNames: true})
}

// session is what the commands of a script share.
type session struct {
	t       testing.TB
	environ []string // of rowpass
}

// prepare gives each session a state folder and ports.
func prepare(e *testscript.Env) error {
	t := e.T().(testing.TB)
	s := &session{t, environment(t)}
	e.Vars = append(e.Vars, s.environ...)
	e.Values["session"] = s
	return nil
}

func sessionOf(ts *testscript.TestScript) *session { return ts.Value("session").(*session) }

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"age":      ageRing,
		"database": useDatabase,
		"kid":      kidOfState,
		"let":      let,
		"mode":     mode,
		"newkey":   newKey,
		"owner":    asOwner,
		"payload":  payload,
		"refused":  refused,
		"serve":    serveInSession,
		"get":      get,
	}
}

// useDatabase [empty] gives rowpass a database by its URLs: a migrated and seeded one, or one that nothing was done to.
func useDatabase(ts *testscript.TestScript, _ bool, args []string) {
	s, create := sessionOf(ts), dbtest.New
	if len(args) > 0 {
		create = dbtest.NewEmpty
	}
	for _, pair := range external(create(s.t)) {
		name, value, _ := strings.Cut(pair, "=")
		ts.Setenv(name, value)
		s.environ = append(s.environ, pair)
	}
}

// let NAME sets a variable to what the last command printed.
func let(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// mode MODE FILE checks a file's mode.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// newKey NAME writes a private key to NAME.pem (PKCS #8) and NAME.jwk, and its public half to NAME.pub.pem.
func newKey(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	ts.Check(err)
	point, err := key.PublicKey.Bytes() // 4, x, y
	ts.Check(err)
	d, err := key.Bytes()
	ts.Check(err)
	encode := base64.RawURLEncoding.EncodeToString
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q,"d":%q}`, encode(point[1:33]), encode(point[33:]), encode(d))
	for suffix, text := range map[string]string{
		".jwk":     jwk,
		".pem":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		".pub.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+suffix), []byte(text), 0o600))
	}
}

// payload prints the claims of the token that the last command printed.
func payload(ts *testscript.TestScript, _ bool, _ []string) {
	parts := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), ".")
	if len(parts) != 3 {
		ts.Fatalf("this is no token: %q", parts)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	ts.Check(err)
	_, _ = fmt.Fprintf(ts.Stdout(), "%s\n", claims)
}

// serveInSession ARG… starts rowpass serve, for as long as the session lasts, and sets API to where it is.
func serveInSession(ts *testscript.TestScript, _ bool, args []string) {
	s := sessionOf(ts)
	ts.Setenv("API", serve(s.t, s.environ, args...).api)
}

// get ADDRESS [TOKEN] prints the answer's body; with ! the status must not be 200.
func get(ts *testscript.TestScript, neg bool, args []string) {
	a := ask(sessionOf(ts).t, "GET", args[0], strings.Join(args[1:], ""), "")
	if (a.status == 200) == neg {
		ts.Fatalf("%s was answered with %d: %s", args[0], a.status, a.body)
	}
	_, _ = fmt.Fprint(ts.Stdout(), a.body)
}
