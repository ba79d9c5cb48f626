package doctor

// Mend writes a policy's expression again; ok is false where a person has to.
func Mend(expression, table string, columns, renamed map[string]string) (mended string, ok bool) {
	s := shapeOf(expression, table, columns, renamed)
	return s.mended, !s.unmended
}

// Nearest is the name that a misspelt one stands for.
func Nearest(name string, known []string) string { return nearest(name, known) }
