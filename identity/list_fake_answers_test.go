package identity_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

type object = map[string]any

// fakeAnswers says how each make answers who may ask; nil is a 404.
func fakeAnswers() map[string]func(*fakeProvider, http.ResponseWriter, *http.Request) any {
	return map[string]func(*fakeProvider, http.ResponseWriter, *http.Request) any{
		"clerk": fakeClerk, "stack-auth": fakeStack, "stytch": fakeStytch, "stytch-b2b": fakeStytchB2B, "auth0": fakeAuth0,
		"workos": fakeWorkOS, "supabase": fakeSupabase, "keycloak": fakeKeycloak, "descope": fakeDescope, "logto": fakeLogto, "generic": fakeGeneric,
	}
}

func fakeClerk(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	q := r.URL.Query()
	switch r.URL.Path {
	case "/v1/users":
		if q.Get("order_by") != "+created_at" || number(q.Get("limit")) > 500 {
			return nil
		}
		return p.slice(p.listed(), number(q.Get("offset")), number(q.Get("limit")))
	case "/v1/users/count":
		return object{"object": "total_count", "total_count": len(p.users)}
	}
	return p.one(r, "/v1/users/")
}

// fakeCursor is for APIs whose cursor is the last user's ID.
func (p *fakeProvider) fakeCursor(after string, limit int) (users []any, next any) {
	all := p.listed()
	from := 1 + slices.IndexFunc(all, func(u fakeUser) bool { return u.id == after })
	users = p.slice(all, from, limit)
	if end := from + len(users); end < len(all) {
		return users, all[end-1].id
	}
	return users, nil
}

func fakeStack(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	if r.URL.Path != "/api/v1/users" {
		return p.one(r, "/api/v1/users/")
	}
	users, next := p.fakeCursor(r.URL.Query().Get("cursor"), number(r.URL.Query().Get("limit")))
	return object{"items": users, "is_paginated": true, "pagination": object{"next_cursor": next}}
}

// search is the body of a search, of Stytch's or Descope's.
type search struct {
	Organizations []string `json:"organization_ids"`
	Limit         int      `json:"limit"`
	Cursor        string   `json:"cursor"`
	Page          int      `json:"page"`
	TestUsers     bool     `json:"withTestUser"`
	Users         []string `json:"userIds"`
}

func searchIn(r *http.Request) (s search) {
	if json.NewDecoder(r.Body).Decode(&s) != nil || r.Header.Get("Content-Type") != "application/json" {
		s.Limit = -1
	}
	return s
}

func fakeStytch(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/users/search" {
		return p.one(r, "/v1/users/")
	}
	s := searchIn(r)
	users, next := p.fakeCursor(s.Cursor, s.Limit)
	return object{"status_code": 200, "results": users, "results_metadata": object{"total": len(p.users), "next_cursor": next}}
}

// fakeStytchB2B has an organization for each last character of a member's ID, and one without members.
func fakeStytchB2B(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	s := search{}
	if r.Method == http.MethodPost {
		s = searchIn(r)
	}
	all := []string{"org-empty", "org-0", "org-1", "org-2", "org-3", "org-4", "org-5", "org-6", "org-7", "org-8", "org-9"}
	switch r.URL.Path {
	case "/v1/b2b/organizations/search":
		from, most := 1+slices.Index(all, s.Cursor), min(s.Limit, 4)
		found := []object{}
		for _, id := range all[from:min(from+most, len(all))] {
			found = append(found, object{"organization_id": id})
		}
		var next any
		if from+most < len(all) {
			next = all[from+most-1]
		}
		return object{"organizations": found, "results_metadata": object{"total": len(all), "next_cursor": next}}
	case "/v1/b2b/organizations/members/search":
		if len(s.Organizations) == 0 {
			return nil
		}
		in := fakeProvider{preset: p.preset, clamp: p.clamp}
		in.users = slices.DeleteFunc(p.listed(), func(u fakeUser) bool { return !slices.Contains(s.Organizations, "org-"+u.id[len(u.id)-1:]) })
		users, next := in.fakeCursor(s.Cursor, s.Limit)
		return object{"members": users, "results_metadata": object{"total": len(in.users), "next_cursor": next}}
	}
	if member := p.one(r, "/v1/b2b/organizations/members/dangerously_get/"); member != nil {
		return object{"status_code": 200, "member": member}
	}
	return nil
}

// fakeAuth0 gives no more than the first 1,000 of a search.
func fakeAuth0(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	if r.URL.Path != "/api/v2/users" {
		return p.one(r, "/api/v2/users/")
	}
	q := r.URL.Query()
	since, ok := strings.CutPrefix(strings.TrimSuffix(q.Get("q"), " TO *]"), "created_at:[")
	from, err := time.Parse(time.RFC3339, since)
	page, size := number(q.Get("page")), p.pageSize(q.Get("per_page"))
	if !ok || err != nil || q.Get("search_engine") != "v3" || q.Get("sort") != "created_at:1" || size > 100 || (page+1)*size > 1000 {
		return nil
	}
	found := slices.DeleteFunc(p.listed(), func(u fakeUser) bool { return u.created.Before(from) })
	slices.SortStableFunc(found, func(a, b fakeUser) int { return a.created.Compare(b.created) })
	return object{"start": page * size, "limit": size, "total": len(found), "users": p.slice(found, page*size, size)}
}

func fakeWorkOS(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	if r.URL.Path != "/user_management/users" {
		return p.one(r, "/user_management/users/")
	}
	users, next := p.fakeCursor(r.URL.Query().Get("after"), number(r.URL.Query().Get("limit")))
	return object{"object": "list", "data": users, "list_metadata": object{"before": nil, "after": next}}
}

func fakeSupabase(p *fakeProvider, w http.ResponseWriter, r *http.Request) any {
	if r.URL.Path != "/auth/v1/admin/users" {
		return p.one(r, "/auth/v1/admin/users/")
	}
	size := p.pageSize(r.URL.Query().Get("per_page"))
	w.Header().Set("X-Total-Count", fmt.Sprint(len(p.users)))
	return object{"users": p.slice(p.listed(), (number(r.URL.Query().Get("page"))-1)*size, size), "aud": "authenticated"}
}

func fakeKeycloak(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	q := r.URL.Query()
	switch r.URL.Path {
	case "/admin/realms/my realm/users":
		return p.slice(p.listed(), number(q.Get("first")), number(q.Get("max")))
	case "/admin/realms/my realm/users/count":
		return len(p.users)
	}
	return p.one(r, "/admin/realms/my realm/users/")
}

func fakeDescope(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/mgmt/user/search" {
		return nil
	}
	s := searchIn(r)
	if s.Users != nil {
		found := slices.DeleteFunc(slices.Clone(p.users), func(u fakeUser) bool { return !slices.Contains(s.Users, u.id) })
		return object{"users": p.objects(found), "total": len(found)}
	}
	size := p.pageSize(fmt.Sprint(s.Limit))
	return object{"users": p.slice(p.listed(), s.Page*size, size), "total": len(p.users)}
}

func fakeLogto(p *fakeProvider, w http.ResponseWriter, r *http.Request) any {
	if r.URL.Path != "/api/users" {
		return p.one(r, "/api/users/")
	}
	size := p.pageSize(r.URL.Query().Get("page_size"))
	w.Header().Set("Total-Number", fmt.Sprint(len(p.users)))
	return p.slice(p.listed(), (number(r.URL.Query().Get("page"))-1)*size, min(size, 100))
}
