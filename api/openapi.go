package api

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// description says every answer of this package, and the tests hold each of theirs to it.
//
//go:embed openapi.yaml
var description string

// descriptionServer is the address in the description, which each server replaces by its own.
const descriptionServer = "  - url: http://localhost:8080\n"

// descriptionAge is how long others may keep the description, which a new version of rowpass may change.
const descriptionAge = 5 * time.Minute

// describe answers with the OpenAPI description of the server that is reached as publicURL. To browsers it is plain text: what is
// application/yaml (RFC 9512) they save to a file, whatever Content-Disposition says.
func describe(publicURL string) echo.HandlerFunc {
	url, _ := json.Marshal(publicURL) // a JSON string is one of YAML's
	text := []byte(strings.Replace(description, descriptionServer, "  - url: "+string(url)+"\n", 1))
	sum := sha256.Sum256(text)
	etag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return func(c echo.Context) error {
		c.Response().Header().Set("Vary", "Accept")
		if accepts(c.Request(), "text/html") {
			return publish(c, descriptionAge, echo.MIMETextPlainCharsetUTF8, `"`+etag+`-text"`, text)
		}
		return publish(c, descriptionAge, "application/yaml", `"`+etag+`"`, text)
	}
}
