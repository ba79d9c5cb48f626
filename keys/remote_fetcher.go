package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"rowpass/outbound"
)

const maxETag = 512 // bytes

// fetcher asks strangers' servers, and none of ours unless it is allowed by name.
type fetcher struct {
	client *http.Client
	allow  outbound.Hosts
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
	hosts, err := outbound.Allow(allow)
	if err != nil {
		return fetcher{}, err
	}
	client := hosts.Client()
	client.Transport.(*http.Transport).DisableKeepAlives = true // fetches are rare, and each looks its name up again
	return fetcher{client: client, allow: hosts}, nil
}

// check looks at an address before it is asked.
func (f fetcher) check(address string) error {
	if err := f.allow.Check(address, "give other keys"); err != nil {
		return fmt.Errorf("its address %w", err)
	}
	return nil
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
