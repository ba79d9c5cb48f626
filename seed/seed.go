// Package seed holds the demo's tenants, users and todos as one SQL file, to be run as the owner.
package seed

import _ "embed"

// SQL inserts what is missing of the seed and leaves the rest alone, so running it twice is harmless. It is several
// statements: run it by the simple protocol, in one transaction.
//
//go:embed seed.sql
var SQL string
