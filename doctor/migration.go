package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Migration writes a goose migration of what mends the findings, and of what takes it back as far as that can be. It is to be read and
// tried on a copy before it is run. It is "" where no SQL mends any of them.
func Migration(findings []Finding) string {
	var up, down []string
	done := map[string]bool{}
	for _, f := range findings {
		switch {
		case f.Mend == "":
			up = append(up, comment(f)+"-- Nothing is done here: "+line(f.Why)+"\n")
		case done[f.Mend]:
			up = append(up, comment(f)+"-- It is mended above.\n")
		default:
			done[f.Mend] = true
			up = append(up, comment(f)+block(f.Mend))
			down = append(down, comment(f)+takenBack(f))
		}
	}
	if len(done) == 0 {
		return ""
	}
	slices.Reverse(down)
	return "-- +goose Up\n" + strings.Join(up, "\n") + "\n-- +goose Down\n" + strings.Join(down, "\n")
}

func comment(f Finding) string {
	return fmt.Sprintf("-- %s, %s: %s.\n", f.ID, line(f.Object), line(f.Title))
}

func takenBack(f Finding) string {
	if f.Undo == "" {
		return "-- This stays as it was mended.\n"
	}
	return block(f.Undo)
}

// block keeps statements together, whatever semicolons stand within them.
func block(statements string) string {
	return "-- +goose StatementBegin\n" + statements + "\n-- +goose StatementEnd\n"
}

// line makes one line of a text in which names may hold anything.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }
