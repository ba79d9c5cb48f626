package api

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
)

func (a *api) renameTenant(c echo.Context) error {
	s, err := a.session(c.Request())
	if err != nil {
		return err
	}
	id, err := pathID(c)
	if err != nil {
		return err
	}
	var body struct {
		Name *string `json:"name"`
	}
	if err := decode(c.Request(), &body, "name"); err != nil {
		return err
	}
	if body.Name == nil {
		return fmt.Errorf("%w: say the new name, as in {\"name\": \"Acme\"}", errRequest)
	}
	tenant, err := a.DB.RenameTenant(c.Request().Context(), s, id, *body.Name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, append(appendTenant(nil, &tenant), '\n'))
}
