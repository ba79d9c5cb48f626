package identity

import "time"

// SetPatience bounds how long a source's provider is asked for the users of some events, and for one. Call it before Run.
func (s *Store) SetPatience(all, one time.Duration) { s.patience = patience{all, one} }
