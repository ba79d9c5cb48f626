package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// restList is a list API of the usual form: one request a page, one a user, and sometimes one for their number.
type restList struct {
	client *listClient
	first  string // the first page's cursor
	page   func(cursor string) listRequest
	users  Path // of a page's array
	next   func(cursor string, p restPage) (string, error)

	total   func(listAnswer) int // what a page says; nil: it says nothing
	count   *listRequest         // what to ask in its place; nil: nobody
	countAt Path

	one  func(subject string) listRequest
	user Path // of the object in that answer
	none Path // of an array in it, which is empty where there is no such user; nil: then the answer is a 404
}

// restPage is what the next cursor follows from.
type restPage struct {
	listAnswer
	number int // of users
}

// errOwnNext would be read for ever.
var errOwnNext = errors.New("the list API names a page as its own next: check api.url")

// Page asks for the number of users with the first page, for who waits, and with the last, where it tells whether users were missed.
func (l *restList) Page(ctx context.Context, cursor string) (Page, error) {
	at := cursor
	if at == "" {
		at = l.first
	}
	a, err := l.client.send(ctx, l.page(at))
	if err != nil {
		return Page{}, err
	}
	users, err := usersAt(a.body, l.users)
	if err != nil {
		return Page{}, err
	}
	next, err := l.next(at, restPage{a, len(users)})
	if err != nil {
		return Page{}, err
	}
	p := Page{Users: users, Next: next}
	if next != "" && next == at {
		return Page{}, errOwnNext
	}
	if l.total != nil {
		p.Total = l.total(a)
	}
	if l.count != nil && (cursor == "" || p.Next == "") {
		p.Total, err = l.counted(ctx)
	}
	return p, err
}

func (l *restList) counted(ctx context.Context) (int, error) {
	a, err := l.client.send(ctx, *l.count)
	if err != nil {
		return 0, fmt.Errorf("counting users: %w", err)
	}
	return numberAt(a.body, l.countAt), nil
}

// User takes no subject that an address would have another meaning with: nobody has such a one. What says neither whose it is nor
// that there is nobody (a page about maintenance, half an answer) is an error: by "not found" rows are deleted.
func (l *restList) User(ctx context.Context, subject string) (json.RawMessage, bool, error) {
	if subject == "" || subject == "." || subject == ".." {
		return nil, false, nil
	}
	a, err := l.client.send(ctx, l.one(subject))
	if errors.Is(err, errAbsent) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if user := memberAt(a.body, l.user); isObject(user) {
		return user, true, nil
	}
	if l.none != nil && isEmptyArray(memberAt(a.body, l.none)) {
		return nil, false, nil
	}
	return nil, false, errors.New("the list API's answer has no user where this provider's has it, and doesn't say that there is none: check api.url")
}

func isObject(value json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(value), []byte("{"))
}

func isEmptyArray(value json.RawMessage) bool {
	var array []json.RawMessage
	return json.Unmarshal(value, &array) == nil && len(array) == 0
}

// usersAt reads a page's array.
func usersAt(body []byte, path Path) ([]json.RawMessage, error) {
	var users []json.RawMessage
	found := memberAt(body, path)
	if found == nil || json.Unmarshal(found, &users) != nil {
		return nil, errors.New("the list API's answer has no list of users where this provider's has it: check api.url")
	}
	return users, nil
}

// memberAt follows path; nil where it leads to nothing or to null.
func memberAt(body []byte, path Path) json.RawMessage {
	at := json.RawMessage(body)
	for _, name := range path {
		at = memberOf(at, name)
	}
	if !json.Valid(at) || string(at) == "null" {
		return nil
	}
	return at
}

func memberOf(value json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) == nil {
		return object[name]
	}
	var array []json.RawMessage
	i, err := strconv.Atoi(name)
	if err != nil || json.Unmarshal(value, &array) != nil || i < 0 || i >= len(array) {
		return nil
	}
	return array[i]
}

// textAt reads a string, or a number's digits; "" where there is neither.
func textAt(body []byte, path Path) string {
	found := memberAt(body, path)
	var text string
	if json.Unmarshal(found, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(found, &number) == nil {
		return number.String()
	}
	return ""
}

// numberAt reads a number of users; 0 where there is none.
func numberAt(body []byte, path Path) int {
	n, err := strconv.Atoi(textAt(body, path))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// nextAt is for APIs that give a cursor.
func nextAt(path Path) func(string, restPage) (string, error) {
	return func(_ string, p restPage) (string, error) { return cursorAt(p.body, path) }
}

// cursorAt is "" where there is none, or null. Another value than a text or a number doesn't say that the list ends.
func cursorAt(body []byte, path Path) (string, error) {
	cursor := textAt(body, path)
	if found := memberAt(body, path); cursor == "" && found != nil && string(found) != `""` {
		return "", errors.New("the list API's answer has no cursor where this provider's has the next page's: check api.url")
	}
	return cursor, nil
}

// nextOffset is for APIs that skip as many users as one says. What ends the list is an empty page, since a provider may give
// fewer on a page than it was asked for.
func nextOffset(cursor string, p restPage) (string, error) {
	if p.number == 0 {
		return "", nil
	}
	return strconv.Itoa(integer(cursor) + p.number), nil
}

// nextNumber is for APIs whose pages are numbered.
func nextNumber(cursor string, p restPage) (string, error) {
	if p.number == 0 {
		return "", nil
	}
	return strconv.Itoa(integer(cursor) + 1), nil
}

// noNext is for lists of one page.
func noNext(string, restPage) (string, error) { return "", nil }

// integer reads a cursor of our own; another's, which isn't ours to go on with, is 0.
func integer(cursor string) int {
	n, err := strconv.Atoi(cursor)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func totalAt(path Path) func(listAnswer) int {
	return func(a listAnswer) int { return numberAt(a.body, path) }
}

func totalIn(header string) func(listAnswer) int {
	return func(a listAnswer) int { return integer(a.header.Get(header)) }
}

// below asks for one user at an address that ends with its subject.
func below(path string) func(string) listRequest {
	return func(subject string) listRequest { return listRequest{path: path + url.PathEscape(subject)} }
}
