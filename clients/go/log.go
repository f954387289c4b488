package carillon

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// Message is one message of a log.
type Message struct {
	// ID is what clients see in meta.id.
	ID string

	// Stream is what clients see it on. "@user" where the sender named none.
	Stream string

	// Event is the event's name.
	Event string

	// Data is the payload as JSON, as the sender wrote it. Nil where there is none, and where it is Binary.
	Data json.RawMessage

	// Binary is the payload where it was sent as bytes.
	Binary []byte

	// Meta are the sender's annotations.
	Meta map[string]string

	// Time is when the gateway accepted it, by the gateway's clock.
	Time time.Time

	// Position is where it stands in the log.
	Position Position
}

// Cleared is what became of a log.
type Cleared struct {
	// Messages is how many were forgotten.
	Messages int

	// Position is where the log stands now: its new epoch, and offset 0.
	Position Position
}

// MessagesOption refines [Client.ListMessages]: [After], [TopTo] or [PageSize].
type MessagesOption interface {
	messagesWith(*carillonv1.ListMessagesRequest)
}

// AfterOption is [After].
type AfterOption interface {
	MessagesOption
	WatchOption
}

type after Position

func (a after) messagesWith(req *carillonv1.ListMessagesRequest) { req.After = Position(a).proto() }
func (a after) watchWith(o *watchOptions)                        { o.after = (*Position)(&a) }

// After begins after a position: of a log, or of the feed. A log answers codes.Aborted where the epoch is not its own,
// or where messages after it are no longer kept; a feed says what was lost.
func After(position Position) AfterOption { return after(position) }

type topTo struct{ position *Position }

func (topTo) messagesWith(*carillonv1.ListMessagesRequest) {}

// TopTo stores where the log stands with each page that comes: its epoch, and its newest message's offset. It is set
// before the loop sees the first message, and also where there are none.
func TopTo(position *Position) MessagesOption { return topTo{position} }

// ListMessages reads the log of a [Stream], or the inbox of a [User], from the oldest message that is kept or after a
// position. It asks for pages as the iteration goes on. Messages whose ttl has passed are left out.
// codes.FailedPrecondition where there is no log; codes.Aborted where the log was cleared, or trimmed beyond the next
// page, meanwhile. Verb: read.
func (c *Client) ListMessages(ctx context.Context, target LogTarget, opts ...MessagesOption) iter.Seq2[Message, error] {
	if target == nil {
		return fails[Message](noTarget(takesListTarget))
	}
	return listWhole(ctx, c, c.control.ListMessages,
		func() *carillonv1.ListMessagesRequest {
			req := &carillonv1.ListMessagesRequest{}
			target.messages(req)
			for _, opt := range opts {
				opt.messagesWith(req)
			}
			return req
		},
		func(req *carillonv1.ListMessagesRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.ListMessagesResponse, yield func(Message) bool) (string, bool) {
			for _, opt := range opts {
				if top, ok := opt.(topTo); ok {
					*top.position = position(resp.GetPosition())
				}
			}
			return resp.GetNextPageToken(), each(resp.GetMessages(), message, yield)
		})
}

// LogPosition says where the log of a [Stream], or the inbox of a [User], stands: its epoch, and its newest message's
// offset. For clients that begin with a snapshot of one's own: ask this, then the database, and let them subscribe from
// here. codes.FailedPrecondition where there is no log. Verb: read.
func (c *Client) LogPosition(ctx context.Context, target LogTarget) (Position, error) {
	if target == nil {
		return Position{}, noTarget(takesListTarget)
	}
	req := &carillonv1.ListMessagesRequest{PageSize: 1}
	target.messages(req)
	resp, err := call(ctx, c, repeatable, c.control.ListMessages, req)
	return position(resp.GetPosition()), err
}

// ClearMessages forgets the messages of a [Stream]'s log, or of a [User]'s inbox. It begins anew under another epoch, so
// that nobody recovers across it; sessions stay subscribed. codes.FailedPrecondition where there is no log. Verb: admin.
//
// It is tried again only where the request never left this process: a second attempt would also forget what was
// published since the first.
func (c *Client) ClearMessages(ctx context.Context, target LogTarget) (Cleared, error) {
	if target == nil {
		return Cleared{}, noTarget(takesListTarget)
	}
	req := &carillonv1.ClearMessagesRequest{}
	target.clear(req)
	resp, err := call(ctx, c, once, c.control.ClearMessages, req)
	return Cleared{Messages: int(resp.GetMessages()), Position: position(resp.GetPosition())}, err
}

func message(e *carillonv1.Envelope) Message {
	result := Message{
		ID:       e.GetId(),
		Stream:   e.GetStream(),
		Event:    e.GetEvent(),
		Binary:   e.GetBinary(),
		Meta:     e.GetMeta(),
		Time:     e.GetTime().AsTime(),
		Position: position(e.GetPosition()),
	}
	if text := e.GetJson(); text != "" {
		result.Data = json.RawMessage(text)
	}
	return result
}
