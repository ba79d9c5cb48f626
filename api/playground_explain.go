package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
)

// An explanation takes two connections to the database beside those that are for requests, so few are made at once.
const (
	explainsAtOnce    = 2
	explainsPerCaller = 8               // made or waited for; more are refused
	explainWait       = 4 * time.Second // for one of the others to end
)

// explainer answers POST /playground/explain.
type explainer struct {
	*api
	places chan struct{} // holds one for each explanation that is being made
	asked  *gauge        // by subject
}

func (a *api) explainer() *explainer {
	return &explainer{a, make(chan struct{}, explainsAtOnce), newGauge()}
}

// serve answers for the caller alone: role and claims are those of its token.
func (e *explainer) serve(c echo.Context) error {
	if e.Explain == nil {
		return errNoRoute
	}
	r := c.Request()
	claims, err := e.claims(r)
	if err != nil {
		return err
	}
	release, err := e.asked.take(claims.Subject, explainsPerCaller)
	if err != nil {
		return &limitError{"this caller asks for too many explanations at once", explainWait}
	}
	defer release()
	var asked struct {
		Table string `json:"table"`
		Row   string `json:"row"`
	}
	if err := decode(r, &asked, "table", "row"); err != nil {
		return err
	}
	if asked.Table == "" {
		return ErrTable
	}
	leave, err := e.enter(r)
	if err != nil {
		return err
	}
	defer leave()
	found, err := e.Explain(r.Context(), claims.Role, claims.JSON, asked.Table, asked.Row)
	if err != nil {
		return err
	}
	body, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("encoding the explanation: %w", err)
	}
	return respond(c, http.StatusOK, append(body, '\n'))
}

// enter waits for a place, in which the token may have ended, and returns what gives it back.
func (e *explainer) enter(r *http.Request) (leave func(), err error) {
	late := time.NewTimer(explainWait)
	defer late.Stop()
	select {
	case e.places <- struct{}{}:
	case <-late.C:
		return nil, fmt.Errorf("%w: no more than %d explanations are made at once", db.ErrBusy, explainsAtOnce)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	leave = func() { <-e.places }
	if err := e.stillHolds(r); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}
