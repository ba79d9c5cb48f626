package statement

import "context"

// Depth is the bound of a text's tree.
func Depth(sql string) int { return measure(sql).depth }

// Parsed tells whether a text is given to the parser.
func Parsed(sql string) bool { return measure(sql).refusal() == nil }

// Marks are the offsets of a text's brackets, commas and semicolons.
func Marks(sql string) []int {
	l := lexer{sql: sql}
	all := []int{}
	for {
		kind, text := l.next()
		switch kind {
		case end:
			return all
		case comma, semicolon, opening, closing:
			all = append(all, l.pos-len(text))
		}
	}
}

// Hold takes the checker's only parser until it is released.
func (c *Checker) Hold() (release func()) {
	_ = take(context.Background(), c.parsers.free)
	return c.parsers.release
}

// Flights is how many checks are under way.
func (c *Checker) Flights() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flights)
}

// Remembered is how many verdicts are kept.
func (c *Checker) Remembered() int { return c.verdicts.Len() }

// Break is what running over the parser's stack does.
func (c *Checker) Break() { c.parsers.down.Store(true) }

// HiddenRelation tells whether a relation is refused as a source.
func HiddenRelation(name string) bool { return hidden(name) }
