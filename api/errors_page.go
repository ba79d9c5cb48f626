package api

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// helpPage is for browsers: the list of the errors, with Help the page of one, with Missing what stands where nothing is. Its links
// are relative: a path before it may stay on a request, or be taken off by a proxy.
type helpPage struct {
	Root    string // where / is
	List    []help
	Help    *help
	Missing bool
}

// help is a problem as people read of it.
type help struct {
	Status            int
	Code, Title, Help string
}

var helpTemplate = template.Must(template.ParseFS(pageFiles, "playground/errors.html"))

// explained lists the problems that have an explanation, one for each code, by their status.
func explained() []help {
	var all []help
	for _, p := range append(slices.Clone(problems), internal) {
		if p.help != "" {
			all = append(all, help{p.status, p.code, p.title, p.help})
		}
	}
	slices.SortStableFunc(all, func(x, y help) int { return cmp.Or(x.Status-y.Status, strings.Compare(x.Code, y.Code)) })
	return all
}

// errorList and errorHelp are what a problem's "type" leads to.
func (a *api) errorList(c echo.Context) error {
	var b strings.Builder
	for _, h := range explained() {
		fmt.Fprintf(&b, "%d  %-22s %s\n", h.Status, h.Code, h.Title)
	}
	return respondHelp(c, b.String(), helpPage{Root: "./", List: explained()})
}

func (a *api) errorHelp(c echo.Context) error {
	for _, h := range explained() {
		if h.Code == c.Param("code") {
			text := fmt.Sprintf("%s (%d)\n\n%s.\n%s\n", h.Code, h.Status, h.Title, h.Help)
			return respondHelp(c, text, helpPage{Root: "../", Help: &h})
		}
	}
	return errNoRoute
}

// respondHelp answers a browser with the page, and anybody else with the text.
func respondHelp(c echo.Context, text string, page helpPage) error {
	c.Response().Header().Set("Vary", "Accept")
	if !accepts(c.Request(), "text/html") {
		return c.String(http.StatusOK, text)
	}
	var b bytes.Buffer
	if err := helpTemplate.Execute(&b, page); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return respondPage(c, http.StatusOK, b.Bytes())
}

// writeNoPage answers with a page where a browser asks for one and there is none; false where it was something else that asked.
func (a *api) writeNoPage(c echo.Context) bool {
	r := c.Request()
	c.Response().Header().Set("Vary", "Accept")
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !accepts(r, "text/html") {
		return false
	}
	var b bytes.Buffer
	if err := helpTemplate.Execute(&b, helpPage{Root: a.root(r), Missing: true}); err != nil {
		return false
	}
	return respondPage(c, http.StatusNotFound, b.Bytes()) == nil
}

// root is where / is, seen from the request's address.
func (a *api) root(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.EscapedPath(), a.path)
	if path == "" {
		return "." + a.path[strings.LastIndex(a.path, "/"):] + "/"
	}
	return "./" + strings.Repeat("../", max(strings.Count(path, "/")-1, 0))
}
