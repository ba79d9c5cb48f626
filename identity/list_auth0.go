package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	auth0Page  = 100
	auth0Pages = 10 // of one search: it gives no more than 1,000 users
	auth0Start = "1970-01-01T00:00:00.000Z"
)

// auth0Users walks by the time of creation: each page is the beginning of a search for users that are as old as the last one of the
// page before, or younger. A single search would end after 1,000 users. The search lags behind a little, so that the newest may be
// missing; User asks elsewhere, where nothing lags.
type auth0Users struct{ restList }

func auth0List(c *listClient, cfg APIConfig) (Lister, error) {
	c.token = &listToken{path: "/oauth/token", id: cfg.ClientID, secret: cfg.ClientSecret, secretInForm: true,
		form: url.Values{"audience": {c.base + "/api/v2/"}}}
	return &auth0Users{restList{client: c, one: below("/api/v2/users/")}}, nil
}

// Page has a cursor of a time and, where so many users were made at it that one page doesn't hold them, a number behind a space.
func (l *auth0Users) Page(ctx context.Context, cursor string) (Page, error) {
	since, page := auth0Cursor(cursor)
	a, err := l.client.send(ctx, listRequest{path: "/api/v2/users", query: url.Values{
		"search_engine": {"v3"}, "q": {"created_at:[" + since + " TO *]"}, "sort": {"created_at:1"},
		"per_page": {strconv.Itoa(auth0Page)}, "page": {strconv.Itoa(page)}, "include_totals": {"true"}}})
	if err != nil {
		return Page{}, err
	}
	users, err := usersAt(a.body, Path{"users"})
	if err != nil {
		return Page{}, err
	}
	p := Page{Users: users}
	if cursor == "" {
		p.Total = numberAt(a.body, Path{"total"})
	}
	p.Next, err = auth0Next(since, page, users)
	return p, err
}

func auth0Cursor(cursor string) (since string, page int) {
	since, number, _ := strings.Cut(cursor, " ")
	if _, err := time.Parse(time.RFC3339, since); err != nil {
		return auth0Start, 0
	}
	return since, integer(number)
}

func auth0Next(since string, page int, users []json.RawMessage) (string, error) {
	if len(users) == 0 {
		return "", nil
	}
	last := textAt(users[len(users)-1], Path{"created_at"})
	at, err := time.Parse(time.RFC3339, last)
	if err != nil {
		return "", errors.New("the list API gives a user whose created_at is no time: pages can't be told apart")
	}
	if from, _ := time.Parse(time.RFC3339, since); at.After(from) {
		return last, nil
	}
	if len(users) < auth0Page {
		return "", nil
	}
	if page+1 >= auth0Pages {
		return "", errors.New("more than 1,000 users have the same created_at, and Auth0's search gives no more of them: let events bring the others")
	}
	return since + " " + strconv.Itoa(page+1), nil
}
