package doctor

import "slices"

// splitItems divides items at commas.
func splitItems(items []item) [][]item {
	var parts [][]item
	from := 0
	for i, it := range items {
		if it.word == "," {
			parts, from = append(parts, items[from:i]), i+1
		}
	}
	return slices.DeleteFunc(append(parts, items[from:]), func(part []item) bool { return len(part) == 0 })
}

// bare makes one expression of items without parentheses around them.
func bare(items []item) expr {
	e := combine(items, items[0].from, items[len(items)-1].to)
	e.loose = e.loose || len(items) > 1
	return e
}

// combine makes one expression of what stands between two parentheses.
func combine(items []item, from, to int) expr {
	e := expr{from: from, to: to, kids: kidsOf(items)}
	has := func(word string) bool { return slices.ContainsFunc(items, func(i item) bool { return i.word == word }) }
	switch {
	case len(items) > 0 && slices.Contains([]string{"SELECT", "VALUES", "WITH"}, items[0].word), has("UNION"), has("INTERSECT"), has("EXCEPT"):
		return subselect(e, items, has("FROM"))
	case between(items, "OR"):
		e.kind = either
	case between(items, "AND"):
		e.kind = all
	case len(items) == 1 && len(e.kids) == 1:
		e = e.kids[0]
		e.from, e.to = from, to
	case len(items) == 3 && len(e.kids) == 2 && between(items, items[1].word) && items[1].word != ",":
		e.kind, e.name = binary, items[1].word
	case len(items) == 4 && items[1].word == "=" && items[2].word == "ANY" && len(e.kids) == 2:
		e.kind, e.name = binary, "IN"
	}
	e.loose = e.loose || e.kind == other && has(",")
	return e
}

// kidsOf gives the expressions among items. Behind some words stands no value: a sub-select there may give many rows.
func kidsOf(items []item) []expr {
	var kids []expr
	for i, it := range items {
		switch {
		case it.word != "":
			continue
		case i == 0 || !slices.Contains([]string{"IN", "ANY", "ALL", "SOME", "EXISTS"}, items[i-1].word):
		case it.kind == selected:
			it.kind = queried
		case it.kind != queried && it.group:
			it.expr = it.asOperand()
		}
		kids = append(kids, it.expr)
	}
	return kids
}

// asOperand is e with its parentheses about it.
func (e expr) asOperand() expr {
	inner := e
	inner.from, inner.to = e.from+1, e.to-1
	return expr{kind: operand, kids: []expr{inner}, from: e.from, to: e.to}
}

// between says whether the word stands between each two expressions, and nothing else does.
func between(items []item, word string) bool {
	for i, it := range items {
		if i%2 == 0 && it.word != "" || i%2 == 1 && it.word != word {
			return false
		}
	}
	return len(items) > 2 && len(items)%2 == 1 && word != ""
}

func subselect(e expr, items []item, from bool) expr {
	e.kind = queried
	if from || len(items) < 2 || items[0].word != "SELECT" {
		return e
	}
	list := items[1:]
	if len(list) > 2 && list[len(list)-2].word == "AS" {
		list = list[:len(list)-2]
	}
	if len(list) == 1 && list[0].word == "" {
		e.kind, e.kids = selected, []expr{list[0].expr}
	}
	return e
}
