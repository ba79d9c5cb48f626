// Package identity keeps neon_identity.users_sync, a table of user profiles, in step with the providers that users log in at.
//
// A provider tells of its users in two ways, by events at a webhook and by a list, and a token's claims are a third. What is
// known of a make of provider is a Preset, and one that is configured is a Source: it verifies who sent an event, says which
// event it is, and reads it into a Profile. Nothing that a provider sends reaches SQL before it went through there, since the
// table's generated columns refuse whatever they cannot convert, and the whole statement with it.
//
// Logs and errors have IDs, names of fields and sizes, and never what a profile says.
package identity
