package carillon

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"carillon.dev/clients/go/carillonv1"
)

// TailTarget is a [User], with all sessions, those that come later too; a [Session]; or a [Stream].
type TailTarget interface {
	tail(*carillonv1.TailRequest)
}

func (u User) tail(req *carillonv1.TailRequest) {
	req.Target = &carillonv1.TailRequest_UserId{UserId: string(u)}
}

func (s Session) tail(req *carillonv1.TailRequest) {
	req.Target = &carillonv1.TailRequest_SessionId{SessionId: string(s)}
}

func (s Stream) tail(req *carillonv1.TailRequest) {
	req.Target = &carillonv1.TailRequest_Stream{Stream: string(s)}
}

// TailFrame is a message on its way to a client, or from one.
type TailFrame struct {
	// Time is when it was given to the session to read, or came from it, or was given to the stream.
	Time time.Time

	// Incoming is true where it came from the client.
	Incoming bool

	// SessionID is whose it is. Empty where a stream is looked at.
	SessionID string

	// Action is what a message from a client wants, such as "publish".
	Action string

	// Stream, Event and Meta are as clients see them. Any may be empty.
	Stream string
	Event  string
	Meta   map[string]string

	// Bytes is how many it has.
	Bytes uint64

	// PayloadType is object, array, string, number, boolean, null or binary. Empty: it has none, or it is secret.
	PayloadType string

	// PayloadBytes is how many it has as JSON.
	PayloadBytes uint64

	// Fields are the first 64 of a payload that is an object.
	Fields []TailField

	// Payload is JSON, or its first bytes. Empty without [Payloads].
	Payload string

	// PayloadCut is true where Payload is not all of it.
	PayloadCut bool

	// Secret is true where nothing of it is ever shown: it may hold a token.
	Secret bool
}

// TailField is a field of a payload, without its value.
type TailField struct {
	Name string
	Type string
}

// TailEnd says why a tail ended well.
type TailEnd string

const (
	// MaxAgeOver: its [MaxAge] is over.
	MaxAgeOver TailEnd = "max_age"

	// SessionGone: the session is gone.
	SessionGone TailEnd = "session_gone"
)

// TailState is what is known of a tail besides its frames.
type TailState struct {
	// Begun is true from when what goes by is seen.
	Begun bool

	// Sessions is how many it was about when it began; 0 for a stream.
	Sessions int

	// EndTime is when it will end at the latest.
	EndTime time.Time

	// LeftOut is how many frames the sample has left out.
	LeftOut uint64

	// Lost is how many frames are lost, because they were not read in time.
	Lost uint64

	// End is why it has ended. Empty: it goes on, or the loop or an error ended it.
	End TailEnd
}

type tailOptions struct {
	req   carillonv1.TailRequest
	state func(TailState)
}

// TailOption refines [Client.Tail]: [Payloads], [SampleEvery], [MaxPerSecond], [MaxAge] or [OnTailState].
type TailOption func(*tailOptions)

// Payloads shows payloads, of each at most so many bytes: 0 is 4,096; at most 65,536.
func Payloads(maxBytes uint32) TailOption {
	return func(o *tailOptions) { o.req.Payloads, o.req.MaxPayloadBytes = true, maxBytes }
}

// SampleEvery shows of so many frames only the first.
func SampleEvery(frames uint32) TailOption {
	return func(o *tailOptions) { o.req.SampleEvery = frames }
}

// MaxPerSecond shows at most so many frames a second.
func MaxPerSecond(frames uint32) TailOption {
	return func(o *tailOptions) { o.req.MaxPerSecond = frames }
}

// MaxAge is for how long, one second to one hour. Without it, ten minutes.
func MaxAge(age time.Duration) TailOption {
	return func(o *tailOptions) { o.req.MaxAge = durationpb.New(age) }
}

// OnTailState is told whenever more is known of the tail, first that it has begun. It runs in the loop's goroutine.
func OnTailState(tell func(TailState)) TailOption {
	return func(o *tailOptions) { o.state = tell }
}

// Tail shows what goes by: what a user's sessions, or one, are given to read and say; or what is published to a stream.
//
//	for frame, err := range client.Tail(ctx, carillon.User("alice")) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(frame.Time, frame.Event, frame.Fields)
//	}
//
// It runs until the loop or ctx ends, until [MaxAge] is over or the session is gone ([TailState.End]), or until an error:
// it does not connect again. codes.NotFound: there is no such session. ResourceExhausted: there are too many of these.
// InvalidArgument: the target is nil, or an option out of its bounds. What the loop does not take in time is lost, and
// counted. Verb: admin; of a key for some streams, only those.
func (c *Client) Tail(ctx context.Context, what TailTarget, opts ...TailOption) iter.Seq2[TailFrame, error] {
	if what == nil {
		return fails[TailFrame](noTarget(takesKickTarget))
	}
	return func(yield func(TailFrame, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(c.life, func() { cancel(errClosed) })()
		o := tailOptions{state: func(TailState) {}}
		what.tail(&o.req)
		for _, opt := range opts {
			opt(&o)
		}
		c.nameApp(&o.req)
		stream, err := c.admin.Tail(ctx, &o.req)
		var state TailState
		for err == nil {
			var resp *carillonv1.TailResponse
			if resp, err = stream.Recv(); err != nil {
				break
			}
			if state.take(resp) {
				o.state(state)
			}
			if !each(resp.GetFrames(), tailFrame, func(frame TailFrame) bool { return yield(frame, nil) }) {
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
		case ctx.Err() != nil:
			yield(TailFrame{}, fromContext(ctx))
		default:
			yield(TailFrame{}, fromGRPC(err))
		}
	}
}

// take returns whether something has changed.
func (s *TailState) take(resp *carillonv1.TailResponse) bool {
	before := *s
	if begun := resp.GetBegun(); begun != nil {
		s.Begun, s.Sessions, s.EndTime = true, int(begun.GetSessions()), begun.GetEndTime().AsTime()
	}
	s.LeftOut += resp.GetLeftOut()
	s.Lost += resp.GetLost()
	if end := resp.GetEnd(); end != carillonv1.TailEnd_TAIL_END_UNSPECIFIED {
		s.End = TailEnd(wordOf(end.String(), "TAIL_END_"))
	}
	return *s != before
}

func tailFrame(f *carillonv1.TailFrame) TailFrame {
	frame := TailFrame{
		Time:         f.GetTime().AsTime(),
		Incoming:     f.GetDirection() == carillonv1.TailDirection_TAIL_DIRECTION_IN,
		SessionID:    f.GetSessionId(),
		Action:       f.GetAction(),
		Stream:       f.GetStream(),
		Event:        f.GetEvent(),
		Meta:         f.GetMeta(),
		Bytes:        f.GetBytes(),
		PayloadType:  f.GetPayloadType(),
		PayloadBytes: f.GetPayloadBytes(),
		Payload:      f.GetPayload(),
		PayloadCut:   f.GetPayloadCut(),
		Secret:       f.GetSecret(),
	}
	for _, field := range f.GetFields() {
		frame.Fields = append(frame.Fields, TailField{field.GetName(), field.GetType()})
	}
	return frame
}
