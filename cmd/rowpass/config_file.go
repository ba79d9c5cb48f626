package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document reads one YAML file into a loader. It walks the parser's nodes instead of values, since they know their
// lines, the text as it was written, and both of two equal keys.
type document struct {
	*loader
	name string
}

// readFile reads the file that holds, if there is one.
func (l *loader) readFile(name string, environ []string) error {
	if name == "" {
		name = lookup(environ, "ROWPASS_CONFIG")
	}
	named := name != ""
	if !named {
		name = "config.yaml"
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading configuration: %s: %w", name, cause(err))
	}
	if err := l.readYAML(name, text); err != nil {
		return err
	}
	l.checkPrivate(name)
	return nil
}

// checkPrivate refuses secrets in a file that everybody on the machine may read, as readSecret does for a file of their own.
func (l *loader) checkPrivate(name string) {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm()&0o006 == 0 {
		return
	}
	for _, s := range l.keys {
		if value, ok := l.v.Get(s.key).(Secret); ok && value != "" {
			l.refuse(s.key, "everybody on this machine may read or change this file (mode %04o), and a secret stands in it: "+
				"make it 0600, or 0640 for a group, or give %s_file", info.Mode().Perm(), s.key)
		}
	}
}

// readYAML takes a file's text. Its error is of a text that is no YAML; problems with keys are noted in l.
func (l *loader) readYAML(name string, text []byte) error {
	var root, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(&root)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return syntaxError(name, text, err)
	}
	if err := dec.Decode(&second); err == nil {
		return fmt.Errorf("%s:%d: a second document begins here: put all into one", name, second.Line)
	} else if !errors.Is(err, io.EOF) {
		return syntaxError(name, text, err)
	}
	d := document{l, name}
	if top := target(root.Content[0]); !isNull(top) {
		d.section(top, "", l.keys, func(s setting, value any) { l.put(s, value) })
	}
	return nil
}

// section reads the keys of a mapping, whose names continue prefix, and gives those that are among all to put.
func (d document) section(n *yaml.Node, prefix string, all []setting, put func(setting, any)) {
	if n.Kind != yaml.MappingNode {
		d.noSection(n, strings.TrimSuffix(prefix, "."), all)
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := target(n.Content[i]), target(n.Content[i+1])
		key := prefix + name.Value
		if name.Kind != yaml.ScalarNode {
			d.problem(d.at(n.Content[i]), "a key has to be a plain word; allowed here: %s", strings.Join(namesBelow(all, prefix), ", "))
			continue
		}
		if first, twice := lines[key]; twice {
			mend := "remove one"
			if s, ok := find(all, key); ok && s.isList() || isSection(all, key) {
				mend = "put what stands below both under one, and remove the other"
			}
			d.problem(d.at(n.Content[i]), "%s: given twice, in line %d first: %s", shown(key), first, mend)
			continue
		}
		lines[key] = n.Content[i].Line
		d.entry(n.Content[i], value, prefix, key, all, put)
	}
}

// noSection refuses a value that stands where keys should, the whole file's if name is "".
func (d document) noSection(n *yaml.Node, name string, all []setting) {
	if name == "" {
		d.problem(d.at(n), "keys with values are needed, such as listen: 127.0.0.1:8080")
		return
	}
	d.places[name] = d.at(n)
	d.refuse(name, "a section: its keys belong below it, indented: %s", strings.Join(namesBelow(all, name+"."), ", "))
}

// entry reads one key of a section, with its value.
func (d document) entry(name, value *yaml.Node, prefix, key string, all []setting, put func(setting, any)) {
	if s, ok := find(all, key); ok && !strings.Contains(name.Value, ".") {
		d.places[key] = d.at(name)
		if v, ok := d.value(s, value); ok {
			put(s, v)
		}
		return
	}
	if _, ok := find(all, key); ok {
		section := key[:strings.LastIndexByte(key, '.')]
		d.problem(d.at(name), "%s: sections are nested: write %s: and, indented below it, %s:", key, section, lastPart(key))
		return
	}
	switch {
	case !isSection(all, key):
		d.problem(d.at(name), "%s: %s", shown(key), noSuchKey(all, prefix, key))
	case !isNull(value): // a section whose keys are all commented out is one
		d.section(value, key+".", all, put)
	}
}

// value reads the value of s; not ok if it is refused.
func (d document) value(s setting, n *yaml.Node) (any, bool) {
	if s.isList() {
		return d.list(s, n)
	}
	text, err := scalar(n)
	if err != nil {
		d.refuse(s.key, "%w", err)
		return nil, false
	}
	return d.typed(s, []string{text})
}

func (d document) typed(s setting, texts []string) (any, bool) {
	v, err := s.parse(texts)
	if err != nil {
		d.refuse(s.key, "%w", err)
	}
	return v, err == nil
}

// list reads a list of scalars or of sections.
func (d document) list(s setting, n *yaml.Node) (any, bool) {
	if isNull(n) { // its entries are all commented out
		return s.value, true
	}
	if n.Kind != yaml.SequenceNode {
		d.refuse(s.key, "a list is needed: a line for each, with - before it, or [] for none")
		return nil, false
	}
	if len(s.entryKeys("")) > 0 {
		return d.sections(s, n), true
	}
	var texts []string
	for _, item := range n.Content {
		text, err := scalar(target(item))
		if err == nil {
			_, err = s.parse([]string{text}) // alone first, so that the problem has the item's line
		}
		if err != nil {
			d.places[s.key] = d.at(item)
			d.refuse(s.key, "%w", err)
			return nil, false
		}
		texts = append(texts, text)
	}
	return d.typed(s, texts)
}

// sections reads a list of sections, whose keys are named with their place in the list: clients[0].id.
func (d document) sections(s setting, n *yaml.Node) any {
	var list []any
	for i, item := range n.Content {
		name := fmt.Sprintf("%s[%d]", s.key, i)
		d.places[name] = d.at(item)
		entry := map[string]any{}
		d.section(target(item), name+".", s.entryKeys(name+"."), func(s setting, value any) {
			putBelow(entry, strings.TrimPrefix(s.key, name+"."), value)
		})
		list = append(list, entry)
	}
	return list
}

// putBelow sets the value of a key that may lie in sections of its own: api.url.
func putBelow(entry map[string]any, key string, value any) {
	section, rest, nested := strings.Cut(key, ".")
	if !nested {
		entry[key] = value
		return
	}
	below, ok := entry[section].(map[string]any)
	if !ok {
		below = map[string]any{}
		entry[section] = below
	}
	putBelow(below, rest, value)
}

// scalar is the text of a value as it was written: 0123 stays so.
func scalar(n *yaml.Node) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", errors.New("one value is needed here, no list and no section")
	case n.Style&yaml.TaggedStyle != 0:
		return "", errors.New("a value that begins with ! has to be in quotes")
	case isNull(n):
		return "", errors.New(`no value is given: write "" for none, or remove the line for the default`)
	}
	return n.Value, nil
}

// isNull says whether n is there without a value.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// target is what n stands for, if it is an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (d document) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", d.name, n.Line) }

var (
	yamlLine      = regexp.MustCompile(`line (\d+): `)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntaxError says where text is no YAML. The parser's own words stay, but for an anchor's name: it is what follows a *, and
// may be part of a secret that nobody quoted.
func syntaxError(name string, text []byte, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		before, _, _ := bytes.Cut(text, []byte("*"+m[1]))
		return fmt.Errorf("%s:%d: a value that begins with * has to be in quotes", name, 1+bytes.Count(before, []byte("\n")))
	}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		if strings.HasSuffix(message, "found character that cannot start any token") && bytes.Contains(text, []byte("\n\t")) {
			return fmt.Errorf("%s:%s: a tab stands here; YAML wants spaces before a key", name, m[1])
		}
		return fmt.Errorf("%s:%s: no valid YAML: %s", name, m[1], strings.Replace(message, m[0], "", 1))
	}
	return fmt.Errorf("%s: no valid YAML: %s", name, message)
}
