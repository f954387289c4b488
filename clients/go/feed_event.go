package carillon

import (
	"fmt"
	"strings"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// FeedEvent is something that happened in an app. What its kind has nothing to say of is zero or nil; the getters of the
// details may be called on nil.
type FeedEvent struct {
	// Kind is what happened.
	Kind EventKind

	// Position is where it stands in the feed. Offsets have gaps where a filter or another member's partition is.
	Position Position

	// Partition is the part of the feed that it belongs to. 0 but for groups with [Partitions].
	Partition int

	// Time is by the gateway's clock.
	Time time.Time

	// SessionID is the session concerned, if any.
	SessionID string

	// UserID is the user concerned. Empty: none, or an anonymous session.
	UserID string

	// Stream is the stream concerned, if any.
	Stream string

	// Opened says who a session is: SessionOpened, SessionIdentified.
	Opened *carillonv1.SessionOpened

	// Closed says how a session ended: SessionClosed.
	Closed *carillonv1.SessionClosed

	// Member says how a stream's members changed: MemberJoined, MemberLeft.
	Member *carillonv1.MemberChange

	// Limit is what has come near: LimitCrossed.
	Limit *carillonv1.LimitCrossed

	// Slow says how a session fell behind: SlowConsumer.
	Slow *carillonv1.SlowConsumer

	// Client is what a client said: ClientEvent.
	Client *carillonv1.ClientSaid

	// Drain says what is drained, or is not any more: Drain.
	Drain *carillonv1.DrainNotice
}

// EventKind is what may happen.
type EventKind string

// The kinds of events. Others may come from gateways that are newer than this package.
const (
	// SessionOpened: a session began; it was welcomed.
	SessionOpened EventKind = "session_opened"

	// SessionIdentified: an anonymous session showed a token; it has a user now.
	SessionIdentified EventKind = "session_identified"

	// SessionClosed: a session ended. The last event of it; its subscriptions end with it, without events of their own.
	SessionClosed EventKind = "session_closed"

	// Subscribed: a session subscribed to a stream.
	Subscribed EventKind = "subscribed"

	// Unsubscribed: a session gave up a stream, or lost it, and goes on.
	Unsubscribed EventKind = "unsubscribed"

	// MemberJoined: a user came to a stream of which it is known who is there.
	MemberJoined EventKind = "member_joined"

	// MemberLeft: a user left one.
	MemberLeft EventKind = "member_left"

	// StreamOccupied: a stream has its first subscriber.
	StreamOccupied EventKind = "stream_occupied"

	// StreamVacated: a stream's last subscriber has gone.
	StreamVacated EventKind = "stream_vacated"

	// LimitCrossed: 80 % of a limit were crossed.
	LimitCrossed EventKind = "limit_crossed"

	// SlowConsumer: a session reads too slowly and has begun to lose messages, or is closed for it.
	SlowConsumer EventKind = "slow_consumer"

	// Drain: sessions will be sent away, or that was taken back.
	Drain EventKind = "drain"

	// ClientEvent: a client published an event to no stream, which the configuration leaves to backends.
	ClientEvent EventKind = "client_event"
)

const kindPrefix = "EVENT_KIND_"

// LostError says that events were forgotten before the watch got them. The watch goes on after it: whoever keeps a state
// by the feed makes it anew.
type LostError struct {
	// From is the first offset that is missing.
	From uint64

	// To is the last one. 0: nobody knows how many, because the feed is another: the gateway was restarted without a
	// snapshot.
	To uint64

	// Partition is the part of the feed that they belong to. 0 but for groups with [Partitions].
	Partition int
}

// Error implements error.
func (e *LostError) Error() string {
	if e.To == 0 {
		return fmt.Sprintf("carillon: the feed began anew: events from %d on are lost", e.From)
	}
	return fmt.Sprintf("carillon: events %d to %d are lost", e.From, e.To)
}

func feedEvent(e *carillonv1.FeedEvent, epoch string, partition uint32) FeedEvent {
	return FeedEvent{
		Kind:      EventKind(wordOf(e.GetKind().String(), kindPrefix)),
		Position:  Position{Epoch: epoch, Offset: e.GetOffset()},
		Partition: int(partition),
		Time:      e.GetTime().AsTime(),
		SessionID: e.GetSessionId(),
		UserID:    e.GetUserId(),
		Stream:    e.GetStream(),
		Opened:    e.GetOpened(),
		Closed:    e.GetClosed(),
		Member:    e.GetMember(),
		Limit:     e.GetLimit(),
		Slow:      e.GetSlow(),
		Client:    e.GetClient(),
		Drain:     e.GetDrain(),
	}
}

// proto returns 0, which the gateway refuses, for a kind that there is not.
func (k EventKind) proto() carillonv1.EventKind {
	return carillonv1.EventKind(carillonv1.EventKind_value[kindPrefix+strings.ToUpper(string(k))])
}
