package identity

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Path is the names that lead to a member of a JSON object. Where it meets an array, a name is an index counted from 0, or
// "a=b", which is the first object in it whose member a is the whole object's member b. "*" is all of them, in Fields.Tenant.
type Path []string

// find gives what the path leads to, nil where that is nothing.
func (p Path) find(root any) any {
	value := root
	for _, name := range p {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			value = pick(v, name, root)
		default:
			return nil
		}
	}
	return value
}

func pick(list []any, name string, root any) any {
	if own, other, ok := strings.Cut(name, "="); ok {
		return same(list, own, Path{other}.find(root))
	}
	at, err := strconv.Atoi(name)
	if err != nil || at < 0 || at >= len(list) {
		return nil
	}
	return list[at]
}

// same is the first object of a list that has this text as its own.
func same(list []any, own string, text any) any {
	wanted, ok := text.(string)
	at := slices.IndexFunc(list, func(o any) bool { return Path{own}.find(o) == any(wanted) })
	if !ok || at < 0 {
		return nil
	}
	return list[at]
}

// all gives what the path leads to by each element of the arrays at "*". there tells an empty list from none at all.
func (p Path) all(root any) (found []any, there bool) {
	at := slices.Index(p, "*")
	if at < 0 {
		parent, ok := p[:max(len(p)-1, 0)].find(root).(map[string]any)
		if !ok || len(p) == 0 {
			return nil, false
		}
		value, there := parent[p[len(p)-1]]
		if isNothing(value) {
			return nil, there
		}
		return []any{value}, there
	}
	list, there := p[:at].find(root).([]any)
	for _, element := range list {
		if value := p[at+1:].find(element); !isNothing(value) {
			found = append(found, value)
		}
	}
	return found, there
}

// first gives what the first path that leads to something leads to.
func first(paths []Path, root any) any {
	for _, p := range paths {
		if value := p.find(root); !isNothing(value) {
			return value
		}
	}
	return nil
}

func isNothing(value any) bool { return value == nil || value == "" }

// identifier is a text, or a whole number as the text that it was written as.
func identifier(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), !strings.ContainsAny(v.String(), ".eE")
	}
	return "", false
}
