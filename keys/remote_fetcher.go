package keys

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxAnswerHeader = 64 << 10 // bytes
	maxETag         = 512
)

// fetcher asks strangers' servers, and none of ours unless it is allowed by name.
type fetcher struct {
	client *http.Client
	allow  allowed
}

// answer is a document, or that it is the same as the one with the ETag that was sent.
type answer struct {
	document []byte
	same     bool
	header   http.Header
}

// etag is what to ask with for the next one; "" where there is none, or none that one would want to send.
func (a answer) etag() string {
	if tag := a.header.Get("ETag"); len(tag) <= maxETag {
		return tag
	}
	return ""
}

// refusedError is an answer that is no document.
type refusedError struct {
	text   string
	header http.Header
}

func (e *refusedError) Error() string { return e.text }

func newFetcher(allow []string) (fetcher, error) {
	a, err := newAllowed(allow)
	if err != nil {
		return fetcher{}, err
	}
	transport := &http.Transport{
		DialContext:            a.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // fetches are rare, and each looks its name up again
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return fetcher{client: &http.Client{Transport: transport, CheckRedirect: stay}, allow: a}, nil
}

// check looks at an address before it is asked. Where its name leads to is looked at when it is dialled.
func (f fetcher) check(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("its address is no URL: give one that begins with https://")
	}
	switch {
	case u.User != nil:
		return errors.New("its address has a user or a password in it: key sets are public, leave that out")
	case u.Fragment != "":
		return errors.New("its address has a # in it: leave out what follows")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("its address begins with %.20q: give one that begins with https://", u.Scheme)
	case u.Scheme == "http" && !f.allow.has(u.Hostname(), port(u)):
		return fmt.Errorf("its address is not https, so anybody on the way could give other keys: name %s in allow_private if that is your own network", u.Host)
	}
	return nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// get fetches one document, within 64 KiB and what ctx allows. etag is that of the document which the caller has; "" if it
// has none.
func (f fetcher) get(ctx context.Context, address, etag string) (answer, error) {
	if err := f.check(address); err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, errors.New("its address is no URL")
	}
	request.Header.Set("User-Agent", "rowpass")
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	defer f.client.CloseIdleConnections() // ends a dial that would go on without us, too
	response, err := f.client.Do(request)
	if err != nil {
		return answer{}, explain(err)
	}
	defer response.Body.Close()
	return read(response, etag)
}

// explain leaves out the address, whose query may be nobody's business.
func explain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no whole answer came within %s", fetchTimeout)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func read(response *http.Response, etag string) (answer, error) {
	if response.StatusCode == http.StatusNotModified && etag != "" {
		return answer{same: true, header: response.Header}, nil
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, refused(response)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return answer{}, explain(err)
	}
	if len(document) > maxKeySet {
		return answer{}, fmt.Errorf("the answer has more than %d bytes, so it is no key set", maxKeySet)
	}
	return answer{document: document, header: response.Header}, nil
}

func refused(response *http.Response) error {
	text := fmt.Sprintf("it answered with status %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	if to, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		text = fmt.Sprintf("it redirects to %.200q, which is not followed: configure that address if it is the provider's", to.Scheme+"://"+to.Host+to.Path)
	}
	return &refusedError{text: text, header: response.Header}
}

// allowed are hosts, and hosts with a port, in lower case.
type allowed []string

func newAllowed(names []string) (allowed, error) {
	a := make(allowed, len(names))
	for i, name := range names {
		host, p, err := net.SplitHostPort(name)
		if err != nil {
			host, p = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), ""
		}
		if host == "" || strings.ContainsAny(host, "/@*?# []") || strings.Trim(p, "0123456789") != "" {
			return nil, fmt.Errorf("allow has %.100q: give a host, or host:port, such as keycloak:8080", name)
		}
		a[i] = strings.ToLower(host)
		if p != "" {
			a[i] = net.JoinHostPort(a[i], p)
		}
	}
	return a, nil
}

func (a allowed) has(host, port string) bool {
	host = strings.ToLower(host)
	return slices.Contains(a, host) || slices.Contains(a, net.JoinHostPort(host, port))
}
