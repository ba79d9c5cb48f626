package statement

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	tree "github.com/pganalyze/pg_query_go/v6"
)

//go:embed functions.txt
var functionsText string

//go:embed attributes.txt
var attributesText string

// names are the lists by which functions are judged.
type names struct {
	schema     string          // of rowpass's functions
	functions  map[string]bool // good: of pg_catalog by their names, rowpass's with the schema
	attributes map[string]bool // bad behind a dot
}

// readNames has the list's functions of schema auth stand in another one.
func readNames(schema string) *names {
	n := &names{schema: schema, functions: map[string]bool{}, attributes: lines(attributesText)}
	for name := range lines(functionsText) {
		if last, ours := strings.CutPrefix(name, "auth."); ours {
			name = schema + "." + last
		}
		n.functions[name] = true
	}
	return n
}

// lines reads a list: one name a line, comments begin with #.
func lines(text string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all[line] = true
		}
	}
	return all
}

// runsText tells whether a function runs text as SQL, reads relations by name, or changes a setting: past any check of the
// statement that calls it.
func runsText(name string) bool {
	switch name {
	case "set_config", "ts_stat", "ts_rewrite", "cursor_to_xml", "cursor_to_xmlschema":
		return true
	}
	for _, prefix := range []string{"query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "dblink", "crosstab"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// call checks a function by the last part of its name: a schema or a database before it may be written or not.
func (w *walk) call(f *tree.FuncCall) *Refusal {
	parts := words(f.GetFuncname())
	if len(parts) == 0 || len(parts) != len(f.GetFuncname()) {
		return unknownNode(f.ProtoReflect())
	}
	name := parts[len(parts)-1]
	if w.rules.names(name) {
		return nil
	}
	listed := name
	if len(parts) > 1 && parts[len(parts)-2] != "pg_catalog" {
		listed = parts[len(parts)-2] + "." + name
	}
	switch {
	case listed == "current_setting":
		return w.setting(f)
	case listed == "ts_rewrite" && len(f.GetArgs()) == 3 && !f.GetFuncVariadic():
		return nil
	case w.names.functions[listed]:
		return nil
	}
	return w.functionRefusal(strings.Join(parts, ".")).at(w.sql, f.GetLocation())
}

func (w *walk) functionRefusal(name string) *Refusal {
	last := name[strings.LastIndex(name, ".")+1:]
	hint := fmt.Sprintf("If callers may call it, the owner names %s in sql.functions.", clip(last))
	switch {
	case runsText(last):
		hint = "It runs text as SQL or changes settings, past every check."
	case w.names.functions[w.names.schema+"."+last]:
		hint = fmt.Sprintf("Write %s.%s.", w.names.schema, last)
	}
	return refuse(codePrivilege, fmt.Sprintf("permission denied for function %s", clip(name)), hint)
}

// setting allows current_setting of names that tell the caller about itself or about how the server writes values.
func (w *walk) setting(f *tree.FuncCall) *Refusal {
	if len(f.GetArgs()) > 0 {
		if name, ok := constant(f.GetArgs()[0]); ok && ownSetting(strings.ToLower(name)) {
			return nil
		}
	}
	return refuse(codePrivilege, "permission denied for function current_setting",
		"It may be called with a constant such as 'request.jwt.claims'. For others the owner names current_setting in sql.functions.").
		at(w.sql, f.GetLocation())
}

func ownSetting(name string) bool {
	return strings.HasPrefix(name, "request.") || slices.Contains([]string{
		"server_version", "server_version_num", "server_encoding", "client_encoding", "timezone", "datestyle", "intervalstyle",
		"search_path", "role", "transaction_isolation", "transaction_read_only", "transaction_deferrable", "statement_timeout",
	}, name)
}

// constant is a string that stands in the text, with or without a cast to text.
func constant(n *tree.Node) (string, bool) {
	if c := n.GetTypeCast(); c != nil {
		if t := words(c.GetTypeName().GetNames()); len(t) == 0 || t[len(t)-1] != "text" {
			return "", false
		}
		n = c.GetArg()
	}
	s := n.GetAConst().GetSval()
	return s.GetSval(), s != nil
}

// column checks the last name of a dotted one, which PostgreSQL calls where no such column is. Those before are a table's.
func (w *walk) column(c *tree.ColumnRef) *Refusal {
	last := len(c.GetFields()) - 1
	if last < 1 {
		return nil
	}
	if refusal := w.attributes(c.GetFields()[last:]); refusal != nil {
		return refusal.at(w.sql, c.GetLocation())
	}
	return nil
}

func (w *walk) indirection(i *tree.A_Indirection) *Refusal { return w.attributes(i.GetIndirection()) }

// attributes checks names behind dots.
func (w *walk) attributes(nodes []*tree.Node) *Refusal {
	for _, name := range words(nodes) {
		if w.calls(folded(name)) {
			return refuse(codePrivilege, fmt.Sprintf("permission denied for function %s", clip(name)),
				"Behind a dot the name of a function calls it. A column of that name can be written without its table's.")
		}
	}
	return nil
}

// calls tells whether a name behind a dot may call what it shouldn't. PostgreSQL's prefix counts for functions of newer versions.
func (w *walk) calls(name string) bool {
	switch {
	case w.rules.names(name):
		return false
	case runsText(name), w.names.attributes[name]:
		return true
	}
	return reserved(name) && !w.names.functions[name]
}

// sample checks the method of TABLESAMPLE, which is a function's name.
func (w *walk) sample(s *tree.RangeTableSample) *Refusal {
	parts := words(s.GetMethod())
	if len(parts) == 0 {
		return unknownNode(s.ProtoReflect())
	}
	switch name := parts[len(parts)-1]; {
	case name == "system", name == "bernoulli", w.rules.names(name):
		return nil
	default:
		return w.functionRefusal(name).at(w.sql, s.GetLocation())
	}
}
