package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parse makes of texts, one for a scalar and any number for a list, a value of the type of s. Its error says what is wrong
// and what is allowed. No Secret is refused here, so none is in the error.
func (s setting) parse(texts []string) (any, error) {
	switch s.value.(type) {
	case []string:
		return slices.Clip(append([]string(nil), texts...)), nil
	case []netip.Prefix:
		return prefixes(texts)
	}
	if s.isList() {
		return nil, errors.New("a list of sections, which only the file can hold")
	}
	return s.parseScalar(texts[0])
}

func (s setting) parseScalar(text string) (any, error) {
	switch s.value.(type) {
	case string:
		return text, s.oneOf(text)
	case Secret:
		return Secret(text), nil
	case bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q: true or false is needed", text)
		}
		return text == "true", nil
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q: a whole number is needed%s", text, s.hint())
		}
		return n, within(s, text, n, strconv.Atoi)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q: a duration with its unit is needed, such as 15m%s", text, s.hint())
		}
		return d, within(s, text, d, time.ParseDuration)
	}
	return nil, fmt.Errorf("no value of type %T can be read", s.value)
}

// oneOf checks text against a tag such as "json|text".
func (s setting) oneOf(text string) error {
	if s.allow == "" || slices.Contains(strings.Split(s.allow, "|"), text) {
		return nil
	}
	return fmt.Errorf("%q: allowed are %s", text, strings.ReplaceAll(s.allow, "|", ", "))
}

// within checks v against a tag such as "1m..24h".
func within[T cmp.Ordered](s setting, text string, v T, parse func(string) (T, error)) error {
	low, high, _ := strings.Cut(s.allow, "..")
	if least, err := parse(low); err == nil && v < least {
		return fmt.Errorf("%q is too little%s", text, s.hint())
	}
	if most, err := parse(high); err == nil && v > most {
		return fmt.Errorf("%q is too much%s", text, s.hint())
	}
	return nil
}

// hint is the range of s in words, to end an error with.
func (s setting) hint() string {
	low, high, ok := strings.Cut(s.allow, "..")
	switch {
	case !ok:
		return ""
	case high == "":
		return "; allowed " + low + " and more"
	}
	return "; allowed " + low + " to " + high
}

// splitList takes a list from a line of text: values between commas, none of them empty.
func splitList(text string) []string {
	var values []string
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return values
}

func prefixes(texts []string) (any, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := prefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// prefix reads an address as its prefix of full length. IPv4 addresses in IPv6 clothes match nothing that a connection has,
// and are refused with zones.
func prefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q: an address or a network is needed, such as 10.0.0.7 or 10.0.0.0/8", text)
	}
	return p.Masked(), nil
}
