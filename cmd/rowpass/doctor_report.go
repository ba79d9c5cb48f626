package main

import (
	"fmt"
	"io"
	"strings"

	"rowpass/doctor"
)

// ink colours what a person reads on a terminal.
type ink bool

// ink is off where the output is no terminal, or the user wants none (https://no-color.org).
func (p *program) ink() ink {
	for _, variable := range p.environ {
		if name, value, _ := strings.Cut(variable, "="); name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			return false
		}
	}
	return ink(isTerminal(p.stdout))
}

func (i ink) bold(text string) string  { return i.paint("1", text) }
func (i ink) faint(text string) string { return i.paint("2", text) }
func (i ink) green(text string) string { return i.paint("32", text) }
func (i ink) red(text string) string   { return i.paint("31", text) }

func (i ink) paint(code, text string) string {
	if !i {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// severity writes one in its colour, as wide as the widest.
func (i ink) severity(s doctor.Severity) string {
	code := map[doctor.Severity]string{doctor.High: "1;31", doctor.Medium: "33", doctor.Low: "36"}[s]
	return i.paint(code, fmt.Sprintf("%-6s", s))
}

// writeFinding writes one finding. Names in it are the database's, so nothing of it reaches the terminal unseen.
func writeFinding(to io.Writer, i ink, f doctor.Finding) {
	fmt.Fprintf(to, "%s  %s  %s\n", i.severity(f.Severity), f.ID, i.bold(printable(f.Object)))
	fmt.Fprintf(to, "  %s.\n", printable(f.Title))
	fmt.Fprintf(to, "  %s %s\n", i.faint("why:  "), printable(f.Why))
	fmt.Fprintf(to, "  %s %s\n", i.faint("costs:"), printable(f.Costs))
	writeMend(to, i, f.Mend)
	fmt.Fprintln(to)
}

// shownLines is how much of a mend is shown: some are as long as PostgreSQL's list of functions.
const shownLines = 10

func writeMend(to io.Writer, i ink, mend string) {
	if mend == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(mend, "\n"), "\n")
	label := i.faint("mend: ")
	for _, statement := range lines[:min(len(lines), shownLines)] {
		fmt.Fprintf(to, "  %s %s\n", label, printable(statement))
		label = "      "
	}
	if more := len(lines) - shownLines; more > 0 {
		fmt.Fprintf(to, "         … and %d lines more, which --fix FILE writes\n", more)
	}
}
