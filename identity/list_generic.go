package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rowpass/outbound"
)

// GenericList says where a list API of no known make has what.
type GenericList struct {
	// URL is a page's address, with one of {cursor}, {page} (from 1 on) and {offset} (from 0 on) where the place goes. With none
	// of them, one page has all users.
	URL string

	// UserURL is one user's address, with {id} where its subject goes. It answers 404 if there is no such user, and only then: by
	// that, rows are deleted.
	UserURL string

	Users Path // of a page's array; empty: the page is that array
	Next  Path // of the next page's cursor, for {cursor}; the list ends where that is missing, null or ""
	Total Path // of the number of all users; empty: a page doesn't say
	User  Path // of the user object in UserURL's answer; empty: it is that object
}

// NewGenericLister is NewLister for a list API of no known make, which c.API.Key is a bearer token for; "": none is sent.
func NewGenericLister(c SourceConfig, g GenericList) (Lister, error) {
	return newGenericLister(c, g, sleep)
}

func newGenericLister(c SourceConfig, g GenericList, pause func(context.Context, time.Duration) error) (Lister, error) {
	if g.URL == "" && g.UserURL == "" {
		return nil, fmt.Errorf("source %s: %w: to have one, set api.url and api.user_url", c.Name, ErrNoList)
	}
	hosts, err := outbound.Allow(c.API.AllowPrivate)
	if err != nil {
		return nil, fmt.Errorf("source %s: api.%w", c.Name, err)
	}
	if err := g.check(hosts); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	client := &listClient{http: clientOf(hosts), header: http.Header{}, wants: "api.key_file to a token that may read all users", pause: pause}
	if c.API.Key != "" {
		client.header.Set("Authorization", "Bearer "+c.API.Key)
	}
	return g.lister(client), nil
}

func (g GenericList) check(hosts outbound.Hosts) error {
	if err := hosts.Check(g.URL, readTheKey); err != nil {
		return fmt.Errorf("api.url %w", err)
	}
	if err := hosts.Check(g.UserURL, readTheKey); err != nil {
		return fmt.Errorf("api.user_url %w", err)
	}
	places := 0
	for _, name := range []string{"{cursor}", "{page}", "{offset}"} {
		places += strings.Count(g.URL, name)
	}
	switch {
	case places > 1:
		return errors.New("api.url: one of {cursor}, {page} and {offset} is allowed, once")
	case strings.Contains(g.URL, "{cursor}") != (len(g.Next) > 0):
		return errors.New("api.next: say where a page has the next one's cursor if api.url has {cursor}, and only then")
	case !strings.Contains(g.UserURL, "{id}"):
		return errors.New("api.user_url: put {id} where the user's id goes")
	}
	return nil
}

func (g GenericList) lister(c *listClient) *restList {
	l := &restList{client: c, users: g.Users, user: g.User, next: noNext,
		page: func(cursor string) listRequest {
			return listRequest{path: fill(g.URL, cursor, "{cursor}", "{page}", "{offset}")}
		},
		one: func(subject string) listRequest { return listRequest{path: fill(g.UserURL, subject, "{id}")} },
	}
	switch {
	case strings.Contains(g.URL, "{cursor}"):
		l.next = nextAt(g.Next)
	case strings.Contains(g.URL, "{page}"):
		l.first, l.next = "1", nextNumber
	case strings.Contains(g.URL, "{offset}"):
		l.first, l.next = "0", nextOffset
	}
	if len(g.Total) > 0 {
		l.total = totalAt(g.Total)
	}
	return l
}

// fill puts value where the names are, so that it stays one value in a path as well as in a query.
func fill(address, value string, names ...string) string {
	escaped := strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	for _, name := range names {
		address = strings.ReplaceAll(address, name, escaped)
	}
	return address
}
