package carillon

import (
	"context"
	"iter"
	"time"

	"carillon.dev/clients/go/carillonv1"
)

// StreamInfo is a stream that has subscribers.
type StreamInfo struct {
	// Stream is its name.
	Stream string

	// Sessions is how many subscribe to it.
	Sessions int
}

// StreamDetails is one stream, whether it has subscribers or not.
type StreamDetails struct {
	StreamInfo

	// Rule is the pattern of the rule that it has. Empty: no rule matches, and it has the one of all streams.
	Rule string

	// Description is what the rule says of itself.
	Description string

	// Members is how many users are there. Nil where that is not known.
	Members *int

	// Log is nil where there is none.
	Log *StreamLog

	// Partial is true where a gateway did not answer, so that the counts may be too low.
	Partial bool
}

// StreamLog is what the log of a stream holds.
type StreamLog struct {
	// Top is where its newest message stands.
	Top Position

	// OldestOffset is that of its oldest message that is kept; 0: it holds none.
	OldestOffset uint64

	// OldestTime is when that was published. Zero: it holds none.
	OldestTime time.Time
}

// StreamsOption refines [Client.ListStreams]: [MatchingName], [MinSessions] or [PageSize].
type StreamsOption interface {
	streamsWith(*carillonv1.ListStreamsRequest)
}

type streamsOption func(*carillonv1.ListStreamsRequest)

func (o streamsOption) streamsWith(req *carillonv1.ListStreamsRequest) { o(req) }

// MatchingName lists streams whose name matches: "*" stands for any characters, "?" for one, [a-z] for a set.
func MatchingName(pattern string) StreamsOption {
	return streamsOption(func(req *carillonv1.ListStreamsRequest) { req.Pattern = pattern })
}

// MinSessions lists streams with at least so many subscribers.
func MinSessions(sessions uint32) StreamsOption {
	return streamsOption(func(req *carillonv1.ListStreamsRequest) { req.MinSessions = sessions })
}

// ListStreams lists the streams that have subscribers, in the order of their names; of a key for some streams, only
// those. See [MatchingName], [MinSessions] and [PageSize]. It ends with [ErrPartial] where the list may have gaps. Verb:
// read.
func (c *Client) ListStreams(ctx context.Context, opts ...StreamsOption) iter.Seq2[StreamInfo, error] {
	return listWhole(ctx, c, c.admin.ListStreams,
		func() *carillonv1.ListStreamsRequest {
			req := &carillonv1.ListStreamsRequest{}
			for _, opt := range opts {
				opt.streamsWith(req)
			}
			return req
		},
		func(req *carillonv1.ListStreamsRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.ListStreamsResponse, yield func(StreamInfo) bool) (string, bool) {
			return resp.GetNextPageToken(), each(resp.GetStreams(), streamInfo, yield)
		})
}

// GetStream returns one stream: how many listen, who is there, and what its log holds. Verb: read.
func (c *Client) GetStream(ctx context.Context, stream string) (StreamDetails, error) {
	resp, err := call(ctx, c, repeatable, c.admin.GetStream, &carillonv1.GetStreamRequest{Stream: stream})
	if err != nil {
		return StreamDetails{}, err
	}
	result := StreamDetails{
		StreamInfo:  streamInfo(resp.GetStream()),
		Rule:        resp.GetRule(),
		Description: resp.GetDescription(),
		Partial:     resp.GetNodesAnswered() < resp.GetNodesExpected(),
	}
	if resp.Members != nil {
		members := int(resp.GetMembers())
		result.Members = &members
	}
	if log := resp.GetLog(); log != nil {
		result.Log = &StreamLog{Top: position(log.GetTop()), OldestOffset: log.GetOldestOffset()}
		if log.OldestTime != nil {
			result.Log.OldestTime = log.OldestTime.AsTime()
		}
	}
	return result, nil
}

func streamInfo(s *carillonv1.Stream) StreamInfo {
	return StreamInfo{Stream: s.GetStream(), Sessions: int(s.GetSessions())}
}
