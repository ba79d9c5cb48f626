package statement

import (
	"strings"

	tree "github.com/pganalyze/pg_query_go/v6"
)

const (
	hintTransaction = "A request is one transaction: send its queries as one batch, sql.transaction([...]), with isolationLevel, readOnly and deferrable."
	hintSetting     = "Nothing that is set outlives a request, and what a request depends on is not the caller's: leave it out."
	hintPrepared    = "Send the query with its parameters each time: sql.query(text, [...]) or a tagged template."
	hintCopy        = "Send rows with INSERT, and read them with SELECT."
	hintListen      = "No session outlives a request, so that nobody could be told."
	hintCursor      = "No cursor outlives a request: read pages with ORDER BY, a condition on the last key, and LIMIT."
	hintCode        = "Call a function with SELECT, which the owner names in sql.functions."
	hintLock        = "Lock rows with SELECT ... FOR UPDATE; they are locked until the request ends."
	hintInto        = "Insert into a table that the owner has made."
	hintOwner       = "The owner changes the database with migrations, or as a role of sql.roles whose statements are any."
)

// foreign refuses a statement that isn't of a kind. It says what to do instead.
func (w *walk) foreign(n *tree.Node) *Refusal {
	return refuse(codeUnsupported, verb(w.sql)+" is not allowed", hintFor(n))
}

func hintFor(n *tree.Node) string {
	switch n.GetNode().(type) {
	case *tree.Node_TransactionStmt, *tree.Node_ConstraintsSetStmt:
		return hintTransaction
	case *tree.Node_VariableSetStmt:
		if strings.HasPrefix(n.GetVariableSetStmt().GetName(), "TRANSACTION") {
			return hintTransaction
		}
		return hintSetting
	case *tree.Node_VariableShowStmt, *tree.Node_DiscardStmt, *tree.Node_LoadStmt:
		return hintSetting
	case *tree.Node_PrepareStmt, *tree.Node_ExecuteStmt, *tree.Node_DeallocateStmt:
		return hintPrepared
	case *tree.Node_CopyStmt:
		return hintCopy
	case *tree.Node_ListenStmt, *tree.Node_UnlistenStmt, *tree.Node_NotifyStmt:
		return hintListen
	case *tree.Node_DeclareCursorStmt, *tree.Node_FetchStmt, *tree.Node_ClosePortalStmt:
		return hintCursor
	case *tree.Node_DoStmt, *tree.Node_CallStmt:
		return hintCode
	case *tree.Node_LockStmt:
		return hintLock
	case *tree.Node_CreateTableAsStmt:
		return hintInto
	}
	return hintOwner
}

// verb is the first word of a statement, by which its writer knows it.
func verb(sql string) string {
	l := lexer{sql: sql}
	for {
		switch kind, text := l.next(); kind {
		case word:
			return strings.ToUpper(clip(text))
		case end:
			return "this statement"
		}
	}
}

// checkAny is the check of a role that may run everything: what would tear the request's own transaction or message apart is
// refused even then. The tree is nil where the text couldn't be read.
func checkAny(sql string, t *tree.ParseResult) *Refusal {
	if len(t.GetStmts()) > 1 {
		return severalRefusal()
	}
	for _, s := range t.GetStmts() {
		n := s.GetStmt()
		c := n.GetCopyStmt()
		if n.GetTransactionStmt() != nil || c != nil && c.GetFilename() == "" {
			return refuse(codeUnsupported, verb(sql)+" is not allowed", hintFor(n))
		}
	}
	return nil
}
