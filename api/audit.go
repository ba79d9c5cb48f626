package api

import (
	"net/http"

	"rowpass/db"
)

// audit records who got, lost or was refused a token. It fills in when, from where and for which request, and costs no
// round trip. The event never holds a token, a password or a secret.
//
// A bad bearer token and a request above its limit are not recorded, only logged: whoever sends them is nobody yet, and
// could fill the table.
func (a *api) audit(r *http.Request, e db.Event) {
	e.At = a.Now()
	e.Address = a.clientAddress(r)
	if n, ok := r.Context().Value(notesKey{}).(*notes); ok {
		e.RequestID = n.requestID
	}
	a.Audit.Record(e)
}

// Outcomes of an event.
const (
	outcomeOK      = "ok"
	outcomeRefused = "refused"
)
