package keys

// IsPublic is for a table of addresses that no test should dial.
var IsPublic = isPublic
