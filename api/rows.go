package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"rowpass/db"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxPage      = 1 << 20 // bytes, about: a slow reader holds that much of our memory
)

// asCaller is a handler that acts as whoever sent the request.
func (a *api) asCaller(h func(echo.Context, db.Session) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		s, err := a.session(c.Request())
		if err != nil {
			return err
		}
		return h(c, s)
	}
}

// onRow is asCaller for the row that the address names.
func (a *api) onRow(h func(echo.Context, db.Session, db.UUID) error) echo.HandlerFunc {
	return a.asCaller(func(c echo.Context, s db.Session) error {
		id, err := pathID(c)
		if err != nil {
			return err
		}
		return h(c, s, id)
	})
}

// list answers with a page of rows, {"<name>": […], "next": id or null}, encoded once and without reflection.
func list[T any](a *api, name string, query func(context.Context, db.Session, db.Page) ([]T, error),
	encode func([]byte, *T) []byte, id func(*T) db.UUID) echo.HandlerFunc {
	return a.asCaller(func(c echo.Context, s db.Session) error {
		page, err := parsePage(c.Request().URL.RawQuery)
		if err != nil {
			return err
		}
		page.Limit++ // one more, to know whether there is a next page
		rows, err := query(c.Request().Context(), s, page)
		if err != nil {
			return err
		}
		var next *T
		if len(rows) == page.Limit {
			rows = rows[:page.Limit-1]
			next = &rows[len(rows)-1]
		}
		b := append(make([]byte, 0, 64+320*len(rows)), `{"`...)
		b = append(append(b, name...), `":[`...)
		for i := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = encode(b, &rows[i])
			if len(b) > maxPage && i < len(rows)-1 {
				next = &rows[i]
				break
			}
		}
		b = append(b, `],"next":`...)
		if next == nil {
			b = append(b, "null"...)
		} else {
			b = appendUUID(b, id(next))
		}
		return respond(c, http.StatusOK, append(b, "}\n"...))
	})
}

// one answers with the row that the address names.
func one[T any](a *api, query func(context.Context, db.Session, db.UUID) (T, error), encode func([]byte, *T) []byte) echo.HandlerFunc {
	return a.onRow(func(c echo.Context, s db.Session, id db.UUID) error {
		row, err := query(c.Request().Context(), s, id)
		if err != nil {
			return err
		}
		return respondRow(c, http.StatusOK, &row, encode)
	})
}

func respondRow[T any](c echo.Context, status int, row *T, encode func([]byte, *T) []byte) error {
	return respond(c, status, append(encode(nil, row), '\n'))
}

// respond sends rows, which belong to this caller and to no cache.
func respond(c echo.Context, status int, body []byte) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Authorization")
	return c.Blob(status, "application/json", body)
}

// pathID is the id that the address names. What is no UUID names no row.
func pathID(c echo.Context) (db.UUID, error) {
	id, ok := parseUUID(c.Param("id"))
	if !ok {
		return id, db.ErrNotFound
	}
	return id, nil
}

// parsePage reads limit and after. A parameter that it does not know is an error: a misspelled one would be ignored.
func parsePage(rawQuery string) (db.Page, error) {
	page := db.Page{Limit: defaultLimit}
	if rawQuery == "" {
		return page, nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return page, fmt.Errorf("%w: the query string cannot be read", errRequest)
	}
	for name, values := range query {
		ok := len(values) == 1
		switch name {
		case "limit":
			page.Limit, err = strconv.Atoi(values[0])
			ok = ok && err == nil && page.Limit >= 1 && page.Limit <= maxLimit
		case "after":
			var valid bool
			page.After, valid = parseUUID(values[0])
			ok = ok && valid
		default:
			ok = false
		}
		if !ok {
			return page, fmt.Errorf("%w: query parameters are limit (1 to %d) and after (the next of the page before)", errRequest, maxLimit)
		}
	}
	return page, nil
}

// parseUUID reads the form that PostgreSQL writes, in either case.
func parseUUID(s string) (id db.UUID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return id, err == nil && n == len(id)
}
