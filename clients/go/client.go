// Package carillon publishes to the browsers that are connected to a Carillon gateway.
//
//	client, err := carillon.New("127.0.0.1:7311", carillon.WithToken(key))
//	...
//	receipt, err := client.BroadcastToUser(ctx, "alice", carillon.Event{Name: "order.shipped", Data: order})
//
// Nobody listening is not an error: Receipt.Sessions is 0 then. Every error that a call returns is an [*Error].
package carillon

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"carillon.dev/clients/go/carillonv1"
)

// DefaultAddress is where a gateway listens for backends unless it is configured otherwise.
const DefaultAddress = "127.0.0.1:7311"

// Client is a connection to a gateway's control port. Goroutines may share one.
//
// No call is tried again by itself: a message whose answer was lost may have been sent.
type Client struct {
	conn    *grpc.ClientConn
	raw     carillonv1.ControlServiceClient
	timeout time.Duration
}

// New returns a client for the gateway at addr: host:port or unix:/path. It connects with the first call, so that an
// error here can only mean that addr or an option is malformed.
func New(addr string, opts ...Option) (*Client, error) {
	o := options{timeout: defaultTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	conn, err := grpc.NewClient(addr, o.dialOptions()...)
	if err != nil {
		return nil, &Error{Code: codes.InvalidArgument, Message: err.Error(), cause: err}
	}
	return &Client{conn: conn, raw: carillonv1.NewControlServiceClient(conn), timeout: o.timeout}, nil
}

// Close ends calls that still run, and the connection. Later calls fail with codes.Canceled. Closing again does nothing.
func (c *Client) Close() error {
	// The only error there is says that the connection is closed already.
	_ = c.conn.Close()
	return nil
}

// Raw returns the generated client, on the same connection and with the same token: for PublishStream, and for what
// this package does not wrap. Its errors are gRPC's own, and its calls have no timeout but their context's.
func (c *Client) Raw() carillonv1.ControlServiceClient { return c.raw }

// Event is what clients receive.
type Event struct {
	// Name is what clients dispatch on: 1 to 128 bytes.
	Name string

	// Data is what json.Marshal takes, a json.RawMessage, or a []byte, which JSON clients receive as a base64 string.
	// Nil arrives as null. At most 512 KiB of text, unless the gateway is configured otherwise.
	Data any

	// Meta reaches clients in "meta": at most 32 entries, with values of at most 1,024 bytes.
	Meta map[string]string
}

// Position is where a message stands in its log. Offsets of different epochs cannot be compared.
type Position struct {
	Epoch  string
	Offset uint64
}

// Receipt is what became of one message.
type Receipt struct {
	// MessageID is what clients see in meta.id.
	MessageID string

	// Sessions is how many sessions the message was addressed to.
	Sessions int

	// Position is nil where no log keeps the message.
	Position *Position
}

// UsersReceipt is what became of a message for several users. Sessions is the sum over all of them.
type UsersReceipt struct {
	Receipt

	// Users is how many of the users had at least one session.
	Users int
}

// KickResult is who was closed.
type KickResult struct {
	Sessions int

	// Partial is true where a part of the gateway did not answer in time, so that Sessions may be too low.
	Partial bool
}

// Subscriber is one connected session.
type Subscriber struct {
	SessionID string

	// UserID is empty for an anonymous session.
	UserID string

	// ConnectedTime is by the gateway's clock.
	ConnectedTime time.Time

	// Labels is the claim "labels" of the session's token.
	Labels map[string]string
}

// BroadcastToUser sends to a user's sessions: every open tab. See [OnStream] and [AnySession].
func (c *Client) BroadcastToUser(ctx context.Context, userID string, event Event, opts ...UserOption) (Receipt, error) {
	message, err := encode(event)
	if err != nil {
		return Receipt{}, err
	}
	req := &carillonv1.BroadcastToUserRequest{UserId: userID, Event: message}
	for _, opt := range opts {
		opt.forUser(&req.Stream, &req.AnySession)
	}
	resp, err := call(ctx, c, c.raw.BroadcastToUser, req)
	return receipt(resp.GetReceipt()), err
}

// BroadcastToUsers sends the same message to 1 to 1,000 users. codes.ResourceExhausted may leave the first of them
// served.
func (c *Client) BroadcastToUsers(
	ctx context.Context, userIDs []string, event Event, opts ...UserOption,
) (UsersReceipt, error) {
	message, err := encode(event)
	if err != nil {
		return UsersReceipt{}, err
	}
	req := &carillonv1.BroadcastToUsersRequest{UserIds: userIDs, Event: message}
	for _, opt := range opts {
		opt.forUser(&req.Stream, &req.AnySession)
	}
	resp, err := call(ctx, c, c.raw.BroadcastToUsers, req)
	return UsersReceipt{Receipt: receipt(resp.GetReceipt()), Users: int(resp.GetUsers())}, err
}

// BroadcastStream sends to everyone who subscribes to a stream.
func (c *Client) BroadcastStream(ctx context.Context, stream string, event Event) (Receipt, error) {
	message, err := encode(event)
	if err != nil {
		return Receipt{}, err
	}
	resp, err := call(ctx, c, c.raw.BroadcastStream, &carillonv1.BroadcastStreamRequest{Stream: stream, Event: message})
	return receipt(resp.GetReceipt()), err
}

// BroadcastAll sends to every session, whatever it subscribes to. Clients see it on "@all", or see [OnStream].
func (c *Client) BroadcastAll(ctx context.Context, event Event, opts ...StreamOption) (Receipt, error) {
	message, err := encode(event)
	if err != nil {
		return Receipt{}, err
	}
	req := &carillonv1.BroadcastAllRequest{Event: message}
	for _, opt := range opts {
		opt.forStream(&req.Stream)
	}
	resp, err := call(ctx, c, c.raw.BroadcastAll, req)
	return receipt(resp.GetReceipt()), err
}

// SendToSession sends to one session. The client sees it on "@session", or see [OnStream].
func (c *Client) SendToSession(
	ctx context.Context, sessionID string, event Event, opts ...StreamOption,
) (Receipt, error) {
	message, err := encode(event)
	if err != nil {
		return Receipt{}, err
	}
	req := &carillonv1.SendToSessionRequest{SessionId: sessionID, Event: message}
	for _, opt := range opts {
		opt.forStream(&req.Stream)
	}
	resp, err := call(ctx, c, c.raw.SendToSession, req)
	return receipt(resp.GetReceipt()), err
}

// Kick closes a [Session], all of a [User]'s, or all that subscribe to a [Stream]. See [CloseCode] and [Reason].
func (c *Client) Kick(ctx context.Context, target KickTarget, opts ...KickOption) (KickResult, error) {
	req := &carillonv1.KickRequest{}
	target.kick(req)
	for _, opt := range opts {
		opt(req)
	}
	resp, err := call(ctx, c, c.raw.Kick, req)
	return KickResult{Sessions: int(resp.GetSessions()), Partial: resp.GetPartial()}, err
}

// Subscribers lists the sessions that subscribe to a [Stream] or belong to a [User]. See [PageSize].
//
// It asks for pages as the iteration goes on. Sessions that come or go meanwhile may be missed; none is listed twice.
// An error ends the iteration; it is [ErrPartial], after all that could be listed, where the list may have gaps.
func (c *Client) Subscribers(ctx context.Context, target ListTarget, opts ...ListOption) iter.Seq2[Subscriber, error] {
	return func(yield func(Subscriber, error) bool) {
		// Made anew for each iteration, so that the sequence can be ranged over again.
		req := &carillonv1.SubscribersRequest{}
		target.list(req)
		for _, opt := range opts {
			opt(req)
		}
		partial := false
		for {
			resp, err := call(ctx, c, c.raw.Subscribers, req)
			if err != nil {
				yield(Subscriber{}, err)
				return
			}
			for _, each := range resp.GetSubscribers() {
				if !yield(subscriber(each), nil) {
					return
				}
			}
			partial = partial || resp.GetPartial()
			// A page that is not full may have a next one; only the empty token ends the list.
			if resp.GetNextPageToken() == "" {
				break
			}
			req.PageToken = resp.GetNextPageToken()
		}
		if partial {
			yield(Subscriber{}, ErrPartial)
		}
	}
}

// CountSubscribers counts the sessions that subscribe to a [Stream] or belong to a [User], or all of them for
// [Everyone].
func (c *Client) CountSubscribers(ctx context.Context, target CountTarget) (int, error) {
	req := &carillonv1.CountSubscribersRequest{}
	target.count(req)
	resp, err := call(ctx, c, c.raw.CountSubscribers, req)
	return int(resp.GetSessions()), err
}

// call runs one call of the stub under the client's timeout, unless ctx has a deadline of its own, and translates its
// error. The answer is nil with an error; the getters of a nil answer return zeros.
func call[Request, Response any](
	ctx context.Context, c *Client,
	method func(context.Context, *Request, ...grpc.CallOption) (*Response, error), req *Request,
) (*Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	resp, err := method(ctx, req)
	if err != nil {
		return nil, fromGRPC(err)
	}
	return resp, nil
}

func encode(event Event) (*carillonv1.Event, error) {
	message := &carillonv1.Event{Name: event.Name, Meta: event.Meta}
	switch data := event.Data.(type) {
	case nil:
	case []byte:
		message.Payload = &carillonv1.Event_Binary{Binary: data}
	default:
		text, err := json.Marshal(data)
		if err != nil {
			return nil, &Error{Code: codes.InvalidArgument, Message: "event.data: " + err.Error(), cause: err}
		}
		message.Payload = &carillonv1.Event_Json{Json: string(text)}
	}
	return message, nil
}

func receipt(r *carillonv1.Receipt) Receipt {
	result := Receipt{MessageID: r.GetMessageId(), Sessions: int(r.GetSessions())}
	if p := r.GetPosition(); p != nil {
		result.Position = &Position{Epoch: p.GetEpoch(), Offset: p.GetOffset()}
	}
	return result
}

func subscriber(s *carillonv1.Subscriber) Subscriber {
	return Subscriber{
		SessionID:     s.GetSessionId(),
		UserID:        s.GetUserId(),
		ConnectedTime: s.GetConnectedTime().AsTime(),
		Labels:        s.GetLabels(),
	}
}
