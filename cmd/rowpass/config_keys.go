package main

import (
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// setting is one key, as Config declares it.
type setting struct {
	key    string // with its sections: issuer.token_ttl
	value  any    // the default, of the field's own type
	allow  string // the field's tag
	secret string // of a key for a secret's file, the secret's key; else empty
}

// settings are the keys of a struct, each with prefix before it, and a key for the file of each Secret.
func settings(prefix string, s reflect.Value) []setting {
	var all []setting
	for f := range s.Type().Fields() {
		name, ok := f.Tag.Lookup("mapstructure")
		if !ok {
			continue
		}
		key, v := prefix+name, s.FieldByIndex(f.Index)
		if f.Type.Kind() == reflect.Struct {
			all = append(all, settings(key+".", v)...)
			continue
		}
		all = append(all, setting{key: key, value: v.Interface(), allow: f.Tag.Get("allow")})
		if _, ok := v.Interface().(Secret); ok {
			all = append(all, setting{key: key + "_file", value: "", secret: key})
		}
	}
	return all
}

// isList says whether s takes any number of values.
func (s setting) isList() bool { return reflect.TypeOf(s.value).Kind() == reflect.Slice }

// entryKeys are the keys of one entry, if s is a list of sections, with prefix before each; else there are none.
func (s setting) entryKeys(prefix string) []setting {
	t := reflect.TypeOf(s.value)
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	return settings(prefix, reflect.Zero(t.Elem()))
}

// env is the environment's name for key.
func env(key string) string { return "ROWPASS_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) }

// find is the setting of that key.
func find(all []setting, key string) (setting, bool) {
	i := slices.IndexFunc(all, func(s setting) bool { return s.key == key })
	if i < 0 {
		return setting{}, false
	}
	return all[i], true
}

// isSection says whether keys lie below name.
func isSection(all []setting, name string) bool { return firstBelow(all, name) != "" }

// firstBelow is the first key of a section, for an example.
func firstBelow(all []setting, section string) string {
	for _, s := range all {
		if strings.HasPrefix(s.key, section+".") {
			return s.key
		}
	}
	return ""
}

// namesBelow are the names, of keys and of sections, that may stand right below prefix, which is "" or ends with a dot.
func namesBelow(all []setting, prefix string) []string {
	names := map[string]bool{}
	for _, s := range all {
		if rest, ok := strings.CutPrefix(s.key, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// keyNames are the keys of all.
func keyNames(all []setting) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.key)
	}
	return names
}

// nearest is the name that is most likely meant by key: of those that end alike, as token_ttl and issuer.token_ttl do, else of
// all within a few typing errors, the one that is the fewest away. It is "" if there is none.
func nearest(names []string, key string) string {
	best, least := "", 2+len(lastPart(key))/4
	alike := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return lastPart(name) != lastPart(key) })
	if len(alike) > 0 {
		names, least = alike, math.MaxInt
	}
	for _, name := range names {
		if d := distance(name, key); d < least {
			best, least = name, d
		}
	}
	return best
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is Levenshtein's: how many bytes to insert, remove or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{1,60}$`)

// shown is a key that nobody declared, as an error may say it: one that doesn't look like a key may be a
// misplaced URL with its password.
func shown(key string) string {
	if plainName.MatchString(key) {
		return key
	}
	return "(not shown)"
}
