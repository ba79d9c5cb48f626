// Package embedded runs a private PostgreSQL for as long as its caller lives.
//
// It finds PostgreSQL's programs (or downloads pinned ones), makes a cluster in
// a state folder, starts postgres as a direct child under an unprivileged
// account, and stops it again. After kill -9, of the caller, of postgres, of
// initdb, the next Start ends what still runs, removes what is stale, and goes
// on with the data that was committed. It never deletes or re-makes data.
//
// The state folder, and who owns what in it:
//
//	.                  0711  the supervisor: whoever calls Start
//	supervisor.lock    0600  the supervisor; locked while it lives, holds its process ID
//	data.lock          0600  the supervisor; locked while any process of PostgreSQL lives
//	credentials.json   0600  the supervisor; the password of every login, the superuser's too
//	data/              0700  the account that postgres runs as
//	sock/              0700  the same; the only way in. A symbolic link to a short
//	                         private folder elsewhere where the path would be too long
//	data.init/         0700  the same; a cluster in the making, worthless after a crash
//	initdb.password    0600  the same; there only while data.init is made
//
// There is no TCP listener. Every login needs its password (SCRAM-SHA-256),
// also over the socket, so that another process of the same account is not
// superuser by being there.
//
// Whoever reads credentials.json is superuser of the database, and through it
// the account that postgres runs as. Whoever reads data/ reads all rows,
// whatever the policies say. Whoever can write the state folder, or the folder
// of the programs, decides what runs. Others may pass through the state folder
// (0711, which PostgreSQL's account needs), and see nothing.
//
// Children get an environment of our own making: none of the caller's
// variables, which may hold secrets, but the few that programs are found by.
// The statements and the values of callers don't reach PostgreSQL's log.
//
// Programs with known holes in row-level security are refused: below 15.14,
// 16.10 and 17.6, and everything before 15.
//
// pgx reads the PG* variables of its own process. PGSERVICE breaks every
// connection URL: a caller clears it before it uses this package.
package embedded
