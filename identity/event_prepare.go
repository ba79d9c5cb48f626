package identity

import (
	"slices"
	"strings"
)

// prepare puts what a provider writes in a way of its own where the table of presets says that it is. It is false where the
// event turns out to be about something else.
func (m message) prepare() bool {
	switch m.source.cfg.Preset {
	case "keycloak":
		return prepareKeycloak(m.root)
	case "logto":
		prepareLogto(m.root)
	}
	return true
}

// prepareKeycloak reads the events of p2-inc's keycloak-events. An admin's has the path of what was changed, and by
// authDetails the admin; a user's has by authDetails the user. A path below a user's, as that of a linked identity, has the
// types of a user, though it is none that was made or deleted.
func prepareKeycloak(event map[string]any) bool {
	eventType, _ := event["type"].(string)
	delete(event, "user")
	event["subject"] = first([]Path{{"authDetails", "userId"}, {"userId"}}, event)
	if !strings.HasPrefix(eventType, "admin.") {
		return true
	}
	event["subject"] = first([]Path{{"details", "userId"}, {"resourceId"}}, event)
	if path, _ := event["resourcePath"].(string); path != "" {
		id, ok := strings.CutPrefix(path, "users/")
		if !ok || strings.Contains(id, "/") {
			return false
		}
		event["subject"] = id
	}
	if user := representation(event["representation"]); user != nil && (user["id"] == nil || user["id"] == event["subject"]) {
		user["id"] = event["subject"]
		event["user"] = user
	}
	return true
}

// representation is the user as the admin sent it, a text that holds JSON.
func representation(value any) map[string]any {
	text, ok := value.(string)
	if !ok {
		user, _ := value.(map[string]any)
		return user
	}
	user, err := parseObject([]byte(text), "the representation")
	if err != nil {
		return nil
	}
	return user
}

// prepareLogto takes away what is no user. An event of the management API has the answer to the request that caused it, and
// that to a change of custom data is custom data: whoever may write theirs would write profiles with it.
func prepareLogto(event map[string]any) {
	route, there := event["matchedRoute"].(string)
	whole := []string{"/users", "/users/:userId", "/users/:userId/is-suspended", "/users/:userId/password"}
	if there && !slices.Contains(whole, strings.TrimPrefix(route, "/api")) {
		delete(event, "data")
	}
	id, _ := first([]Path{{"params", "userId"}}, event).(string)
	if id != "" && first([]Path{{"data", "id"}}, event) != any(id) {
		delete(event, "data")
	}
}
