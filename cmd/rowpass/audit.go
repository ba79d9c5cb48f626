package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) auditCommand() *cobra.Command {
	var since time.Duration
	var filter db.EventFilter
	var lines bool
	c := &cobra.Command{
		Use: "audit", Short: "Show who got, lost or was refused which token", Args: noArgs,
		Example: "  rowpass audit --since 24h --event login --subject a0000000-0000-4000-8000-00000000000a",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Name != "" && !slices.Contains(eventNames, filter.Name) {
				return fmt.Errorf("--event %q: one of %s is needed", filter.Name, strings.Join(eventNames, ", "))
			}
			if since < 0 || filter.Limit < 1 {
				return fmt.Errorf("--since needs a time such as 24h, and --last a number above 0")
			}
			if since > 0 {
				filter.Since = time.Now().Add(-since)
			}
			return p.onState(cmd.Context(), func(_ Config, state *db.State) error {
				events, err := state.Events(cmd.Context(), filter)
				if err != nil {
					return fmt.Errorf("reading the audit: %w", err)
				}
				if lines {
					return writeEventLines(p.stdout, events)
				}
				return p.writeEventTable(events)
			})
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "how far back, a `duration` such as 24h (default: as far as audit.keep)")
	c.Flags().StringVar(&filter.Name, "event", "", "only this kind of `event`: "+strings.Join(eventNames, ", "))
	among(c, "event", eventNames...)
	c.Flags().StringVar(&filter.Subject, "subject", "", "only about this subject, by `id` of a user or a client")
	c.Flags().StringVar(&filter.ClientID, "client", "", "only of this client, by `id`")
	_ = c.RegisterFlagCompletionFunc("client", p.anywhere(clientIDs))
	c.Flags().IntVar(&filter.Limit, "last", 50, "the newest so many: a `number`")
	c.Flags().BoolVar(&lines, "json", false, "a JSON object a line, with every field")
	return c
}

// eventNames are the kinds of event that rowpass records.
var eventNames = []string{"issue", "refuse", "refresh", "revoke", "rotate", "login", "logout", "exchange", "link", "unlink"}

func (p *program) writeEventTable(events []db.Event) error {
	l := p.list("AT", "EVENT", "OUTCOME", "SUBJECT", "CLIENT", "KEY OR TOKEN", "FROM", "REASON")
	for _, e := range events {
		l.row(timeText(e.At), e.Name, l.ink.outcome(e.Outcome), printable(e.Subject), printable(e.ClientID),
			printable(cmp.Or(e.TokenID, e.KeyID)), e.Address, printable(e.Reason))
	}
	return l.write()
}

// eventLine is an event under the names of rowpass.audit's columns.
type eventLine struct {
	At        time.Time `json:"at"`
	Name      string    `json:"event"`
	Outcome   string    `json:"outcome"`
	Subject   string    `json:"subject"`
	ClientID  string    `json:"client_id"`
	Tenant    string    `json:"tenant"`
	TokenID   string    `json:"token_id"`
	KeyID     string    `json:"key_id"`
	Address   string    `json:"address"`
	RequestID string    `json:"request_id"`
	Reason    string    `json:"reason"`
}

func writeEventLines(to io.Writer, events []db.Event) error {
	out := json.NewEncoder(to)
	for _, e := range events {
		if err := out.Encode(eventLine(e)); err != nil {
			return err
		}
	}
	return nil
}
