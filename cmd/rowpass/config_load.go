package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/viper"
)

// loader merges the layers of the configuration, and remembers where each key was last given.
type loader struct {
	keys     []setting
	v        *viper.Viper      // of every key but the secrets' files: its value
	files    map[string]string // of each secret that is to come from a file: its path
	places   map[string]string // of each key: "config.yaml:12", "ROWPASS_LISTEN" or "--set"
	refused  map[string]string // of each key that has a problem: the place of the last
	problems []error
}

func newLoader() *loader {
	l := &loader{
		keys:    settings("", reflect.ValueOf(defaultConfig())),
		v:       viper.New(),
		files:   map[string]string{},
		places:  map[string]string{},
		refused: map[string]string{},
	}
	for _, s := range l.keys {
		if s.secret == "" {
			l.v.SetDefault(s.key, s.value)
		}
	}
	return l
}

// put gives s its value, over what an earlier layer gave.
func (l *loader) put(s setting, value any) {
	if s.secret != "" {
		l.files[s.secret] = value.(string)
		return
	}
	l.v.Set(s.key, value)
}

// refuse notes a problem of a key, one for each place: what follows from the first would only confuse.
func (l *loader) refuse(key, format string, args ...any) {
	place := l.places[key]
	if last, again := l.refused[key]; again && last == place {
		return
	}
	l.refused[key] = place
	l.problem(place, key+": "+format, args...)
}

// problem notes what is wrong at a place, which is "" where nothing was given.
func (l *loader) problem(place, format string, args ...any) {
	if place != "" {
		format, args = "%s: "+format, append([]any{place}, args...)
	}
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// clean says whether no key that begins with prefix has a problem, so that several can be judged together.
func (l *loader) clean(prefix string) bool {
	for key := range l.refused {
		if strings.HasPrefix(key, prefix) {
			return false
		}
	}
	return true
}

// readEnvironment takes ROWPASS_ names. It knows them all, since viper would drop a misspelt one in
// silence and let one that is named like a section replace the section.
func (l *loader) readEnvironment(environ []string) {
	byName := map[string]setting{}
	for _, s := range l.keys {
		byName[env(s.key)] = s
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "ROWPASS_") || name == "ROWPASS_CONFIG" || strings.HasPrefix(name, "ROWPASS_TEST_") {
			continue
		}
		if s, ok := byName[name]; ok {
			l.take(s, name, text)
			continue
		}
		l.unknownEnv(name)
	}
}

// unknownEnv notes a name that is no key's.
func (l *loader) unknownEnv(name string) {
	key := strings.ToLower(strings.TrimPrefix(name, "ROWPASS_"))
	if isSection(l.keys, key) {
		l.problem(shown(name), "%s is a section: name one of its keys, such as %s", key, env(firstBelow(l.keys, key)))
		return
	}
	if strings.HasPrefix(key, "service_") || key == "port" || strings.HasPrefix(key, "port_") {
		l.problem(shown(name), "no such key; Kubernetes sets it for a Service named rowpass: give the pod enableServiceLinks: false")
		return
	}
	meant := nearest(keyNames(l.keys), key)
	if meant == "" {
		l.problem(shown(name), "no such key; config.yaml of the project lists them")
		return
	}
	l.problem(shown(name), "no such key; did you mean %s?", env(meant))
}

// readSet takes the overrides "key=value" of the command line.
func (l *loader) readSet(set []string) {
	for _, pair := range set {
		key, text, ok := strings.Cut(pair, "=")
		s, known := find(l.keys, key)
		switch {
		case !ok:
			l.problem("--set", "%s: key=value is needed", shown(key))
		case known:
			l.take(s, "--set", text)
		case isSection(l.keys, key):
			l.problem("--set", "%s is a section: name one of its keys, such as %s", key, firstBelow(l.keys, key))
		default:
			l.problem("--set", "%s: %s", shown(key), noSuchKey(l.keys, "", key))
		}
	}
}

// take reads a value from a line of text.
func (l *loader) take(s setting, place, text string) {
	l.places[s.key] = place
	texts := []string{text}
	if s.isList() {
		texts = splitList(text)
	}
	l.parse(s, texts)
}

func (l *loader) parse(s setting, texts []string) {
	value, err := s.parse(texts)
	if err != nil {
		l.refuse(s.key, "%w", err)
		return
	}
	l.put(s, value)
}

// noSuchKey says what may have been meant by a key that isn't among all, else what may stand below prefix.
func noSuchKey(all []setting, prefix, key string) string {
	names := keyNames(all)
	if !strings.Contains(key, ".") {
		names = append(names, namesBelow(all, "")...) // a section may be meant
	}
	if meant := nearest(names, key); meant != "" {
		return "no such key; did you mean " + meant + "?"
	}
	return "no such key; allowed here: " + strings.Join(namesBelow(all, prefix), ", ")
}
