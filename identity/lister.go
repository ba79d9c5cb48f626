package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"rowpass/outbound"
)

// Lister reads a provider's users. Each call is one question or few, and waits and asks again where the provider wants that.
// Any number of goroutines may use one.
type Lister interface {
	// Page reads one page: the first with cursor "", each further one with the Next of the page before. A cursor is good for
	// another Lister of the same configuration, so that a run that broke goes on where it was.
	Page(ctx context.Context, cursor string) (Page, error)

	// User reads one user by its subject; found is false where the provider says that there is none.
	User(ctx context.Context, subject string) (user json.RawMessage, found bool, err error)
}

// Page is a part of a list. The same user may be in several, and where users are removed while pages are read, one may be in none.
type Page struct {
	Users []json.RawMessage // objects as Source.Profile reads them
	Next  string            // the next page's cursor; "": this is the last
	Total int               // how many users the provider says there are; 0: it doesn't say, not here
}

// ErrNoList says that a source has no list API, or none that was configured. The error around it says what to set.
var ErrNoList = errors.New("no list API")

// NewLister makes the Lister of a source, of which the preset says what its list API is like; for another API there is
// NewGenericLister. It asks nobody. Errors name the keys to set.
func NewLister(c SourceConfig) (Lister, error) { return newLister(c, sleep) }

func newLister(c SourceConfig, pause func(context.Context, time.Duration) error) (Lister, error) {
	api, ok := listAPIs()[c.Preset]
	if !ok {
		return nil, fmt.Errorf("source %s: %w: profiles come from events or tokens alone", c.Name, ErrNoList)
	}
	if err := api.check(c); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	hosts, err := outbound.Allow(c.API.AllowPrivate)
	if err != nil {
		return nil, fmt.Errorf("source %s: api.%w", c.Name, err)
	}
	base, err := baseOf(hosts, api.url(c.API))
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	client := &listClient{http: clientOf(hosts), base: base, header: http.Header{}, wants: api.wants, pause: pause}
	return api.make(client, c.API)
}

// listAPI is what is known of one make of list API.
type listAPI struct {
	needs []string // keys below api, without which there is no list
	wants string   // for a person: which keys to set to what, and what that must be allowed to
	url   func(APIConfig) string
	make  func(*listClient, APIConfig) (Lister, error)
}

func (a listAPI) check(c SourceConfig) error {
	given := c.API.given()
	missing := slices.DeleteFunc(slices.Clone(a.needs), func(key string) bool { return given[key] })
	switch {
	case len(missing) == len(a.needs):
		return fmt.Errorf("%w: to have one, set %s", ErrNoList, a.wants)
	case len(missing) > 0:
		return fmt.Errorf("the list API needs %s, too: set %s", strings.Join(missing, " and "), a.wants)
	}
	return nil
}

func (c APIConfig) given() map[string]bool {
	return map[string]bool{"api.url": c.URL != "", "api.key_file": c.Key != "", "api.client_id": c.ClientID != "",
		"api.client_secret_file": c.ClientSecret != "", "api.project_id": c.ProjectID != "", "api.realm": c.Realm != ""}
}

// clientOf keeps connections between the pages of a list.
func clientOf(hosts outbound.Hosts) *http.Client {
	client := hosts.Client()
	transport := client.Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 2, listTimeout
	return client
}

// readTheKey is what anybody on the way could do to a request that isn't encrypted.
const readTheKey = "read the key"

// baseOf is what the paths of an API are put behind.
func baseOf(hosts outbound.Hosts, address string) (string, error) {
	if err := hosts.Check(address, readTheKey); err != nil {
		return "", fmt.Errorf("api.url %w", err)
	}
	if strings.Contains(address, "?") {
		return "", errors.New("api.url has a ? in it: leave out what follows")
	}
	return strings.TrimRight(address, "/"), nil
}

// configuredURL is for providers of which each customer has one of its own.
func configuredURL(c APIConfig) string { return c.URL }

// sharedURL is for providers whose customers share one.
func sharedURL(address string) func(APIConfig) string {
	return func(c APIConfig) string {
		if c.URL != "" {
			return c.URL
		}
		return address
	}
}
