package identity

// Names says whether a dead event's body names a user by one of these.
func Names(body []byte, names ...string) bool { return name(names).in(body) }
