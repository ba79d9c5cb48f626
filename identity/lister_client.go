package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"rowpass/outbound"
)

const (
	listTimeout = 10 * time.Second // one request, to the answer's last byte
	maxListPage = 8 << 20          // bytes
)

// ErrListKey says that the provider refuses the credentials. The error around it says which key to set.
var ErrListKey = errors.New("the list API refuses the credentials")

var (
	// errAbsent is the answer of an API that doesn't know what it was asked for.
	errAbsent = errors.New("the list API answered with status 404 Not Found: check api.url")
	// errBadRequest is a token endpoint's answer to wrong credentials, too (RFC 6749, section 5.2).
	errBadRequest = errors.New("the list API answered with status 400 Bad Request: check api.url")
)

// listClient asks one provider's API. Any number of goroutines may use it.
type listClient struct {
	http   *http.Client
	base   string      // of all addresses, without a slash at its end
	header http.Header // goes with each request
	token  *listToken  // likewise; nil: none is needed
	wants  string      // for a person: the keys to set, and to what
	pause  func(context.Context, time.Duration) error
}

// listRequest is one question to the API.
type listRequest struct {
	path  string // behind the base, escaped
	query url.Values
	body  any // goes as JSON, by POST; nil: a GET
}

type listAnswer struct {
	body   []byte
	header http.Header
}

// send asks, and again where that may help: as late as the provider says, or after 1, 2, 4, 8 and 16 seconds.
func (c *listClient) send(ctx context.Context, r listRequest) (listAnswer, error) {
	for failures := 1; ; failures++ {
		a, err := c.sendOnce(ctx, r)
		var retry *retryError
		if !errors.As(err, &retry) {
			return a, err
		}
		if failures > listRetries {
			return a, fmt.Errorf("%w, %d times in a row: try again later", err, failures)
		}
		if ended := c.pause(ctx, retry.wait(failures)); ended != nil {
			return listAnswer{}, fmt.Errorf("%w, and there was no time to ask again: %w", err, ended)
		}
	}
}

// sendOnce takes a new token where the old one is refused, since that is how one learns that it ran out.
func (c *listClient) sendOnce(ctx context.Context, r listRequest) (listAnswer, error) {
	for first := true; ; first = false {
		bearer, err := c.token.take(ctx, c)
		if err != nil {
			return listAnswer{}, err
		}
		a, err := c.try(ctx, r, bearer)
		if !first || bearer == "" || !errors.Is(err, ErrListKey) {
			return a, err
		}
		c.token.drop(bearer)
	}
}

func (c *listClient) try(ctx context.Context, r listRequest, bearer string) (listAnswer, error) {
	request, err := c.request(r)
	if err != nil {
		return listAnswer{}, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return c.exchange(ctx, request)
}

func (c *listClient) request(r listRequest) (*http.Request, error) {
	address, method, body := c.base+r.path, http.MethodGet, []byte(nil)
	if r.query != nil {
		address += "?" + r.query.Encode()
	}
	if r.body != nil {
		method = http.MethodPost
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("writing request: %w", err)
		}
	}
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("api.url makes no address that can be asked: check it")
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	if r.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// exchange sends one request and takes a whole answer, of at most 8 MiB, within 10 s.
func (c *listClient) exchange(ctx context.Context, request *http.Request) (listAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	request.Header.Set("User-Agent", "rowpass")
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request.WithContext(ctx))
	if err != nil {
		return listAnswer{}, explainFetch(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return listAnswer{}, c.refused(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxListPage+1))
	if err != nil {
		return listAnswer{}, explainFetch(err)
	}
	if len(body) > maxListPage {
		return listAnswer{}, errors.New("the list API's answer has more than 8 MiB, so it is no page of users: check api.url")
	}
	return listAnswer{body: body, header: response.Header}, nil
}

// explainFetch leaves out the address, whose query may be nobody's business.
func explainFetch(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	err = fmt.Errorf("asking the list API: %w", err)
	var certificate *tls.CertificateVerificationError
	if errors.Is(err, outbound.ErrPrivate) || errors.As(err, &certificate) {
		return err
	}
	return &retryError{err: err}
}

// refused says what an answer that is no page means. Its body is not looked at: it may repeat what was sent.
func (c *listClient) refused(response *http.Response) error {
	status := response.StatusCode
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w (status %d): set %s", ErrListKey, status, c.wants)
	case status == http.StatusNotFound:
		return errAbsent
	case status == http.StatusBadRequest:
		return errBadRequest
	case status == http.StatusTooManyRequests || status >= 500:
		err := fmt.Errorf("the list API answered with status %d %s", status, http.StatusText(status))
		return &retryError{err: err, after: retryAfter(response.Header)}
	}
	if to, err := response.Location(); err == nil && status/100 == 3 {
		return fmt.Errorf("the list API redirects to %.200q, which is not followed: set api.url to that address if it is the provider's", to.Scheme+"://"+to.Host)
	}
	return fmt.Errorf("the list API answered with status %d %s: check api.url", status, http.StatusText(status))
}
