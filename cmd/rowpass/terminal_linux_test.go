package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs rowpass with a terminal for its output, and gives what that shows.
func onTerminal(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal can be had: ", err)
	}
	defer func() { _ = screen.Close() }()
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(screen) // ends with EIO, once nobody holds the terminal
		shown <- string(text)
	}()
	status := run(t.Context(), args, environ, strings.NewReader(""), terminal, terminal)
	_ = terminal.Close()
	text := strings.ReplaceAll(<-shown, "\r\n", "\n")
	if status != 0 {
		t.Fatalf("status %d: %s", status, text)
	}
	return text
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	environ := environment(t)
	succeed(t, environ, "keys", "generate")
	plain := succeed(t, environ, "keys", "list")
	for _, tt := range []struct {
		name, variable string
		coloured       bool
	}{
		{"a terminal", "TERM=xterm-256color", true},
		{"NO_COLOR", "NO_COLOR=1", false},
		{"an empty NO_COLOR, which says nothing", "NO_COLOR=", true},
		{"a terminal that knows no colours", "TERM=dumb", false},
	} {
		shown := onTerminal(t, append(environ, tt.variable), "keys", "list")
		if coloured := strings.Contains(shown, "\x1b[1mKID\x1b[0m") && strings.Contains(shown, "\x1b[32mcurrent\x1b[0m"); coloured != tt.coloured {
			t.Errorf("%s: %q", tt.name, shown)
		}
		if !tt.coloured && shown != plain {
			t.Errorf("%s:\n%q, and elsewhere\n%q", tt.name, shown, plain)
		}
	}
}
