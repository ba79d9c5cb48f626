package identity

import (
	"net/http"
	"time"
)

// Precheck refuses an event by its headers alone, so that nobody can make us read a body for nothing. What it refuses, Verify
// would refuse too, if with ErrSignature perhaps where this says ErrStale; what it lets through is yet to be verified, but for
// BearerSignature, which has nothing else to look at.
func (s *Source) Precheck(h http.Header, now time.Time) error {
	switch s.cfg.Signature {
	case StandardSignature:
		m, err := readStandard(h)
		if err != nil {
			return err
		}
		return within(m.at, now, standardWindow)
	case WorkOSSignature:
		m, err := readWorkOS(h.Get(s.header))
		if err != nil {
			return err
		}
		return within(m.at, now, workOSWindow)
	case HMACSignature:
		_, err := readHMAC(h.Get(s.header))
		return err
	case BearerSignature:
		return s.keys.verifyBearer(h.Get(s.header))
	}
	return ErrUnsigned
}
