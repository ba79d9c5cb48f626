package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// process is a rowpass that serves, in a process of its own.
type process struct {
	cmd        *exec.Cmd
	api, admin string // host:port
	log        *trigger
	ended      chan struct{}
}

// serve starts rowpass and returns when it serves.
func serve(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("rowpass", append([]string{"serve"}, args...)...), ended: make(chan struct{})}
	serving := make(chan struct{})
	p.log = &trigger{text: `"msg":"serving"`, then: func() { close(serving) }}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = environ, t.TempDir(), p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() { p.end(os.Interrupt) })
	select {
	case <-serving:
	case <-p.ended:
		t.Fatalf("rowpass serve ended with %s:\n%s", p.cmd.ProcessState, p.log)
	}
	p.findAddresses(t)
	return p
}

func (p *process) findAddresses(t testing.TB) {
	for lines := bufio.NewScanner(strings.NewReader(p.log.String())); lines.Scan(); {
		var line struct{ Msg, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			p.api, p.admin = line.Listen, line.Admin
			return
		}
	}
	t.Fatalf("no address in the log:\n%s", p.log)
}

// end sends a signal and waits for the process's end. It returns the exit status, -1 after a signal that killed.
func (p *process) end(signal os.Signal) int {
	_ = p.cmd.Process.Signal(signal)
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// answer is what a request came to.
type answer struct {
	status int
	body   string
}

// ask sends a request with a bearer token, or without any where that is empty.
func ask(t testing.TB, method, address, bearer, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, string(text)}
}
