package carillon

import (
	"iter"

	"carillon.dev/clients/go/carillonv1"
)

// What calls take as their target, for the error that there is none.
const (
	takesKickTarget   = "a Session, a User or a Stream"
	takesListTarget   = "a User or a Stream"
	takesCountTarget  = "a User, a Stream or Everyone"
	takesRevokeTarget = "a User or a TokenID"
	takesDrainTarget  = "a Gateway, an App or an Endpoint"
)

// noTarget is for a target that is nil. Left out, it could stand for all sessions.
func noTarget(takes string) *Error { return invalid("target", "is nil: give "+takes, nil) }

// fails is a sequence of nothing but the error.
func fails[Item any](err error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var none Item
		yield(none, err)
	}
}

// KickTarget is a [Session], a [User] or a [Stream]. Nil is codes.InvalidArgument, as for every call with a target.
type KickTarget interface{ kick(*carillonv1.KickRequest) }

// ListTarget is a [User] or a [Stream].
type ListTarget interface {
	list(*carillonv1.SubscribersRequest)
}

// CountTarget is a [User], a [Stream] or [Everyone].
type CountTarget interface {
	count(*carillonv1.CountSubscribersRequest)
}

// LogTarget is a [Stream], or a [User], whose log is the inbox.
type LogTarget interface {
	messages(*carillonv1.ListMessagesRequest)
	clear(*carillonv1.ClearMessagesRequest)
}

// RevokeTarget is a [User] or a [TokenID].
type RevokeTarget interface {
	revoke(*carillonv1.RevokeTokensRequest)
}

// Session is the session with this id, from its welcome, from [Client.Subscribers] or from the feed.
type Session string

func (s Session) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_SessionId{SessionId: string(s)}
}

// User is the user with this id, with all sessions: 1 to 256 bytes.
type User string

func (u User) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_UserId{UserId: string(u)}
}

func (u User) list(req *carillonv1.SubscribersRequest) {
	req.Target = &carillonv1.SubscribersRequest_UserId{UserId: string(u)}
}

func (u User) count(req *carillonv1.CountSubscribersRequest) {
	req.Target = &carillonv1.CountSubscribersRequest_UserId{UserId: string(u)}
}

func (u User) messages(req *carillonv1.ListMessagesRequest) {
	req.Target = &carillonv1.ListMessagesRequest_UserId{UserId: string(u)}
}

func (u User) clear(req *carillonv1.ClearMessagesRequest) {
	req.Target = &carillonv1.ClearMessagesRequest_UserId{UserId: string(u)}
}

func (u User) revoke(req *carillonv1.RevokeTokensRequest) {
	req.Target = &carillonv1.RevokeTokensRequest_UserId{UserId: string(u)}
}

// Stream is the stream with this name, with all sessions that subscribe to it.
type Stream string

func (s Stream) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_Stream{Stream: string(s)}
}

func (s Stream) list(req *carillonv1.SubscribersRequest) {
	req.Target = &carillonv1.SubscribersRequest_Stream{Stream: string(s)}
}

func (s Stream) count(req *carillonv1.CountSubscribersRequest) {
	req.Target = &carillonv1.CountSubscribersRequest_Stream{Stream: string(s)}
}

func (s Stream) messages(req *carillonv1.ListMessagesRequest) {
	req.Target = &carillonv1.ListMessagesRequest_Stream{Stream: string(s)}
}

func (s Stream) clear(req *carillonv1.ClearMessagesRequest) {
	req.Target = &carillonv1.ClearMessagesRequest_Stream{Stream: string(s)}
}

// Everyone is every session of the app.
type Everyone struct{}

func (Everyone) count(*carillonv1.CountSubscribersRequest) {}

// TokenID is the token with this "jti": at most 256 bytes.
type TokenID string

func (id TokenID) revoke(req *carillonv1.RevokeTokensRequest) {
	req.Target = &carillonv1.RevokeTokensRequest_TokenId{TokenId: string(id)}
}
