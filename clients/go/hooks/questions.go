package hooks

import (
	"encoding/json"
	"slices"

	"carillon.dev/clients/go/carillonv1"
)

// Session is whose question it is. What it is comes from its token, or from what Authenticate answered.
type Session struct {
	// App is its app's name.
	App string

	// ID is its id, as SendToSession takes it. Empty: it is about to begin.
	ID string

	// UserID is empty for an anonymous session.
	UserID string

	// Name is what to call the user; may be empty.
	Name string

	// Roles are the user's.
	Roles []string

	// Labels are what else is known of the session.
	Labels map[string]string
}

// HasRole says whether the user has the role.
func (s Session) HasRole(role string) bool { return slices.Contains(s.Roles, role) }

// Credentials are what a client shows when it connects. All of it comes from the client and is not to be trusted.
type Credentials struct {
	// App is the app that it connects to.
	App string

	// Endpoint is the path of the endpoint.
	Endpoint string

	// Address is the client's.
	Address string

	// Origin is the page's. Empty: no browser.
	Origin string

	// Token is empty where none came.
	Token string

	// Cookies are those of auth.hook.cookies that came.
	Cookies map[string]string

	// Headers are those of auth.hook.headers that came, with names in lower case.
	Headers map[string]string

	// Query is what stands in the URL, but for the token.
	Query map[string]string

	// Handshake is the object with which the client began: its "auth" frame without the token, or Socket.IO's auth. Nil:
	// none came.
	Handshake json.RawMessage
}

// Subscription is a session that wants to listen to a stream.
type Subscription struct {
	Session Session
	Stream  string
}

// Publication is a session that wants to say something to a stream.
type Publication struct {
	Session Session
	Stream  string
	Event   string
	Data    json.RawMessage
}

// ClientEvent is what a session said to no stream.
type ClientEvent struct {
	Session Session
	Event   string
	Data    json.RawMessage
}

func session(s *carillonv1.HookSession) Session {
	return Session{
		App: s.GetApp(), ID: s.GetSessionId(), UserID: s.GetUserId(), Name: s.GetName(), Roles: s.GetRoles(),
		Labels: s.GetLabels(),
	}
}

func credentials(req *carillonv1.AuthenticateRequest) Credentials {
	shown := Credentials{
		App: req.GetApp(), Endpoint: req.GetEndpoint(), Address: req.GetAddress(), Origin: req.GetOrigin(),
		Token: req.GetToken(), Cookies: req.GetCookies(), Headers: req.GetHeaders(), Query: req.GetQuery(),
	}
	if text := req.GetHandshakeJson(); text != "" {
		shown.Handshake = json.RawMessage(text)
	}
	return shown
}

// payload is null where none came, so that it can be unmarshalled.
func payload(text string) json.RawMessage {
	if text == "" {
		text = "null"
	}
	return json.RawMessage(text)
}
