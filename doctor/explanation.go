package doctor

import "encoding/json"

// ExplainConfig says whose view of which table is explained.
type ExplainConfig struct {
	OwnerURL   string          // the owner's login, which reads catalogues and its own tables
	GatewayURL string          // the gateway's, which becomes the caller: whatever may run others' code is done there
	Role       string          // the role that the caller becomes
	Claims     json.RawMessage // the caller's verified claims, an object; empty: none
	Table      string          // as schema.table, or a table of schema public
	Row        string          // the value of a row's primary key, several separated by commas; "": no row in particular
	ToCaller   bool            // the caller itself is told: what it may not read is ErrNoTable, and of PostgreSQL's errors it hears the SQLSTATE alone

	AuthSchema string // where rowpass's functions stand; "": auth
}

// Explanation is what a caller sees of a table, and why.
type Explanation struct {
	Answer   string          `json:"answer"` // one sentence: which rows are seen, or why none
	Role     string          `json:"role"`
	Claims   json.RawMessage `json:"claims"`
	Identity Identity        `json:"identity"`
	Table    string          `json:"table"` // with its schema
	Kind     string          `json:"kind"`  // table, partitioned table, view …
	RLS      bool            `json:"rls"`   // row-level security is enabled on the table
	Grants   []Grant         `json:"grants"`
	Policies []PolicyVerdict `json:"policies"`
	Row      *RowVerdict     `json:"row,omitempty"`    // nil where no row was asked for
	Unread   string          `json:"unread,omitempty"` // why the owner was not asked for rows: the table is somebody else's; "" where it was
	Counts   Counts          `json:"counts"`
	Typos    []Typo          `json:"typos"` // claims that policies ask for and the caller has none of
	Plan     []string        `json:"plan"`  // of select * from the table as the caller, line by line; empty where it may not
}

// Identity is who the caller is to policies, by the functions of schema auth or of that in its place; null where the claims don't say.
type Identity struct {
	UserID   *string `json:"user_id"`   // auth.user_id()
	UID      *string `json:"uid"`       // auth.uid()
	Tenant   *string `json:"tenant"`    // auth.tenant()
	TenantID *string `json:"tenant_id"` // auth.tenant_id()
}

// Grant is a privilege that the role has.
type Grant struct {
	Privilege string   `json:"privilege"`         // such as SELECT
	Columns   []string `json:"columns,omitempty"` // the columns that it is for; empty: the whole table
}

// PolicyVerdict is one policy, and what it says of the row that was asked for.
type PolicyVerdict struct {
	Name       string   `json:"name"`
	Command    string   `json:"command"` // SELECT, INSERT, UPDATE, DELETE or ALL
	Permissive bool     `json:"permissive"`
	Roles      []string `json:"roles"`      // public: everybody
	Applies    bool     `json:"applies"`    // to the caller's role
	Using      string   `json:"using"`      // which rows are seen; "" where it has none
	WithCheck  string   `json:"with_check"` // which rows may be written; "" where USING counts
	Sees       *bool    `json:"sees"`       // what USING says of the row; nil: not asked, or NULL, which counts as false
	Writes     *bool    `json:"writes"`     // what WITH CHECK, or USING in its place, says of the row
	Error      string   `json:"error,omitempty"`
}

// RowVerdict is what becomes of the row that was asked for.
type RowVerdict struct {
	Key    string `json:"key"`
	Exists bool   `json:"exists"` // as the owner sees it or, with Unread, the caller
	Seen   bool   `json:"seen"`   // by the caller
}

// Counts are rows, counted up to CountLimit.
type Counts struct {
	Seen *int64 `json:"seen"` // by the caller; nil where it may not read, or it took too long
	All  *int64 `json:"all"`  // by the owner, without row-level security; nil of a view, with Unread, and where the owner is held by it as well
}

// CountLimit is where counting ends: more rows are not told apart.
const CountLimit = 100_000

// Typo is a claim that a policy asks for and the caller doesn't have.
type Typo struct {
	Policy string `json:"policy"`
	Claim  string `json:"claim"`
	Meant  string `json:"meant,omitempty"` // the claim of the caller's with the nearest name
}
