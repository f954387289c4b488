package carillon

import (
	"context"
	"iter"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// Closed is how many sessions a call has closed.
type Closed struct {
	// Sessions is how many. Each was told; a client that never reads is reset after 5 seconds.
	Sessions int

	// Partial is true where a part of the gateway did not answer in time, so that Sessions may be too low.
	Partial bool
}

// Subscriber is one connected session.
type Subscriber struct {
	// SessionID is for [Client.Kick] and [Client.SendToSession].
	SessionID string

	// UserID is empty for an anonymous session.
	UserID string

	// ConnectedTime is by the gateway's clock.
	ConnectedTime time.Time

	// Labels is the claim "labels" of the session's token.
	Labels map[string]string
}

// KickOption refines [Client.Kick]: [CloseCode] or [Reason].
type KickOption interface{ kickWith(*carillonv1.KickRequest) }

// ListOption refines calls that list: [PageSize].
type ListOption interface {
	MessagesOption
	SessionsOption
	StreamsOption
	pageSize() int32
}

type closeCode uint32

func (code closeCode) kickWith(req *carillonv1.KickRequest) { req.Code = uint32(code) }

// CloseCode sets the WebSocket close code: 1000, 1008 or 3000 to 4999. Default 4005 (kicked). 4000 to 4099 tell
// clients to stay away, 4100 to 4199 to back off first, 4200 to 4299 to come back at once.
func CloseCode(code uint32) KickOption { return closeCode(code) }

// ReasonOption is [Reason].
type ReasonOption interface {
	KickOption
	BlockOption
}

type reason string

func (r reason) kickWith(req *carillonv1.KickRequest)       { req.Reason = string(r) }
func (r reason) blockWith(req *carillonv1.BlockUserRequest) { req.Reason = string(r) }

// Reason sets what the client reads in its close event or its refusal: at most 123 bytes. Default "kicked", or "this
// user is blocked".
func Reason(text string) ReasonOption { return reason(text) }

type pageSize int32

func (n pageSize) pageSize() int32                                  { return int32(n) }
func (n pageSize) messagesWith(req *carillonv1.ListMessagesRequest) { req.PageSize = int32(n) }
func (n pageSize) sessionsWith(req *carillonv1.ListSessionsRequest) { req.PageSize = int32(n) }
func (n pageSize) streamsWith(req *carillonv1.ListStreamsRequest)   { req.PageSize = int32(n) }

// PageSize sets how many items one request brings, of those that a loop asks for one after the other. Default 100, at
// most 1,000.
func PageSize(items int32) ListOption { return pageSize(items) }

func pageSizeOf(opts []ListOption) (size int32) {
	for _, opt := range opts {
		size = opt.pageSize()
	}
	return size
}

// Kick closes a [Session], all of a [User]'s, or all that subscribe to a [Stream]. See [CloseCode] and [Reason].
// codes.InvalidArgument where the target is nil. Verb: admin.
func (c *Client) Kick(ctx context.Context, target KickTarget, opts ...KickOption) (Closed, error) {
	if target == nil {
		return Closed{}, noTarget(takesKickTarget)
	}
	req := &carillonv1.KickRequest{}
	target.kick(req)
	for _, opt := range opts {
		opt.kickWith(req)
	}
	resp, err := call(ctx, c, repeatable, c.control.Kick, req)
	return Closed{Sessions: int(resp.GetSessions()), Partial: resp.GetPartial()}, err
}

// Subscribers lists the sessions that subscribe to a [Stream] or belong to a [User]. See [PageSize]. Verb: read.
//
// It asks for pages as the iteration goes on. Sessions that come or go meanwhile may be missed; none is listed twice.
// An error ends the iteration; it is [ErrPartial], after all that could be listed, where the list may have gaps.
func (c *Client) Subscribers(ctx context.Context, target ListTarget, opts ...ListOption) iter.Seq2[Subscriber, error] {
	if target == nil {
		return fails[Subscriber](noTarget(takesListTarget))
	}
	return listWhole(ctx, c, c.control.Subscribers,
		func() *carillonv1.SubscribersRequest {
			req := &carillonv1.SubscribersRequest{PageSize: pageSizeOf(opts)}
			target.list(req)
			return req
		},
		func(req *carillonv1.SubscribersRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.SubscribersResponse, yield func(Subscriber) bool) (string, bool) {
			return resp.GetNextPageToken(), each(resp.GetSubscribers(), subscriber, yield)
		})
}

// CountSubscribers counts the sessions that subscribe to a [Stream] or belong to a [User], or all of them for
// [Everyone]. Verb: read.
func (c *Client) CountSubscribers(ctx context.Context, target CountTarget) (int, error) {
	if target == nil {
		return 0, noTarget(takesCountTarget)
	}
	req := &carillonv1.CountSubscribersRequest{}
	target.count(req)
	resp, err := call(ctx, c, repeatable, c.control.CountSubscribers, req)
	return int(resp.GetSessions()), err
}

func subscriber(s *carillonv1.Subscriber) Subscriber {
	return Subscriber{
		SessionID:     s.GetSessionId(),
		UserID:        s.GetUserId(),
		ConnectedTime: s.GetConnectedTime().AsTime(),
		Labels:        s.GetLabels(),
	}
}
