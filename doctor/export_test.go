package doctor

// Mend writes a policy's expression again; ok is false where a person has to.
func Mend(expression, table string, columns, renamed map[string]string) (mended string, ok bool) {
	s := shapeOf(expression, table, columns, renamed, askers{schema: "auth"})
	return s.mended, !s.unmended
}

// MendBeside is Mend where rowpass's functions stand in another schema than auth, and trusting are some that believe the setting.
func MendBeside(expression, table string, columns map[string]string, schema string, trusting map[string]string) (mended, sealed string, ok bool) {
	s := shapeOf(expression, table, columns, nil, askers{schema: schema, trusting: trusting})
	return s.mended, s.sealed, !s.unmended
}

// Nearest is the name that a misspelt one stands for.
func Nearest(name string, known []string) string { return nearest(name, known) }
