package carillon

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// Member is a user who is in a stream.
type Member struct {
	// UserID is who.
	UserID string

	// Name is what the user's newest token says. May be empty.
	Name string

	// Info is what else that token says (auth.claims.info). Nil: nothing.
	Info json.RawMessage

	// Status is how the user is.
	Status Status

	// Text says the same in the user's own words: at most 256 bytes.
	Text string

	// JoinTime is when the first of the user's sessions came, by the gateway's clock.
	JoinTime time.Time

	// Sessions is how many of the user's sessions are there. 0: the last connection broke, and the grace has not passed.
	Sessions int
}

// Status is what a user says of themselves in a stream.
type Status string

// What a status may be. Other values may come from gateways that are newer than this package.
const (
	StatusOnline Status = "online"
	StatusAway   Status = "away"
	StatusBusy   Status = "busy"
)

// PresenceCount is how many users are in a stream.
type PresenceCount struct {
	// Users are counted once, however many sessions they have.
	Users int

	// CountsOnly is true where there are too many for subscribers to be told who comes and goes.
	CountsOnly bool
}

// GetPresence lists who is in a stream: users, however many sessions each has, in the order of their ids. See
// [PageSize]. Those who come or go meanwhile may be missed; none is listed twice. codes.FailedPrecondition where the
// stream's rule keeps no presence. Verb: read.
func (c *Client) GetPresence(ctx context.Context, stream string, opts ...ListOption) iter.Seq2[Member, error] {
	return listWhole(ctx, c, c.control.GetPresence,
		func() *carillonv1.GetPresenceRequest {
			return &carillonv1.GetPresenceRequest{Stream: stream, PageSize: pageSizeOf(opts)}
		},
		func(req *carillonv1.GetPresenceRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.GetPresenceResponse, yield func(Member) bool) (string, bool) {
			return resp.GetNextPageToken(), each(resp.GetMembers(), member, yield)
		})
}

// CountPresence counts who is in a stream. codes.FailedPrecondition where the stream's rule keeps no presence. Verb:
// read.
func (c *Client) CountPresence(ctx context.Context, stream string) (PresenceCount, error) {
	req := &carillonv1.GetPresenceRequest{Stream: stream, CountOnly: true}
	resp, err := call(ctx, c, repeatable, c.control.GetPresence, req)
	return PresenceCount{Users: int(resp.GetCount()), CountsOnly: resp.GetCountsOnly()}, err
}

func member(m *carillonv1.PresenceMember) Member {
	result := Member{
		UserID:   m.GetUserId(),
		Name:     m.GetName(),
		Status:   Status(wordOf(m.GetStatus().String(), "PRESENCE_STATUS_")),
		Text:     m.GetText(),
		JoinTime: m.GetJoinTime().AsTime(),
		Sessions: int(m.GetSessions()),
	}
	if m.GetInfo() != "" {
		result.Info = json.RawMessage(m.GetInfo())
	}
	return result
}
