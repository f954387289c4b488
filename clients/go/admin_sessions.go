package carillon

import (
	"context"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carillon.dev/clients/go/carillonv1"
)

// SessionInfo is a connected session, as it is at this moment.
type SessionInfo struct {
	// SessionID is for [Client.Kick] and [Client.SendToSession].
	SessionID string

	// UserID is empty for an anonymous session.
	UserID string

	// Name is the user's, from the token. May be empty.
	Name string

	// Roles are the user's, from the token.
	Roles []string

	// Labels is the claim "labels" of the session's token.
	Labels map[string]string

	// Address is where the client is, as the gateway or its trusted proxies see it.
	Address string

	// Endpoint is the path of the endpoint that it is connected to.
	Endpoint string

	// ConnectedTime is by the gateway's clock.
	ConnectedTime time.Time

	// Age is for how long it has been connected.
	Age time.Duration

	// Streams is how many it subscribes to.
	Streams int

	// Backlog is what waits for it.
	Backlog Backlog

	// MessagesQueued is how many messages it was given to read since it connected, answers included.
	MessagesQueued uint64

	// MessagesSaid is how many messages it has said.
	MessagesSaid uint64

	// TokenExpireTime is when its token ends. Zero: it has none.
	TokenExpireTime time.Time
}

// Backlog is what waits for a session, and what it has lost.
type Backlog struct {
	// Messages wait to be written.
	Messages uint64

	// Bytes is how many bytes that is.
	Bytes uint64

	// Age is for how long something has waited without a break.
	Age time.Duration

	// MessagesLost since it connected, because it read too slowly.
	MessagesLost uint64
}

// SessionRates are messages a second.
type SessionRates struct {
	// Queued: that the session was given to read.
	Queued float64

	// Said: that it said.
	Said float64

	// Measured is over how long.
	Measured time.Duration
}

// SessionDetails is one session, with its streams.
type SessionDetails struct {
	SessionInfo

	// StreamNames are in the order of their names; the first 1,000.
	StreamNames []string

	// Rates is nil without [MeasureFor].
	Rates *SessionRates
}

// Slowest are the sessions that are furthest behind, and those that have lost messages.
type Slowest struct {
	// Sessions begin with the worst.
	Sessions []SessionInfo

	// Partial is true where a part of the gateway did not answer in time, so that sessions may be missing.
	Partial bool
}

// SessionsOption refines [Client.ListSessions]: [OfUser], [WithLabels] or [PageSize].
type SessionsOption interface {
	sessionsWith(*carillonv1.ListSessionsRequest)
}

type sessionsOption func(*carillonv1.ListSessionsRequest)

func (o sessionsOption) sessionsWith(req *carillonv1.ListSessionsRequest) { o(req) }

// OfUser lists this user's sessions alone.
func OfUser(userID string) SessionsOption {
	return sessionsOption(func(req *carillonv1.ListSessionsRequest) { req.UserId = userID })
}

// WithLabels lists sessions that have each of these labels. At most 16.
func WithLabels(labels map[string]string) SessionsOption {
	return sessionsOption(func(req *carillonv1.ListSessionsRequest) { req.Labels = labels })
}

// SessionOption refines [Client.GetSession]: [MeasureFor].
type SessionOption func(*carillonv1.GetSessionRequest)

// MeasureFor watches the session for so long, at most 10 seconds, for its rates. The client's timeout counts from after
// that; a deadline of the context does not.
func MeasureFor(duration time.Duration) SessionOption {
	return func(req *carillonv1.GetSessionRequest) { req.MeasureFor = durationpb.New(duration) }
}

// ListSessions lists sessions in the order of their ids. See [OfUser], [WithLabels] and [PageSize]. Sessions that come
// or go meanwhile may be missed; none is listed twice. It ends with [ErrPartial] where the list may have gaps. Verb:
// read, and a key for all streams.
func (c *Client) ListSessions(ctx context.Context, opts ...SessionsOption) iter.Seq2[SessionInfo, error] {
	return listWhole(ctx, c, c.admin.ListSessions,
		func() *carillonv1.ListSessionsRequest {
			req := &carillonv1.ListSessionsRequest{}
			for _, opt := range opts {
				opt.sessionsWith(req)
			}
			return req
		},
		func(req *carillonv1.ListSessionsRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.ListSessionsResponse, yield func(SessionInfo) bool) (string, bool) {
			return resp.GetNextPageToken(), each(resp.GetSessions(), sessionInfo, yield)
		})
}

// GetSession returns one session, with its streams. See [MeasureFor]. codes.NotFound: it is not there. Verb: read, and a
// key for all streams.
func (c *Client) GetSession(ctx context.Context, sessionID string, opts ...SessionOption) (SessionDetails, error) {
	req := &carillonv1.GetSessionRequest{SessionId: sessionID}
	for _, opt := range opts {
		opt(req)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout+max(req.GetMeasureFor().AsDuration(), 0))
		defer cancel()
	}
	resp, err := call(ctx, c, repeatable, c.admin.GetSession, req)
	if err != nil {
		return SessionDetails{}, err
	}
	result := SessionDetails{SessionInfo: sessionInfo(resp.GetSession()), StreamNames: resp.GetStreams()}
	if rates := resp.GetRates(); rates != nil {
		result.Rates = &SessionRates{
			Queued: rates.GetQueued(), Said: rates.GetSaid(), Measured: rates.GetMeasured().AsDuration(),
		}
	}
	return result, nil
}

// TopSlow lists the sessions that are furthest behind, in bytes, and those that have lost messages; the worst first. At
// most limit of them: 0 is 20; at most 1,000. Verb: read, and a key for all streams.
func (c *Client) TopSlow(ctx context.Context, limit int32) (Slowest, error) {
	resp, err := call(ctx, c, repeatable, c.admin.TopSlow, &carillonv1.TopSlowRequest{Limit: limit})
	result := Slowest{Partial: resp.GetPartial()}
	for _, session := range resp.GetSessions() {
		result.Sessions = append(result.Sessions, sessionInfo(session))
	}
	return result, err
}

func sessionInfo(s *carillonv1.Session) SessionInfo {
	result := SessionInfo{
		SessionID:     s.GetSessionId(),
		UserID:        s.GetUserId(),
		Name:          s.GetName(),
		Roles:         s.GetRoles(),
		Labels:        s.GetLabels(),
		Address:       s.GetAddress(),
		Endpoint:      s.GetEndpoint(),
		ConnectedTime: s.GetConnectedTime().AsTime(),
		Age:           s.GetAge().AsDuration(),
		Streams:       int(s.GetStreams()),
		Backlog: Backlog{
			Messages:     s.GetBacklog().GetMessages(),
			Bytes:        s.GetBacklog().GetBytes(),
			Age:          s.GetBacklog().GetAge().AsDuration(),
			MessagesLost: s.GetBacklog().GetMessagesLost(),
		},
		MessagesQueued: s.GetMessagesQueued(),
		MessagesSaid:   s.GetMessagesSaid(),
	}
	if s.TokenExpireTime != nil {
		result.TokenExpireTime = s.TokenExpireTime.AsTime()
	}
	return result
}
