package doctor

import "context"

// volatile are functions that say something else each time, where Mend looks.
var volatile = map[string]bool{"random": true, "public.next": true}

// Mend writes a policy's expression again; ok is false where a person has to.
func Mend(expression, table string, columns, renamed map[string]string) (mended string, ok bool) {
	s := shapeOf(expression, table, columns, renamed, askers{schema: "auth", volatile: volatile})
	return s.mended, !s.unmended
}

// MendBeside is Mend where rowpass's functions stand in another schema than auth, and trusting are others that believe the setting. What is
// sealed asks ours in the place of these, and is the same otherwise; "" where there is none of ours.
func MendBeside(expression, table string, columns, renamed map[string]string, schema string, trusting map[string]string) (mended, sealed string) {
	s := shapeOf(expression, table, columns, renamed, askers{schema: schema, trusting: trusting, volatile: volatile})
	mended, sealed = s.mended, s.sealed
	if s.unmended {
		mended = ""
	}
	if s.unsealed {
		sealed = ""
	}
	return mended, sealed
}

// Nearest is the name that a misspelt one stands for.
func Nearest(name string, known []string) string { return nearest(name, known) }

// QuoteIdent writes a name as SQL has to have it.
func QuoteIdent(name string) string { return quoteIdent(name) }

// LeadBy puts a column before those of a definition.
func LeadBy(definition, column string) string { return leadBy(definition, column) }

// Offered takes the SQL out of findings where it can't be offered.
func Offered(ctx context.Context, c Config, findings []Finding) ([]Finding, error) {
	c.Roles = []string{"authenticated"}
	e, err := begin(ctx, c)
	if err != nil {
		return nil, err
	}
	defer e.end(ctx)
	return e.offered(ctx, findings)
}
