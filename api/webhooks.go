package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/identity"
)

// webhooksPath is what the addresses that events are sent to begin with.
const webhooksPath = "/webhooks/"

// maxEvent is how many bytes an event may have.
const maxEvent = 1 << 20

// maxEvents is how many events may come in one array.
const maxEvents = 100

// webhook takes a provider's events: once the answer is sent, they are kept. What they mean is found out later, so that no
// provider waits for that, nor gives up on us for an event that cannot be understood.
func (a *api) webhook(c echo.Context) error {
	r := c.Request()
	source, ok := a.Profiles.Sources[c.Param("source")]
	if !ok {
		return errNoRoute
	}
	attribute(r, "source", source.Name())
	body, err := a.verified(c, source)
	if err != nil {
		return err
	}
	if several(body, maxEvents) {
		return fmt.Errorf("%w: an array may have %d events; let the provider send fewer at once", errTooLarge, maxEvents)
	}
	events := source.Messages(r.Header, body)
	fresh, err := a.Profiles.Store.Accept(r.Context(), source.Name(), events...)
	if err != nil {
		return fmt.Errorf("keeping events of source %s: %w", source.Name(), err)
	}
	if known := len(events) - fresh; known > 0 {
		attribute(r, "duplicates", strconv.Itoa(known))
	}
	noStore(c)
	return c.JSONBlob(http.StatusOK, []byte("{}\n"))
}

// verified reads what a provider has signed, and reads nothing where the headers have no signature that could be right. What is
// refused is counted for the address that it comes from; what is right is taken even then.
func (a *api) verified(c echo.Context, source *identity.Source) (body []byte, err error) {
	r := c.Request()
	if err = source.Precheck(r.Header, a.Now()); err != nil {
		if r.ProtoMajor == 1 {
			c.Response().Header().Set("Connection", "close") // else net/http reads the body before it answers
		}
	} else if body, err = io.ReadAll(r.Body); err != nil {
		return nil, reading(err)
	} else if err = source.Verify(r.Header, body, a.Now()); err == nil {
		return body, nil
	}
	if limited := a.limitAddress(wrongSecretPerAddress, r); limited != nil {
		return nil, limited
	}
	return nil, fmt.Errorf("%w: %w", errEvent, err)
}

// several tells of an array that has more than so many elements. It looks no further.
func several(body []byte, most int) bool {
	elements := json.NewDecoder(bytes.NewReader(body))
	if start, err := elements.Token(); err != nil || start != json.Delim('[') {
		return false
	}
	for n := 0; elements.More(); n++ {
		var element json.RawMessage
		if n == most {
			return true
		}
		if elements.Decode(&element) != nil {
			return false
		}
	}
	return false
}

// errEvent is an event that is not from the provider.
var errEvent = errors.New("the event is not taken")

// isWebhook tells whether a request brings events, which may be larger than what callers send.
func (a *api) isWebhook(r *http.Request) bool {
	return a.Profiles != nil && strings.HasPrefix(r.URL.Path, webhooksPath)
}

// ProfilesConfig keeps the profiles of providers' users (package identity).
type ProfilesConfig struct {
	Store      *identity.Store
	Sources    map[string]*identity.Source // by their names, for POST /webhooks/{source}; those without events left out
	OfProvider map[string]*identity.Source // by the name of the provider whose users they have
}
