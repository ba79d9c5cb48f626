package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// description is openapi.yaml, ready to hold answers to it.
type description struct {
	*openapi3.T
	router    routers.Router
	elsewhere *routers.Route // what is no operation of the description's, and how that is answered
}

var described = sync.OnceValues(func() (*description, error) {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562))
	for _, kind := range []string{"image/svg+xml", "text/css", "text/html", "text/javascript"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, err
	}
	doc.Servers = nil // each test has its own
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	answers := openapi3.NewResponses(
		openapi3.WithStatus(404, doc.Components.Responses["NoRoute"]),
		openapi3.WithStatus(405, doc.Components.Responses["MethodNotAllowed"]),
		openapi3.WithStatus(421, doc.Components.Responses["Misdirected"]),
	)
	return &description{doc, router, &routers.Route{Spec: doc, PathItem: &openapi3.PathItem{}, Operation: &openapi3.Operation{Responses: answers}}}, nil
})

// everywhere are the headers that any answer may have, as the description's introduction says or HTTP does.
var everywhere = []string{
	"Cache-Control", "Content-Length", "Content-Type", "Date", "Pragma", "Transfer-Encoding", "Vary", "X-Content-Type-Options",
}

// conform fails the test where an answer of the server isn't as described, or, if it is 2xx, the request isn't.
func (s *server) conform(req *http.Request, sent string, a answer) {
	s.t.Helper()
	if _, bench := s.t.(*testing.B); bench || req.URL.Host != s.Listener.Addr().String() {
		return
	}
	if err := must(described())(s.t).check(req, s.path, sent, a); err != nil {
		s.t.Errorf("%s %s: openapi.yaml: %v\nstatus %d, headers %v, body %.1000s", req.Method, req.URL.Path, err, a.status, a.header, a.body)
	}
}

func (d *description) check(req *http.Request, base, sent string, a answer) error {
	input := d.input(req, base, sent)
	if err := d.checkAnswer(input, req.Method == http.MethodHead, a); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	if a.status < 200 || a.status > 299 {
		return nil
	}
	for name := range req.URL.Query() {
		if parameterOf(input.Route, name) == nil {
			return fmt.Errorf("the request: no query parameter %q", name)
		}
	}
	if err := openapi3filter.ValidateRequest(req.Context(), input); err != nil {
		return fmt.Errorf("the request: %w", err)
	}
	return nil
}

// input is the request as the description sees it: HEAD is GET, SQL is JSON whatever it calls itself, and base, which is
// the path that the server's own addresses begin with, is gone.
func (d *description) input(req *http.Request, base, sent string) *openapi3filter.RequestValidationInput {
	req = req.Clone(context.WithoutCancel(req.Context()))
	req.Body = io.NopCloser(strings.NewReader(sent))
	if req.Method == http.MethodHead {
		req.Method = http.MethodGet
	}
	if strings.HasSuffix(req.URL.Path, "/sql") {
		req.Header.Set("Content-Type", "application/json")
	}
	route, params := d.elsewhere, map[string]string(nil)
	path := req.URL.Path
	for _, candidate := range []string{path, strings.TrimPrefix(path, base), strings.TrimSuffix(path, base)} {
		if req.URL.Path = candidate; candidate == "" {
			continue // the router would take it for /
		}
		if found, with, err := d.router.FindRoute(req); err == nil {
			route, params = found, with
			break
		}
	}
	return &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: &openapi3filter.Options{
		IncludeResponseStatus: true, SkipSettingDefaults: true, AuthenticationFunc: authenticated,
	}}
}

// authenticated looks whether the credentials that the description asks for came.
func authenticated(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme, _, _ := strings.Cut(input.RequestValidationInput.Request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, input.SecurityScheme.Scheme) {
		return errors.New("no " + input.SecuritySchemeName)
	}
	return nil
}

func parameterOf(r *routers.Route, name string) *openapi3.Parameter {
	if p := r.Operation.Parameters.GetByInAndName("query", name); p != nil {
		return p
	}
	return r.PathItem.Parameters.GetByInAndName("query", name)
}

func (d *description) checkAnswer(input *openapi3filter.RequestValidationInput, head bool, a answer) error {
	ref := input.Route.Operation.Responses.Status(a.status)
	if ref == nil {
		return fmt.Errorf("no status %d", a.status)
	}
	headers := http.Header{}
	for name, header := range ref.Value.Headers {
		headers.Set(name, "")
		if header.Value.Required && a.header.Get(name) == "" {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for name := range a.header {
		if _, ok := headers[name]; !ok && !slices.Contains(everywhere, name) {
			return fmt.Errorf("no header %s", name)
		}
	}
	bodiless := head || len(ref.Value.Content) == 0
	if bodiless && a.body != "" {
		return errors.New("a body where there is none")
	}
	options := *input.Options
	options.ExcludeResponseBody = bodiless
	return openapi3filter.ValidateResponse(input.Request.Context(), (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Options: &options,
	}).SetBodyBytes([]byte(a.body)))
}

// operations are the description's, as "GET /api/users/{id}".
func (d *description) operations() map[string]*openapi3.Operation {
	all := map[string]*openapi3.Operation{}
	for path, item := range d.Paths.Map() {
		for method, operation := range item.Operations() {
			all[method+" "+path] = operation
		}
	}
	return all
}

// problems are what the description's responses say, as "404 not_found".
func (d *description) problems() map[string]bool {
	all := map[string]bool{}
	for _, response := range d.Components.Responses {
		content := response.Value.Content["application/problem+json"]
		if content == nil {
			continue
		}
		this := content.Schema.Value.AllOf[1].Value.Properties
		for _, code := range slices.Concat(this["code"].Value.Enum, []any{this["code"].Value.Const}) {
			if code != nil {
				all[fmt.Sprint(this["status"].Value.Const, " ", code)] = true
			}
		}
	}
	return all
}
