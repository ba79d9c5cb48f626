package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONShowsATerminalWhatIsInIt(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]struct{ text, want string }{
		"plain text, with what HTML would mind": {`a <b> & "c" é 漢`, `"a <b> & \"c\" é 漢"`},
		"an escape sequence":                    {"\x1b[2K", `"\u001b[2K"`},
		"one of C1":                             {"\u009b2K", `"\u009b2K"`},
		"a delete":                              {"\x7f", `"\u007f"`},
		"direction marks":                       {"\u202e\u2066\u200f", `"\u202e\u2066\u200f"`},
		"what has no width":                     {"a\u200bb\ufeff", `"a\u200bb\ufeff"`},
		"a line of its own":                     {"a\nb\u2028c", `"a\nb\u2028c"`},
		"one beyond 16 bits":                    {"\U000e0041", `"\udb40\udc41"`},
		"broken UTF-8":                          {"a\xffb", `"a\ufffdb"`},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := writeJSON(&b, map[string]string{"text": line.text}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("{\n  \"text\": "+line.want+"\n}\n", b.String()); diff != "" {
				t.Error(diff)
			}
			var read map[string]string
			if err := json.Unmarshal(b.Bytes(), &read); err != nil || name != "broken UTF-8" && read["text"] != line.text {
				t.Errorf("it is read as %q: %v", read["text"], err)
			}
		})
	}
}
