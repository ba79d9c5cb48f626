package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const stytchOrganizations = 50 // on a page, whose members are then searched together

// stytchMembers walks over organizations, and over the members of each page of them.
type stytchMembers struct{ restList }

func stytchB2BList(c *listClient, cfg APIConfig) (Lister, error) {
	stytchKey(c, cfg)
	return &stytchMembers{restList{client: c, one: below("/v1/b2b/organizations/members/dangerously_get/"), user: Path{"member"}}}, nil
}

// stytchPlace is a cursor: the organizations whose members are being read, and where both walks go on.
type stytchPlace struct {
	Organizations []string `json:"o,omitempty"` // none: the next page of them is to be read
	Members       string   `json:"m,omitempty"`
	Next          string   `json:"n,omitempty"` // the next page of organizations; "" with Organizations: these were the last
}

// Page may be empty and yet have a Next, where organizations have no members.
func (l *stytchMembers) Page(ctx context.Context, cursor string) (Page, error) {
	var at stytchPlace
	if cursor != "" && json.Unmarshal([]byte(cursor), &at) != nil {
		return Page{}, errors.New("the place to go on at is none of this provider's: begin anew")
	}
	if len(at.Organizations) == 0 {
		if err := l.organizations(ctx, &at); err != nil {
			return Page{}, err
		}
		if len(at.Organizations) == 0 {
			return at.page(nil, "", cursor)
		}
	}
	a, err := l.client.send(ctx, listRequest{path: "/v1/b2b/organizations/members/search",
		body: stytchSearch{Organizations: at.Organizations, Limit: 1000, Cursor: at.Members}})
	if err != nil {
		return Page{}, err
	}
	users, err := usersAt(a.body, Path{"members"})
	if err != nil {
		return Page{}, err
	}
	members, err := cursorAt(a.body, Path{"results_metadata", "next_cursor"})
	if err != nil {
		return Page{}, err
	}
	return at.page(users, members, cursor)
}

// page is what was found at cursor; members is where theirs go on.
func (at stytchPlace) page(users []json.RawMessage, members, cursor string) (Page, error) {
	next, err := at.after(members)
	if err == nil && next != "" && next == cursor {
		err = errOwnNext
	}
	if err != nil {
		return Page{}, err
	}
	return Page{Users: users, Next: next}, nil
}

// organizations reads the next page of them into at.
func (l *stytchMembers) organizations(ctx context.Context, at *stytchPlace) error {
	a, err := l.client.send(ctx, listRequest{path: "/v1/b2b/organizations/search", body: stytchSearch{Limit: stytchOrganizations, Cursor: at.Next}})
	if err != nil {
		return fmt.Errorf("reading organizations: %w", err)
	}
	found, err := usersAt(a.body, Path{"organizations"})
	if err != nil {
		return fmt.Errorf("reading organizations: %w", err)
	}
	for _, o := range found {
		id := textAt(o, Path{"organization_id"})
		if id == "" {
			return errors.New("reading organizations: the list API gives one without an organization_id, whose members nobody could ask for")
		}
		at.Organizations = append(at.Organizations, id)
	}
	if at.Next, err = cursorAt(a.body, Path{"results_metadata", "next_cursor"}); err != nil {
		return fmt.Errorf("reading organizations: %w", err)
	}
	return nil
}

// after is the cursor behind a page of members.
func (at stytchPlace) after(members string) (string, error) {
	switch {
	case members != "":
		at.Members = members
	case at.Next != "":
		at = stytchPlace{Next: at.Next}
	default:
		return "", nil
	}
	cursor, err := json.Marshal(at)
	return string(cursor), err
}
