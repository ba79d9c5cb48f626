package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/identity"
)

// reconcileCommand is sync reconcile, or sync backfill, which deletes nobody.
func (p *program) reconcileCommand(backfill bool) *cobra.Command {
	var massDelete bool
	c := &cobra.Command{
		Use: "reconcile [SOURCE]", Short: "Read a provider's whole list of users and make the rows agree", Args: upToOne("SOURCE"), ValidArgsFunction: p.names(sourceNames),
		Long: `Read a provider's whole list of users, page by page, and make the rows agree: users whom it lacks are asked for one by one, and
deleted if the provider says that there is none. What broke off goes on where it was. rowpass serve does it by itself with a source that is
silent for longer than sync.reconcile_after.`,
		Example: "  rowpass sync reconcile clerk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				found, err := all.named(args)
				if err != nil {
					return err
				}
				var errs []error
				for _, s := range found {
					errs = append(errs, p.readList(cmd.Context(), all, s, identity.ReconcileConfig{Backfill: backfill, AllowMassDelete: massDelete}, len(args) > 0))
				}
				return errors.Join(errs...)
			})
		},
	}
	if backfill {
		c.Use, c.Short, c.Example = "backfill [SOURCE]", "Read a provider's whole list of users, and delete nobody", "  rowpass sync backfill clerk"
		c.Long = "Read a provider's whole list of users, page by page, and add and change rows by it. Nobody is taken for deleted. What broke off goes on\nwhere it was."
		return c
	}
	c.Flags().BoolVar(&massDelete, "allow-mass-delete", false, "delete even more than a fifth of the users at once")
	return c
}

// readList reads one source's list. One without a list is an error only where it was named.
func (p *program) readList(ctx context.Context, all *profiles, s source, c identity.ReconcileConfig, named bool) error {
	if s.list == nil {
		if named {
			return fmt.Errorf("source %s has no list: give its api what the make needs; docs/profile-sync.md says what", s.Name())
		}
		_, err := fmt.Fprintf(p.stderr, "%s: has no list, and is left out\n", s.Name())
		return err
	}
	show := p.progress()
	c.Store, c.Source, c.Lister, c.Now, c.Report = all.Store, s.Source, s.list, time.Now, show.report
	done, err := identity.Reconcile(ctx, c)
	show.end()
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name(), err)
	}
	_, err = fmt.Fprintf(p.stdout, "%s: %d pages, added %d, changed %d, deleted %d, unchanged %d, newer here %d, drift %d\n",
		s.Name(), done.Pages, done.Counts.Added, done.Counts.Changed, done.Counts.Deleted, done.Counts.Unchanged, done.Counts.Stale, done.Drift)
	if done.Poisoned > 0 {
		fmt.Fprintf(p.stderr, "%s: %d users could not be understood and stay as they are; the first: %s\n", s.Name(), done.Poisoned, printable(done.Poison))
	}
	if done.Unsure > 0 {
		fmt.Fprintf(p.stderr, "%s: %d users are not in the list, and the provider doesn't say for certain that they are gone: they stay as they are\n", s.Name(), done.Unsure)
	}
	if done.Counts.Refused > 0 {
		fmt.Fprintf(p.stderr, "%s: %d users were not taken: their ids belong to another source\n", s.Name(), done.Counts.Refused)
	}
	return err
}

// progress shows how far a run is: a bar that is drawn anew on a terminal, else now and then a line.
type progress struct {
	to       io.Writer
	terminal bool
	last     time.Time
	drawn    bool
}

func (p *program) progress() *progress {
	return &progress{to: p.stderr, terminal: isTerminal(p.stderr)}
}

const (
	barWidth = 30
	drawEach = 100 * time.Millisecond
	lineEach = 5 * time.Second
)

func (b *progress) report(r identity.Progress) {
	each := lineEach
	if b.terminal {
		each = drawEach
	}
	now := time.Now()
	if now.Sub(b.last) < each {
		return
	}
	b.last = now
	if !b.terminal {
		fmt.Fprintln(b.to, describeProgress(r))
		return
	}
	b.drawn = true
	fmt.Fprintf(b.to, "\r\x1b[K%s%s", bar(r), describeProgress(r))
}

// end leaves the terminal's line to what follows.
func (b *progress) end() {
	if b.drawn {
		fmt.Fprint(b.to, "\r\x1b[K")
	}
}

func bar(r identity.Progress) string {
	if r.Total == 0 {
		return ""
	}
	full := min(barWidth, barWidth*r.Done/r.Total)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] "
}

func describeProgress(r identity.Progress) string {
	what := "read"
	if r.Listed {
		what = "asked for, of those whom the list lacks"
	}
	text := fmt.Sprintf("%s: %d", r.Source, r.Done)
	if r.Total > 0 {
		text += fmt.Sprintf(" of %d", r.Total)
	}
	text += fmt.Sprintf(" users %s; added %d, changed %d, deleted %d", what, r.Counts.Added, r.Counts.Changed, r.Counts.Deleted)
	if r.Resumed {
		text += "; goes on where it broke off"
	}
	return text
}
