package carillon

import (
	"crypto/rand"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carillon.dev/clients/go/carillonv1"
)

// publication is what the options of a publishing call fill in.
type publication struct {
	stream     string
	anySession bool
	options    carillonv1.PublishOptions
}

// identified returns the options with a request id, so that the message can be sent again without being published again.
func (p *publication) identified(newID func() string) *carillonv1.PublishOptions {
	if p.options.RequestId == "" {
		p.options.RequestId = newID()
	}
	return &p.options
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// UserOption refines BroadcastToUser: any [PublishOption], [OnStream], [AnySession] or [ExpectedPosition].
type UserOption interface{ toUser(*publication) }

// UsersOption refines BroadcastToUsers: any [PublishOption], [OnStream] or [AnySession].
type UsersOption interface{ toUsers(*publication) }

// StreamOption refines BroadcastStream: any [PublishOption] or [ExpectedPosition].
type StreamOption interface{ toStream(*publication) }

// DirectOption refines BroadcastAll and SendToSession: any [PublishOption] or [OnStream].
type DirectOption interface{ toAll(*publication) }

// PublishOption goes with every publishing call.
type PublishOption func(*publication)

func (o PublishOption) toUser(p *publication)   { o(p) }
func (o PublishOption) toUsers(p *publication)  { o(p) }
func (o PublishOption) toStream(p *publication) { o(p) }
func (o PublishOption) toAll(p *publication)    { o(p) }

// RequestID says which message this is: 1 to 128 bytes. Publishing again with the same id, the same message and the same
// options, to the same target and within five minutes, sends nothing and answers with the first receipt; with another
// message or other options it is codes.AlreadyExists. Default: a random UUID, so that the client's own attempts publish
// the message once. Give one where the caller itself may try again, after codes.DeadlineExceeded or its own restart.
//
// The gateway remembers the newest million ids (limits.request_ids), and none across a restart.
func RequestID(id string) PublishOption {
	return func(p *publication) { p.options.RequestId = id }
}

// TTL says how long the log may still give the message to those who come later: 1 ms to 30 days. Longer than the log's
// own age has no effect.
func TTL(ttl time.Duration) PublishOption {
	return func(p *publication) { p.options.Ttl = durationpb.New(ttl) }
}

// DeliverWithin says how long the message may be on its way: 1 ms to 30 days. It is dropped from the queues of sessions
// that it has not reached by then, and not replayed either.
func DeliverWithin(limit time.Duration) PublishOption {
	return func(p *publication) { p.options.DeliverWithin = durationpb.New(limit) }
}

// ConflationKey matters for streams whose slow policy is "conflate": a session that is behind gets only the newest
// message of each key. At most 128 bytes. Default: the event's name.
func ConflationKey(key string) PublishOption {
	return func(p *publication) { p.options.ConflationKey = key }
}

// SkipHistory sends the message without keeping it in the log: it gets no position, and whoever is away misses it.
func SkipHistory() PublishOption {
	return func(p *publication) { p.options.SkipHistory = true }
}

// OnlyLabels sends to sessions each of whose labels (the token's claim "labels") has this value. At most 16. Sessions
// without an identity match none.
func OnlyLabels(labels map[string]string) PublishOption {
	return func(p *publication) { p.selector().Labels = labels }
}

// OnlyUsers sends to sessions of these users. At most 100.
func OnlyUsers(userIDs ...string) PublishOption {
	return func(p *publication) { p.selector().UserIds = userIDs }
}

// OnlyRoles sends to sessions of users who have one of these roles. At most 16.
func OnlyRoles(roles ...string) PublishOption {
	return func(p *publication) { p.selector().Roles = roles }
}

// ExcludeSessions sends to others than these sessions, and those that resume one of them. At most 100.
func ExcludeSessions(sessionIDs ...string) PublishOption {
	return func(p *publication) { p.options.ExcludeSessions = sessionIDs }
}

// ExcludeUsers sends to others than these users. At most 100.
func ExcludeUsers(userIDs ...string) PublishOption {
	return func(p *publication) { p.options.ExcludeUsers = userIDs }
}

// Report answers only when the sessions' queues were looked at, with Receipt.Report. Not for a [Batcher], which gets no
// receipts: the gateway refuses it there.
func Report() PublishOption {
	return func(p *publication) { p.options.Report = true }
}

func (p *publication) selector() *carillonv1.Selector {
	if p.options.Selector == nil {
		p.options.Selector = &carillonv1.Selector{}
	}
	return p.options.Selector
}

// PositionOption is [ExpectedPosition].
type PositionOption interface {
	UserOption
	StreamOption
}

type expectedPosition Position

func (o expectedPosition) toUser(p *publication)   { p.options.ExpectedPosition = Position(o).proto() }
func (o expectedPosition) toStream(p *publication) { p.options.ExpectedPosition = Position(o).proto() }

// ExpectedPosition publishes only where the log's newest message stands here, and is codes.Aborted otherwise. A log
// without messages stands at offset 0 of the epoch that [Client.LogPosition] says. codes.FailedPrecondition where there
// is no log.
func ExpectedPosition(at Position) PositionOption { return expectedPosition(at) }

// ViewOption is [OnStream].
type ViewOption interface {
	UserOption
	UsersOption
	DirectOption
}

type onStream string

func (o onStream) toUser(p *publication)  { p.stream = string(o) }
func (o onStream) toUsers(p *publication) { p.stream = string(o) }
func (o onStream) toAll(p *publication)   { p.stream = string(o) }

// OnStream lets clients see the message on a stream. A broadcast to users reaches only those of their sessions that
// subscribe to it, unless [AnySession] is given; other calls reach the same sessions as without.
func OnStream(stream string) ViewOption { return onStream(stream) }

// TabsOption is [AnySession].
type TabsOption interface {
	UserOption
	UsersOption
}

type anySession struct{}

func (anySession) toUser(p *publication)  { p.anySession = true }
func (anySession) toUsers(p *publication) { p.anySession = true }

// AnySession also reaches the users' sessions that do not subscribe to the stream given by [OnStream].
func AnySession() TabsOption { return anySession{} }
