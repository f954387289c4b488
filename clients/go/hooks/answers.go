package hooks

import (
	"encoding/json"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"carillon.dev/clients/go/carillonv1"
)

// User is who a client is.
type User struct {
	// ID is 1 to 256 bytes.
	ID string

	// Name is what to call the user: at most 256 bytes, the rest is cut.
	Name string

	// Info is what the members of a stream see of the user besides: anything that [json.Marshal] takes, of at most 1,024
	// bytes then. Nil: nothing.
	Info any

	// Roles are at most 100 of at most 256 bytes.
	Roles []string

	// Labels are at most 100 of at most 256 bytes each.
	Labels map[string]string

	// Streams are granted to the session and subscribed at connect. At most 100.
	Streams []string

	// ExpiresAt is when the session ends. Zero: after auth.hook.lifetime.
	ExpiresAt time.Time

	// TokenID is what RevokeTokens calls it: the id of your session, say.
	TokenID string
}

// Outcome is what becomes of a client's event: an [Accept] or an [Answer].
type Outcome interface {
	response() (*carillonv1.OnClientEventResponse, error)
}

// Accept lets something through: as it is, or changed.
type Accept struct {
	// Event is another name. Empty: its own.
	Event string

	// Data is another payload: anything that [json.Marshal] takes. Nil: its own; json.RawMessage("null") is null.
	Data any
}

// Answer is for the client alone.
type Answer struct {
	// Data is anything that [json.Marshal] takes.
	Data any
}

func (u User) proto() (*carillonv1.HookUser, error) {
	if u.ID == "" {
		return nil, errors.New("a User needs an ID")
	}
	info, err := encode(u.Info)
	if err != nil {
		return nil, err
	}
	written := &carillonv1.HookUser{
		UserId: u.ID, Name: u.Name, InfoJson: info, Roles: u.Roles, Labels: u.Labels, Streams: u.Streams, TokenId: u.TokenID,
	}
	if !u.ExpiresAt.IsZero() {
		written.ExpiresAt = timestamppb.New(u.ExpiresAt)
	}
	return written, nil
}

func (a Accept) proto() (*carillonv1.HookAccept, error) {
	data, err := encode(a.Data)
	return &carillonv1.HookAccept{Event: a.Event, Json: data}, err
}

func (a Accept) response() (*carillonv1.OnClientEventResponse, error) {
	written, err := a.proto()
	return &carillonv1.OnClientEventResponse{Outcome: &carillonv1.OnClientEventResponse_Accept{Accept: written}}, err
}

func (a Answer) response() (*carillonv1.OnClientEventResponse, error) {
	data, err := encode(a.Data)
	written := &carillonv1.HookAnswer{Json: data}
	return &carillonv1.OnClientEventResponse{Outcome: &carillonv1.OnClientEventResponse_Answer{Answer: written}}, err
}

// encode returns "" for nil.
func encode(data any) (string, error) {
	if data == nil {
		return "", nil
	}
	text, err := json.Marshal(data)
	return string(text), err
}
