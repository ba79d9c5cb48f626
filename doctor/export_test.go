package doctor

// Mend writes a policy's expression again; ok is false where a person has to.
func Mend(expression, table string, columns, renamed map[string]string) (mended string, ok bool) {
	s := shapeOf(expression, table, columns, renamed, askers{schema: "auth"})
	return s.mended, !s.unmended
}

// MendBeside is Mend where rowpass's functions stand in another schema than auth, and trusting are others that believe the setting. What is
// sealed asks ours in the place of these, and is the same otherwise; "" where there is none of ours.
func MendBeside(expression, table string, columns, renamed map[string]string, schema string, trusting map[string]string) (mended, sealed string) {
	s := shapeOf(expression, table, columns, renamed, askers{schema: schema, trusting: trusting})
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
