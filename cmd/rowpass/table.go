package main

import (
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// listing is what a command prints in columns: on a terminal with a bold heading, and aligned whatever the cells' colours and
// letters; elsewhere in plain columns two spaces apart, for scripts to cut.
type listing struct {
	to      io.Writer
	ink     ink
	heading []string
	rows    [][]string
}

// newListing has a heading, or none. Nothing is written before write.
func newListing(to io.Writer, i ink, heading ...string) *listing {
	return &listing{to: to, ink: i, heading: heading}
}

// list is a listing on standard output.
func (p *program) list(heading ...string) *listing { return newListing(p.stdout, p.ink(), heading...) }

// row adds one. What a cell holds of a caller's or the database's has to be printable already.
func (l *listing) row(cells ...string) { l.rows = append(l.rows, cells) }

func (l *listing) write() error {
	if l.ink && len(l.lines()) > 0 {
		return l.writeStyled()
	}
	w := tabwriter.NewWriter(l.to, 0, 0, 2, ' ', 0)
	for _, row := range l.lines() {
		if _, err := io.WriteString(w, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

// lines are the heading, where there is one, and the rows.
func (l *listing) lines() [][]string {
	if len(l.heading) == 0 {
		return l.rows
	}
	return append([][]string{l.heading}, l.rows...)
}

func (l *listing) writeStyled() error {
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Name: "columns", Box: table.BoxStyle{PaddingRight: "  "}, Options: table.OptionsNoBordersAndSeparators,
		Format: table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault},
	})
	w.SuppressTrailingSpaces()
	if len(l.heading) > 0 {
		w.AppendHeader(cells(l.heading, l.ink.bold))
	}
	for _, row := range l.rows {
		w.AppendRow(cells(row, func(cell string) string { return cell }))
	}
	_, err := io.WriteString(l.to, w.Render()+"\n")
	return err
}

func cells(row []string, paint func(string) string) table.Row {
	all := make(table.Row, len(row))
	for i, cell := range row {
		all[i] = paint(cell)
	}
	return all
}

// outcome colours a word that says how something stands, whatever spaces follow it.
func (i ink) outcome(word string) string {
	switch strings.TrimRight(word, " ") {
	case "ok", "applied", "current", "revoked from PUBLIC":
		return i.green(word)
	case "WRONG", "EXPOSED", "refused", "revoked", "high":
		return i.red(word)
	}
	return word
}

// fault colours a count that should be 0.
func (i ink) fault(n int64) string {
	if n == 0 {
		return "0"
	}
	return i.red(strconv.FormatInt(n, 10))
}
