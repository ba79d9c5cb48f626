package api

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"rowpass/db"
)

func (a *api) renameTenant(c echo.Context, s db.Session, id db.UUID) error {
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
	return respondRow(c, http.StatusOK, &tenant, appendTenant)
}
