package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// listToken gets access tokens by client credentials (RFC 6749, section 4.4). It keeps one until it is refused, which asks for
// no clock. A nil one has none.
type listToken struct {
	path         string // behind the client's base
	id, secret   string
	form         url.Values // what the provider wants beside the grant
	secretInForm bool       // else the secret goes by Basic

	mu   sync.Mutex
	held string // guarded by mu
}

// take gives the token that is held, or a new one; those who come meanwhile wait for it.
func (t *listToken) take(ctx context.Context, c *listClient) (string, error) {
	if t == nil {
		return "", nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held != "" {
		return t.held, nil
	}
	fresh, err := t.fetch(ctx, c)
	if err != nil {
		return "", fmt.Errorf("getting an access token: %w", err)
	}
	t.held = fresh
	return fresh, nil
}

// drop forgets the token, unless it is another one by now.
func (t *listToken) drop(used string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == used {
		t.held = ""
	}
}

func (t *listToken) fetch(ctx context.Context, c *listClient) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, values := range t.form {
		form[name] = values
	}
	if t.secretInForm {
		form.Set("client_id", t.id)
		form.Set("client_secret", t.secret)
	}
	request, err := http.NewRequest(http.MethodPost, c.base+t.path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", errors.New("api.url makes no address that can be asked: check it")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !t.secretInForm {
		request.SetBasicAuth(url.QueryEscape(t.id), url.QueryEscape(t.secret)) // RFC 6749, section 2.3.1
	}
	a, err := c.exchange(ctx, request)
	if errors.Is(err, errBadRequest) {
		err = fmt.Errorf("%w (status 400): set %s", ErrListKey, c.wants)
	}
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(a.body, &answer) != nil || answer.AccessToken == "" || strings.ContainsAny(answer.AccessToken, "\r\n") {
		return "", errors.New("the provider's answer has no access_token: check api.url")
	}
	return answer.AccessToken, nil
}
