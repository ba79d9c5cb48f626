package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rowpass/db/dbtest"
	"rowpass/db/embedded"
)

// TestTutorial does what docs/tutorial.md says, in its order, and compares what comes out.
func TestTutorial(t *testing.T) {
	t.Parallel()
	follow(t, "tutorial.md", (*reader).sql)
}

// TestIssuerPage does the same with docs/issuer.md, whose statements are the owner's on the private PostgreSQL.
func TestIssuerPage(t *testing.T) {
	t.Parallel()
	follow(t, "issuer.md", (*reader).owner)
}

func follow(t *testing.T, page string, sql func(*reader, string)) {
	t.Helper()
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the tutorial needs ", program)
		}
	}
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	for _, b := range blocks(string(text)) {
		switch b.kind {
		case "console":
			r.session(b.text)
		case "sh":
			r.run(b.text, "")
		case "yaml":
			r.save(b.text)
		case "sql":
			sql(r, b.text)
		default:
			t.Errorf("nobody checks a block of kind %q", b.kind)
		}
	}
}

type block struct{ kind, text string }

// blocks are the fenced ones.
func blocks(markdown string) (found []block) {
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		found = append(found, block{m[1], m[2]})
	}
	return found
}

// reader is somebody who follows the tutorial, in a folder and with ports of its own.
type reader struct {
	t         *testing.T
	dir       string
	environ   []string
	superuser string            // of the PostgreSQL that stands for the reader's own
	translate *strings.Replacer // from the tutorial's addresses to ours

	in     io.Writer     // of the shell in the second terminal
	out    *bufio.Reader // what it and its programs print
	server *terminal     // the first terminal; nil while nothing runs there
}

func newReader(t *testing.T) *reader {
	api, admin := freePort(t), freePort(t)
	r := &reader{t: t, dir: t.TempDir(), superuser: dbtest.NewEmpty(t).SuperuserURL}
	r.environ = environment(t, "ROWPASS_LISTEN=127.0.0.1:"+api, "ROWPASS_ADMIN_LISTEN=127.0.0.1:"+admin, "ROWPASS_PUBLIC_URL=http://localhost:"+api)
	u, err := url.Parse(r.superuser)
	if err != nil {
		t.Fatal(err)
	}
	r.translate = strings.NewReplacer("localhost:8080", "localhost:"+api, "127.0.0.1:8080", "127.0.0.1:"+api, "127.0.0.1:8081", "127.0.0.1:"+admin,
		"localhost:5432/app", "/app?"+u.RawQuery)
	r.unpack()
	r.openShell()
	return r
}

// unpack makes what the reader has after make: the program and the configuration.
func (r *reader) unpack() {
	program, err := exec.LookPath("rowpass")
	if err != nil {
		r.t.Fatal(err)
	}
	config, err := os.ReadFile("../../config.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	// The environment says where this reader's server listens.
	write(r.t, filepath.Join(r.dir, "config.yaml"), string(config), 0o600)
	if err := os.Mkdir(filepath.Join(r.dir, "keys"), 0o755); err != nil { // as in a checkout, where it holds source
		r.t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, "bin"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(r.dir, "bin", "rowpass")); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) openShell() {
	shell := exec.Command("sh")
	shell.Dir, shell.Env = r.dir, r.environ
	in, err := shell.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	shell.Stderr = shell.Stdout
	if err := shell.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = in.Close()
		_ = shell.Wait()
	})
	r.in, r.out = in, bufio.NewReader(out)
}

// session types what stands behind each $ and expects what follows. ^C goes to the first terminal.
func (r *reader) session(text string) {
	steps := regexp.MustCompile(`(?m)^(?:\$ |\^C\n)`)
	starts := steps.FindAllStringIndex(text, -1)
	for i, start := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if text[start[0]] == '^' {
			r.interrupt(text[start[1]:end])
			continue
		}
		command, want, _ := strings.Cut(text[start[1]:end], "\n")
		if command == "make run" {
			command = "bin/rowpass serve"
		}
		if strings.HasPrefix(command, "bin/rowpass serve") {
			r.serve(command, want)
			continue
		}
		r.run(command, want)
	}
}

// endOfOutput is a line that no command of the tutorial prints.
const endOfOutput = "=== status "

// run types a command into the second terminal.
func (r *reader) run(command, want string) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.in, "%s\nprintf '\\n%s%%d\\n' $?\n", r.translate.Replace(command), endOfOutput); err != nil {
		r.t.Fatal(err)
	}
	var got strings.Builder
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("$ %s\n%s: %v", command, got.String(), err)
		}
		if status, ok := strings.CutPrefix(line, endOfOutput); ok {
			r.compare(command, got.String(), want, status)
			return
		}
		got.WriteString(line)
	}
}

func (r *reader) compare(command, got, want, status string) {
	got = strings.TrimRight(got, "\n") + "\n"
	if want == "" {
		want = "\n"
	}
	if status != "0\n" || !pattern(r.translate.Replace(want), "$").MatchString(got) {
		r.t.Fatalf("$ %s\n%s(status %s)\nthe tutorial says:\n%s", command, got, strings.TrimSpace(status), want)
	}
}

// pattern makes ... anything within a line, and a line of its own any number of lines.
func pattern(want, end string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for line := range strings.Lines(want) {
		if line == "...\n" {
			b.WriteString("(?:.*\n)*?")
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, ".*"))
	}
	return regexp.MustCompile(b.String() + end)
}

// terminal is the first one, in which rowpass serves.
type terminal struct {
	cmd    *exec.Cmd
	screen *trigger
	ended  chan error
}

// serve starts a server and waits until it has printed what is wanted.
func (r *reader) serve(command, want string) {
	words := strings.Fields(command)
	first := &terminal{exec.Command(filepath.Join(r.dir, words[0]), words[1:]...), new(trigger), make(chan error, 1)}
	first.cmd.Dir, first.cmd.Env, first.cmd.Stdout, first.cmd.Stderr = r.dir, r.environ, first.screen, first.screen
	if err := first.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		first.ended <- first.cmd.Wait()
		close(ended)
	}()
	r.t.Cleanup(func() {
		_ = first.cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	r.server = first
	p := pattern(r.translate.Replace(want), "")
	until(r.t, command+" prints\n"+want, func() bool {
		select {
		case <-ended:
			r.t.Fatalf("$ %s\n%s", command, first.screen)
		default:
		}
		return p.MatchString(first.screen.String())
	})
}

// interrupt stops the server, which then prints what is wanted.
func (r *reader) interrupt(want string) {
	before := len(r.server.screen.String())
	_ = r.server.cmd.Process.Signal(os.Interrupt)
	if err := <-r.server.ended; err != nil {
		r.t.Errorf("after Ctrl-C: %v", err)
	}
	// A request that was just answered may get its line in the log first.
	if printed := r.server.screen.String()[before:]; !pattern("...\n"+want, "").MatchString(printed) {
		r.t.Errorf("after Ctrl-C the server prints:\n%s\nthe tutorial says:\n%s", printed, want)
	}
}

// save writes a file, whose name its first line tells.
func (r *reader) save(text string) {
	name, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	write(r.t, filepath.Join(r.dir, name), r.translate.Replace(text), 0o644)
}

// sql runs statements as the superuser of the reader's own PostgreSQL. Ours has the callers' roles already, which belong to
// another owner, whereas the reader's would be made by its own.
func (r *reader) sql(text string) {
	dbtest.Exec(r.t, r.superuser, "drop database if exists app with (force)", "drop role if exists app_gateway, app_service", "drop role if exists app_owner")
	for statement := range strings.SplitSeq(strings.TrimSpace(text), ";\n") {
		dbtest.Exec(r.t, r.superuser, statement)
	}
	dbtest.Exec(r.t, r.superuser, "grant authenticated, anonymous to app_owner with admin option")
}

// owner runs statements as the owner of the private PostgreSQL that is running.
func (r *reader) owner(text string) {
	server, err := embedded.Attach(r.t.Context(), embedded.Config{
		StateDir: lookup(r.environ, "ROWPASS_STATE_DIR"), Logins: []string{embeddedOwner}, Database: embeddedDatabase, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	dbtest.Exec(r.t, server.URL(embeddedOwner, embeddedDatabase), text)
}

// freePort is one that nobody listens on. It is below those that systems give away, to port 0 and to clients, so that it
// stays free until the server takes it.
func freePort(t *testing.T) string {
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
