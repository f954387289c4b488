package carillon

import (
	"context"

	"carillon.dev/clients/go/carillonv1"
)

// UserSubscribed is how many sessions subscribe to a stream now.
type UserSubscribed struct {
	// Sessions includes those that did before.
	Sessions int

	// Refused are those that could not: they, or the app, have too many streams, or their token lacks what the stream
	// filters by.
	Refused int

	// Partial is true where a part of the gateway did not answer in time, so that the counts may be too low.
	Partial bool
}

// UserUnsubscribed is how many sessions had the stream that was taken from them.
type UserUnsubscribed struct {
	// Sessions subscribed to it.
	Sessions int

	// Partial is true where a part of the gateway did not answer in time, so that Sessions may be too low.
	Partial bool
}

// RoomOption refines [Client.SubscribeUser] and [Client.UnsubscribeUser]: [OnlySession].
type RoomOption interface {
	subscribeWith(*carillonv1.SubscribeUserRequest)
	unsubscribeWith(*carillonv1.UnsubscribeUserRequest)
}

type onlySession string

func (id onlySession) subscribeWith(req *carillonv1.SubscribeUserRequest) { req.SessionId = string(id) }
func (id onlySession) unsubscribeWith(req *carillonv1.UnsubscribeUserRequest) {
	req.SessionId = string(id)
}

// OnlySession means this session of the user. Default: all.
func OnlySession(sessionID string) RoomOption { return onlySession(sessionID) }

// SubscribeUser subscribes a user's sessions to a stream, or one of them, see [OnlySession]: those that there are, not
// those that come later. Whether the stream's rule lets them is not asked. Clients are told, as if they had subscribed.
// Verb: admin.
func (c *Client) SubscribeUser(ctx context.Context, userID, stream string, opts ...RoomOption) (UserSubscribed, error) {
	req := &carillonv1.SubscribeUserRequest{UserId: userID, Stream: stream}
	for _, opt := range opts {
		opt.subscribeWith(req)
	}
	resp, err := call(ctx, c, repeatable, c.control.SubscribeUser, req)
	return UserSubscribed{
		Sessions: int(resp.GetSessions()), Refused: int(resp.GetRefused()), Partial: resp.GetPartial(),
	}, err
}

// UnsubscribeUser takes a stream from a user's sessions, or from one of them, see [OnlySession], however they came to
// it. Clients are told; they may subscribe again where the stream's rule lets them. After an attempt whose answer was
// lost the count may be too low. Verb: admin.
func (c *Client) UnsubscribeUser(ctx context.Context, userID, stream string, opts ...RoomOption) (UserUnsubscribed, error) {
	req := &carillonv1.UnsubscribeUserRequest{UserId: userID, Stream: stream}
	for _, opt := range opts {
		opt.unsubscribeWith(req)
	}
	resp, err := call(ctx, c, repeatable, c.control.UnsubscribeUser, req)
	return UserUnsubscribed{Sessions: int(resp.GetSessions()), Partial: resp.GetPartial()}, err
}
