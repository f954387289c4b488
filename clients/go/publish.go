package carillon

import (
	"context"

	"carillon.dev/clients/go/carillonv1"
)

// Receipt is what became of one message.
type Receipt struct {
	// MessageID is what clients see in meta.id.
	MessageID string

	// Sessions is how many sessions the message was addressed to.
	Sessions int

	// Position is nil where no log keeps the message, and where it went to several users.
	Position *Position

	// Duplicate is true where a message with this request id was published before: nothing was sent now, and the rest is
	// that message's receipt. So it is after an attempt whose answer was lost.
	Duplicate bool

	// Report is what became of the message in the sessions' queues, where [Report] asked for it. Nil for duplicates.
	Report *DeliveryReport
}

// DeliveryReport counts who of a message's recipients was given it.
type DeliveryReport struct {
	// Queued are sessions in whose queue it was put.
	Queued int

	// Filtered are sessions that it was not for: by the selector, an exclusion, the stream that they do not subscribe to,
	// or a filter of their own.
	Filtered int

	// Dropped are sessions that were too far behind: it was dropped for them, or they were closed.
	Dropped int

	// Replaying are sessions that are still catching up with the log, and get it from there.
	Replaying int

	// Partial is true where a part of the gateway did not answer in time, so that the counts may be too low.
	Partial bool
}

// UsersReceipt is what became of a message for several users. Sessions is the sum over all of them.
type UsersReceipt struct {
	Receipt

	// Users is how many of the users had at least one session.
	Users int
}

// BroadcastToUser sends to a user's sessions: every open tab. See [OnStream] and [AnySession]. Verb: publish.
func (c *Client) BroadcastToUser(ctx context.Context, userID string, event Event, opts ...UserOption) (Receipt, error) {
	req, err := toUser(userID, event, opts, newUUID)
	if err != nil {
		return Receipt{}, err
	}
	resp, err := call(ctx, c, repeatable, c.control.BroadcastToUser, req)
	return receipt(resp.GetReceipt()), err
}

// BroadcastToUsers sends the same message to 1 to 1,000 users. codes.ResourceExhausted may leave the first of them
// served; its message says how many. Verb: publish.
func (c *Client) BroadcastToUsers(
	ctx context.Context, userIDs []string, event Event, opts ...UsersOption,
) (UsersReceipt, error) {
	req, err := toUsers(userIDs, event, opts, newUUID)
	if err != nil {
		return UsersReceipt{}, err
	}
	resp, err := call(ctx, c, repeatable, c.control.BroadcastToUsers, req)
	return UsersReceipt{Receipt: receipt(resp.GetReceipt()), Users: int(resp.GetUsers())}, err
}

// BroadcastStream sends to everyone who subscribes to a stream: 1 to 128 bytes of [A-Za-z0-9._:-]. Verb: publish.
func (c *Client) BroadcastStream(
	ctx context.Context, stream string, event Event, opts ...StreamOption,
) (Receipt, error) {
	req, err := toStream(stream, event, opts, newUUID)
	if err != nil {
		return Receipt{}, err
	}
	resp, err := call(ctx, c, repeatable, c.control.BroadcastStream, req)
	return receipt(resp.GetReceipt()), err
}

// BroadcastAll sends to every session, whatever it subscribes to. Clients see it on "@all", or see [OnStream].
// Verb: publish.
func (c *Client) BroadcastAll(ctx context.Context, event Event, opts ...DirectOption) (Receipt, error) {
	req, err := toAll(event, opts, newUUID)
	if err != nil {
		return Receipt{}, err
	}
	resp, err := call(ctx, c, repeatable, c.control.BroadcastAll, req)
	return receipt(resp.GetReceipt()), err
}

// SendToSession sends to one session. The client sees it on "@session", or see [OnStream]. An unknown session is a count
// of zero. Verb: publish.
func (c *Client) SendToSession(
	ctx context.Context, sessionID string, event Event, opts ...DirectOption,
) (Receipt, error) {
	req, err := toSession(sessionID, event, opts, newUUID)
	if err != nil {
		return Receipt{}, err
	}
	resp, err := call(ctx, c, repeatable, c.control.SendToSession, req)
	return receipt(resp.GetReceipt()), err
}

func toUser(
	userID string, event Event, opts []UserOption, newID func() string,
) (*carillonv1.BroadcastToUserRequest, error) {
	message, err := encode(event)
	if err != nil {
		return nil, err
	}
	p := publication{}
	for _, opt := range opts {
		opt.toUser(&p)
	}
	return &carillonv1.BroadcastToUserRequest{
		UserId: userID, Stream: p.stream, AnySession: p.anySession, Event: message, Options: p.identified(newID),
	}, nil
}

func toUsers(
	userIDs []string, event Event, opts []UsersOption, newID func() string,
) (*carillonv1.BroadcastToUsersRequest, error) {
	message, err := encode(event)
	if err != nil {
		return nil, err
	}
	p := publication{}
	for _, opt := range opts {
		opt.toUsers(&p)
	}
	return &carillonv1.BroadcastToUsersRequest{
		UserIds: userIDs, Stream: p.stream, AnySession: p.anySession, Event: message, Options: p.identified(newID),
	}, nil
}

func toStream(
	stream string, event Event, opts []StreamOption, newID func() string,
) (*carillonv1.BroadcastStreamRequest, error) {
	message, err := encode(event)
	if err != nil {
		return nil, err
	}
	p := publication{}
	for _, opt := range opts {
		opt.toStream(&p)
	}
	return &carillonv1.BroadcastStreamRequest{Stream: stream, Event: message, Options: p.identified(newID)}, nil
}

func toAll(
	event Event, opts []DirectOption, newID func() string,
) (*carillonv1.BroadcastAllRequest, error) {
	message, err := encode(event)
	if err != nil {
		return nil, err
	}
	p := publication{}
	for _, opt := range opts {
		opt.toAll(&p)
	}
	return &carillonv1.BroadcastAllRequest{Stream: p.stream, Event: message, Options: p.identified(newID)}, nil
}

func toSession(
	sessionID string, event Event, opts []DirectOption, newID func() string,
) (*carillonv1.SendToSessionRequest, error) {
	message, err := encode(event)
	if err != nil {
		return nil, err
	}
	p := publication{}
	for _, opt := range opts {
		opt.toAll(&p)
	}
	return &carillonv1.SendToSessionRequest{
		SessionId: sessionID, Stream: p.stream, Event: message, Options: p.identified(newID),
	}, nil
}

func receipt(r *carillonv1.Receipt) Receipt {
	result := Receipt{
		MessageID: r.GetMessageId(),
		Sessions:  int(r.GetSessions()),
		Position:  optionalPosition(r.GetPosition()),
		Duplicate: r.GetDuplicate(),
	}
	if report := r.GetReport(); report != nil {
		result.Report = &DeliveryReport{
			Queued:    int(report.GetQueued()),
			Filtered:  int(report.GetFiltered()),
			Dropped:   int(report.GetDropped()),
			Replaying: int(report.GetReplaying()),
			Partial:   report.GetPartial(),
		}
	}
	return result
}
