package token_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rowpass/token"
)

func TestParseObjectWritesItAgain(t *testing.T) {
	for _, tt := range []struct{ name, in, out string }{
		{"nothing in it", `{}`, `{}`},
		{"white space", " {\t\"a\" :\r\n[ 1 , { } , [ ] ] } \n", `{"a":[1,{},[]]}`},
		{"the three words", `{"a":true,"b":false,"c":null}`, `{"a":true,"b":false,"c":null}`},
		{"names in their order", `{"b":1,"a":2}`, `{"b":1,"a":2}`},
		{"an empty name", `{"":1}`, `{"":1}`},
		{"the same name in two objects", `{"a":{"b":1},"b":{"b":2}}`, `{"a":{"b":1},"b":{"b":2}}`},
		{"the same name in one and in the next of an array", `{"a":[{"b":1},{"b":1}]}`, `{"a":[{"b":1},{"b":1}]}`},
		{"names that differ in case", `{"a":1,"A":2}`, `{"a":1,"A":2}`},
		{"escapes that are needed", `{"a":"\"\\\b\f\n\r\t\u001f"}`, `{"a":"\"\\\b\f\n\r\t\u001f"}`},
		{"needed escapes in their long form", `{"a":"\u0022\u005C\u0008\u000c\u000A\u000d\u0009"}`, `{"a":"\"\\\b\f\n\r\t"}`},
		{"escapes that are not needed", `{"\u0061":"\/\u00e9\u20AC\ud83d\ude00"}`, `{"a":"/é€😀"}`},
		{"letters of all lengths", `{"é":"€😀` + "\u2028\x7f" + `"}`, `{"é":"€😀` + "\u2028\x7f" + `"}`},
		{"the replacement character", `{"a":"` + "\ufffd" + `"}`, `{"a":"` + "\ufffd" + `"}`},
		{"an escaped replacement character", `{"a":"\ufffd"}`, `{"a":"` + "\ufffd" + `"}`},
		{"the least and the greatest whole number", `{"a":[-9223372036854775808,9223372036854775807]}`, `{"a":[-9223372036854775808,9223372036854775807]}`},
		{"a whole number that float64 has not", `{"a":9007199254740993}`, `{"a":9007199254740993}`},
		{"zeros", `{"a":[0,-0,0.0,-0.0,0e9]}`, `{"a":[0,0,0,0,0]}`},
		{"fractions", `{"a":[1.0,1.50,-0.1,1795340700.25]}`, `{"a":[1,1.5,-0.1,1795340700.25]}`},
		{"exponents", `{"a":[1e3,1E+3,1e-3,1e20,1e300,1e-300]}`, `{"a":[1000,1000,0.001,1e+20,1e+300,1e-300]}`},
		{"a number that float64 takes for zero", `{"a":1e-999}`, `{"a":0}`},
		{"16 levels", nested(15), nested(15)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := token.ParseObject([]byte(tt.in))
			if err != nil || string(o.JSON()) != tt.out {
				t.Fatalf("%s, %v, want %s", o.JSON(), err, tt.out)
			}
			if again, err := token.ParseObject(o.JSON()); err != nil || string(again.JSON()) != tt.out {
				t.Errorf("read again: %s, %v", again.JSON(), err)
			}
		})
	}
}

// nested gives an object with n levels of arrays in it.
func nested(n int) string {
	return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
}

func TestParseObjectRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, says string }{
		{"nothing", ``, "not a JSON object"},
		{"white space", ` `, "not a JSON object"},
		{"an array", `[]`, "not a JSON object"},
		{"a string", `"a"`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"a byte order mark", "\ufeff{}", "not a JSON object"},
		{"two objects", `{}{}`, "something follows"},
		{"a comma behind it", `{},`, "something follows"},
		{"NUL behind it", "{}\x00", "something follows"},
		{"no end", `{`, "not JSON"},
		{"no end of an array", `{"a":[1`, "not JSON"},
		{"no end of a string", `{"a":"b`, "not JSON"},
		{"no end of an escape", `{"a":"\`, "not JSON"},
		{"no end of a long escape", `{"a":"\u12`, "not JSON"},
		{"a name without a value", `{"a"}`, "not JSON"},
		{"a name without a value behind the colon", `{"a":}`, "not JSON"},
		{"a value without a name", `{1}`, "not JSON"},
		{"a name without quotes", `{a:1}`, "not JSON"},
		{"a name in single quotes", `{'a':1}`, "not JSON"},
		{"a comma too many", `{"a":1,}`, "not JSON"},
		{"a comma too many in an array", `{"a":[1,]}`, "not JSON"},
		{"a comma too few", `{"a":1 "b":2}`, "not JSON"},
		{"a comma too few in an array", `{"a":[1 2]}`, "not JSON"},
		{"a comment", `{"a":1/**/}`, "not JSON"},
		{"a word that JSON has not", `{"a":NaN}`, "not JSON"},
		{"a word in capitals", `{"a":True}`, "not JSON"},
		{"a word cut off", `{"a":tru`, "not JSON"},
		{"a plus sign", `{"a":+1}`, "not JSON"},
		{"a leading zero", `{"a":01}`, "not JSON"},
		{"a sign alone", `{"a":-}`, "not JSON"},
		{"a point at the end", `{"a":1.}`, "not JSON"},
		{"a point at the start", `{"a":.1}`, "not JSON"},
		{"an exponent without digits", `{"a":1e}`, "not JSON"},
		{"an exponent with a sign alone", `{"a":1e+}`, "not JSON"},
		{"hexadecimal", `{"a":0x1}`, "not JSON"},
		{"a space that is not ASCII", "{\"a\":\u00a01}", "not JSON"},
		{"an escape that JSON has not", `{"a":"\x41"}`, "not JSON"},
		{"an escape with a sign in it", `{"a":"\u+041"}`, "not JSON"},
		{"a name twice", `{"a":1,"a":1}`, "twice"},
		{"a name twice, not in a row", `{"a":1,"b":2,"c":3,"a":4}`, "twice"},
		{"a name twice, once escaped", `{"a":1,"\u0061":2}`, "twice"},
		{"a name twice, escaped in two ways", `{"\/":1,"\u002f":2}`, "twice"},
		{"a name twice, as a pair and as it is", `{"\ud83d\ude00":1,"😀":2}`, "twice"},
		{"an empty name twice", `{"":1,"":2}`, "twice"},
		{"a name twice further in", `{"a":[{"b":{"c":1,"c":2}}]}`, "twice"},
		{"a name twice behind an inner object", `{"a":{"x":1},"a":1}`, "twice"},
		{"17 levels", nested(16), "deeper than 16"},
		{"10,000 levels", nested(10_000), "deeper than 16"},
		{"NUL in a string", "{\"a\":\"\x00\"}", "NUL"},
		{"an escaped NUL in a string", `{"a":"\u0000"}`, "NUL"},
		{"an escaped NUL in a name", `{"\u0000":1}`, "NUL"},
		{"a line break in a string", "{\"a\":\"\n\"}", "control character"},
		{"a byte that is not UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"UTF-8 in too many bytes", "{\"a\":\"\xc0\xaf\"}", "UTF-8"},
		{"UTF-8 of half a pair", "{\"a\":\"\xed\xa0\x80\"}", "UTF-8"},
		{"UTF-8 cut off", "{\"a\":\"\xe2\x82\"}", "UTF-8"},
		{"the first half of a pair", `{"a":"\ud83d"}`, "UTF-8"},
		{"the first half of a pair twice", `{"a":"\ud83d\ud83d"}`, "UTF-8"},
		{"the second half of a pair", `{"a":"\ude00"}`, "UTF-8"},
		{"the first half of a pair and a letter", `{"a":"\ud83d\u0041"}`, "UTF-8"},
		{"a whole number too great", `{"a":9223372036854775808}`, "out of range"},
		{"a whole number too small", `{"a":-9223372036854775809}`, "out of range"},
		{"a number with 1,000 digits", `{"a":` + strings.Repeat("9", 1000) + `}`, "out of range"},
		{"a number beyond float64", `{"a":1e400}`, "out of range"},
		{"a number below float64", `{"a":-1.5e400}`, "out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := token.ParseObject([]byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, %v, want %q", o.JSON(), err, tt.says)
			}
		})
	}
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-2.5e-3,{"b":"\ud83d\ude00\n"},true,null]}`, `{"a":1,"\u0061":2}`, nested(16), `{"a":1e400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := token.ParseObject(data)
		if err != nil {
			return
		}
		if !json.Valid(data) || !json.Valid(o.JSON()) {
			t.Fatalf("%q is no JSON, and was taken as %q", data, o.JSON())
		}
		again, err := token.ParseObject(o.JSON())
		if err != nil || string(again.JSON()) != string(o.JSON()) {
			t.Fatalf("%q was written as %q, and that as %q, %v", data, o.JSON(), again.JSON(), err)
		}
		sameMeaning(t, data, o.JSON())
	})
}

// sameMeaning compares two texts as encoding/json understands them.
func sameMeaning(t *testing.T, a, b []byte) {
	t.Helper()
	var x, y map[string]any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	if left, right := must[[]byte](t)(json.Marshal(x)), must[[]byte](t)(json.Marshal(y)); !sameNumbers(string(left), string(right)) {
		t.Fatalf("%s was written as %s", left, right)
	}
}

// sameNumbers forgives the one thing that is written otherwise, on purpose: the sign of zero.
func sameNumbers(a, b string) bool {
	return strings.ReplaceAll(a, "-0", "0") == strings.ReplaceAll(b, "-0", "0")
}
