package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) auditCommand() *cobra.Command {
	var since time.Duration
	var filter db.EventFilter
	var lines bool
	c := &cobra.Command{
		Use: "audit", Short: "Show who got, lost or was refused which token", Args: cobra.NoArgs,
		Example: "  rowpass audit --since 24h --event login --subject a0000000-0000-4000-8000-00000000000a",
		RunE: func(cmd *cobra.Command, _ []string) error {
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
				return writeEventTable(p.stdout, events)
			})
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "how far back, such as `24h` (default: as far as audit.keep)")
	c.Flags().StringVar(&filter.Name, "event", "", "only `issue`, refuse, refresh, revoke, rotate, login or logout")
	c.Flags().StringVar(&filter.Subject, "subject", "", "only about this subject, a user's `id` or a client's")
	c.Flags().StringVar(&filter.ClientID, "client", "", "only of this client, by `id`")
	c.Flags().IntVar(&filter.Limit, "last", 50, "how many at most, the newest")
	c.Flags().BoolVar(&lines, "json", false, "a JSON object a line, with every field")
	return c
}

func writeEventTable(to io.Writer, events []db.Event) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tEVENT\tOUTCOME\tSUBJECT\tCLIENT\tFROM\tREASON")
	for _, e := range events {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.At.UTC().Format(time.RFC3339), e.Name, e.Outcome, e.Subject, e.ClientID, e.Address, e.Reason)
	}
	return w.Flush()
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
