package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// userBody is what a request may say about a user. nil is what it does not mention.
type userBody struct {
	Name     *string         `json:"name"`
	Email    *string         `json:"email"`
	Role     *string         `json:"role"`
	Settings json.RawMessage `json:"settings"`
}

func (a *api) currentUser(c echo.Context, s db.Session) error {
	user, err := a.DB.CurrentUser(c.Request().Context(), s)
	if err != nil {
		return err
	}
	return respondRow(c, http.StatusOK, &user, appendUser)
}

func (a *api) addUser(c echo.Context, s db.Session) error {
	var body userBody
	if err := decode(c.Request(), &body, "name", "email", "role", "settings"); err != nil {
		return err
	}
	settings, err := plainJSON(body.Settings)
	if err != nil {
		return err
	}
	user, err := a.DB.AddUser(c.Request().Context(), s, db.NewUser{
		Name: text(body.Name), Email: text(body.Email), Role: text(body.Role), Settings: settings,
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", a.path+"/api/users/"+string(appendUUID(nil, user.ID)[1:37]))
	return respondRow(c, http.StatusCreated, &user, appendUser)
}

// changeUser merges: what the body does not mention stays; settings are replaced whole.
func (a *api) changeUser(c echo.Context, s db.Session, id db.UUID) error {
	var body userBody
	if err := decode(c.Request(), &body, "name", "email", "role", "settings"); err != nil {
		return err
	}
	settings, err := plainJSON(body.Settings)
	if err != nil {
		return err
	}
	user, err := a.DB.ChangeUser(c.Request().Context(), s, id, db.UserChange{
		Name: body.Name, Email: body.Email, Role: body.Role, Settings: settings,
	})
	if err != nil {
		return err
	}
	return respondRow(c, http.StatusOK, &user, appendUser)
}

func (a *api) removeUser(c echo.Context, s db.Session, id db.UUID) error {
	if err := a.DB.RemoveUser(c.Request().Context(), s, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// plainJSON is an object as every reader can take it: jsonb would store 1e131071 in a few bytes and print it in 131,072, and
// nest as deep as memory goes.
func plainJSON(object json.RawMessage) (json.RawMessage, error) {
	if object == nil {
		return nil, nil
	}
	parsed, err := token.ParseObject(object)
	if err != nil {
		return nil, fmt.Errorf("%w: settings: %w", db.ErrInvalid, err)
	}
	return parsed.JSON(), nil
}
