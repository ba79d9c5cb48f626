package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"
)

// oauthError is OAuth's own shape of an error (RFC 6749, section 5.2), which revocation and introspection share.
type oauthError struct {
	code   string
	detail string
	basic  bool   // the client came by HTTP Basic, so the challenge names that
	about  string // what the log and the audit are told beside it; "": nothing
}

func (e *oauthError) Error() string {
	if e.about != "" {
		return e.code + ": " + e.detail + " (" + e.about + ")"
	}
	return e.code + ": " + e.detail
}

// refuse makes an oauthError. Its arguments must be as safe to show as its format.
func refuse(code, format string, args ...any) error {
	return &oauthError{code: code, detail: fmt.Sprintf(format, args...)}
}

func (e *oauthError) write(c echo.Context) {
	status := http.StatusBadRequest
	if e.code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	if e.basic && status == http.StatusUnauthorized {
		c.Response().Header().Set("WWW-Authenticate", `Basic realm="rowpass"`)
	}
	body, _ := json.Marshal(map[string]string{"error": e.code, "error_description": quotable(e.detail)})
	noStore(c)
	_ = c.Blob(status, "application/json", append(body, '\n'))
}

func noStore(c echo.Context) {
	c.Response().Header().Set("Cache-Control", "no-store")
	c.Response().Header().Set("Pragma", "no-cache")
}

// readForm reads the body as a form, and no parameter from the address, where it would end in logs. What is there without
// a value counts as left out, and what is there twice is refused (RFC 6749, section 3.2), but for what may be repeated.
func readForm(r *http.Request, repeated ...string) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refuse("invalid_request", "send a form: Content-Type: application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, refuse("invalid_request", "send the parameters in the body, not in the address")
	}
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, reading(err)
	}
	if err != nil {
		return nil, refuse("invalid_request", "the body broke off")
	}
	return parseForm(string(data), repeated)
}

func parseForm(text string, repeated []string) (url.Values, error) {
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, refuse("invalid_request", "the form cannot be read")
	}
	for name, values := range form {
		if len(values) > 1 && !slices.Contains(repeated, name) {
			return nil, refuse("invalid_request", "%s is there more than once", clip(name))
		}
		form[name] = slices.DeleteFunc(values, func(value string) bool { return value == "" })
		if len(form[name]) == 0 {
			delete(form, name)
		}
	}
	return form, nil
}
