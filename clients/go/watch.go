package carillon

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"carillon.dev/clients/go/carillonv1"
)

const (
	// Acknowledgements go out with each response of the gateway, and sooner where the loop takes its time.
	ackInterval = 100 * time.Millisecond

	// How long a connection may take nothing from this side before it is given up.
	sendPatience = 5 * time.Second

	// How long a member that leaves waits until the gateway has taken its last acknowledgement.
	goodbyePatience = time.Second
)

// Watch follows what happens in the app: who connects, subscribes, comes and goes.
//
//	for event, err := range client.Watch(ctx, carillon.InGroup("greeter")) {
//		if lost := (*carillon.LostError)(nil); errors.As(err, &lost) {
//			continue // the watch goes on; whoever keeps a state by the feed makes it anew here
//		}
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// It begins from now on, unless [After], [ResumeFrom] or [FromOldest] say otherwise, and connects when the loop begins;
// [OnPosition] tells when that has happened. It runs until the loop or ctx ends. A connection that breaks, and a gateway
// that restarts, are gone back to with pauses of up to 5 seconds, without missing what the gateway still has: alone from
// where this loop was, in a group from where the group was.
//
// Errors end it, but for [*LostError]: codes.Canceled or DeadlineExceeded with ctx; Unauthenticated, PermissionDenied,
// InvalidArgument, NotFound, FailedPrecondition and Unimplemented, which cannot heal by themselves, nor can ResourceExhausted with the reason
// LIMIT_REACHED. Verb: read, with a
// key for all streams.
//
// In a group each event comes at least once, to one member: it is acknowledged after the loop's body has finished with
// it and asked for the next. An event at which the body breaks, returns or panics is not, and comes again to the next
// member, with what came after it. Acknowledgements go out in batches, so that of a member that dies also the last
// events that it had finished come again: deal with each in a way that bears repetition.
//
// A gateway that was restarted with a snapshot goes on with the same feed, and remembers where groups were. Without
// one, and after a crash, it knows no groups: the first member that comes back says where the group was. With one
// partition it knows. With several it knows its own only, and then begins with the oldest event that is kept, unless
// [ResumeFrom] knows better.
//
// No goroutine is left when the loop has ended. Ranging over the sequence again begins anew, as the options say.
func (c *Client) Watch(ctx context.Context, opts ...WatchOption) iter.Seq2[FeedEvent, error] {
	return func(yield func(FeedEvent, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(c.life, func() { cancel(errClosed) })()
		w := &watch{c: c, yield: yield, finished: map[uint32]Position{}}
		for _, opt := range opts {
			opt.watchWith(&w.o)
		}
		if err := w.run(ctx); err != nil {
			yield(FeedEvent{}, err)
		}
	}
}

var (
	errClosed  = errors.New("the client is closed")
	errStopped = errors.New("the loop has ended")
)

// watch is one run of a loop. Everything happens in the loop's goroutine, but for receiving.
type watch struct {
	c     *Client
	o     watchOptions
	yield func(FeedEvent, error) bool

	// How far the loop is known to have come, of the parts of which something is known. All in one epoch.
	finished map[uint32]Position
	heard    bool // something came over the connection
}

// run connects until that is of no more use. It returns nil where the loop has ended.
func (w *watch) run(ctx context.Context) error {
	pause := pauses{least: minReconnectDelay, most: maxReconnectDelay}
	for {
		begin, err := w.begin(ctx)
		if err != nil {
			return err
		}
		w.heard = false
		err = w.connect(ctx, begin)
		if err == errStopped {
			return nil
		}
		if ctx.Err() != nil {
			return fromContext(ctx)
		}
		failed := fromGRPC(err)
		if !heals(failed) {
			return failed
		}
		if w.heard {
			pause.reset()
		}
		delay := max(pause.next(), failed.RetryAfter)
		w.c.log.Warn("carillon: the watch broke and connects again",
			"group", w.o.begin.Group, "delay", delay, "error", failed.Message)
		if !wait(ctx, delay) {
			return fromContext(ctx)
		}
	}
}

func (w *watch) inGroup() bool { return w.o.begin.GetGroup() != "" }

// begin says where to go on.
func (w *watch) begin(ctx context.Context) (*carillonv1.WatchBegin, error) {
	begin := proto.Clone(&w.o.begin).(*carillonv1.WatchBegin)
	w.c.nameApp(begin)
	begin.FromOldest = w.o.fromOldest
	again := len(w.finished) > 0
	if w.o.load != nil && (w.inGroup() || !again) {
		at, err := w.o.load(ctx)
		if err != nil {
			return nil, &Error{Code: codes.Aborted, Message: "where to begin is not known: " + err.Error(), cause: err}
		}
		if at != (Position{}) {
			begin.Resume = at.proto()
			return begin, nil
		}
	}
	if !again {
		if w.o.after != nil {
			begin.Resume = w.o.after.proto()
		}
		return begin, nil
	}
	if lowest, known := w.lowest(); known {
		begin.Resume = lowest.proto()
	} else {
		// Of a group that the gateway has forgotten, another member's part may have been anywhere.
		begin.FromOldest = true
	}
	return begin, nil
}

// lowest returns the lowest of what is known, and whether that goes for all parts.
func (w *watch) lowest() (lowest Position, all bool) {
	for _, at := range w.finished {
		if lowest == (Position{}) || at.Offset < lowest.Offset {
			lowest = at
		}
	}
	return lowest, uint32(len(w.finished)) >= max(w.o.begin.GetPartitions(), 1) || !w.inGroup()
}

// connect watches over one connection, until that or the loop ends.
func (w *watch) connect(ctx context.Context, begin *carillonv1.WatchBegin) error {
	// The stream outlives ctx by a moment, to say what was finished.
	living, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	unhook := context.AfterFunc(ctx, cancel)
	stream, err := w.c.events.Watch(living)
	if err != nil {
		return err
	}
	on := &connection{w: w, stream: stream, cancel: cancel, begin: begin}
	// io.EOF means that receiving will say what is wrong.
	err = on.send(&carillonv1.WatchRequest{Kind: &carillonv1.WatchRequest_Begin{Begin: begin}})
	if err != nil && err != io.EOF {
		return err
	}
	unhook()

	responses := make(chan *carillonv1.WatchResponse)
	var ended error // belongs to the receiver until it closes the channel
	go func() {
		defer close(responses)
		for {
			response, err := stream.Recv()
			if err != nil {
				ended = err
				return
			}
			select {
			case responses <- response:
			case <-living.Done():
				ended = living.Err()
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range responses { // until the receiver has ended
		}
	}()

	for {
		select {
		case <-ctx.Done():
			on.leave(responses)
			return ctx.Err()
		case response, open := <-responses:
			if !open {
				return ended
			}
			if !on.take(ctx, response) {
				on.leave(responses)
				return errStopped
			}
		}
	}
}

// connection is one call of Watch.
type connection struct {
	w      *watch
	stream grpc.BidiStreamingClient[carillonv1.WatchRequest, carillonv1.WatchResponse]
	cancel context.CancelFunc
	begin  *carillonv1.WatchBegin

	// What the loop has finished with and nobody was told yet.
	partition uint32
	untold    int
	toldAt    time.Time
}

// take gives the loop what a response holds. False where the loop has ended.
func (on *connection) take(ctx context.Context, response *carillonv1.WatchResponse) bool {
	w, scanned := on.w, position(response.GetScannedTo())
	on.partition = response.GetPartition()
	lost := response.GetLost()
	if !w.heard && lost == nil && on.begin.Resume == nil {
		// Nobody told the gateway where this was, so it cannot say that it has begun anew.
		if lowest, _ := w.lowest(); lowest != (Position{}) && lowest.Epoch != scanned.Epoch {
			lost = &carillonv1.EventsLost{LostFrom: lowest.Offset + 1}
		}
	}
	w.heard = true
	if lost != nil {
		told := &LostError{From: lost.GetLostFrom(), To: lost.GetLostTo(), Partition: int(on.partition)}
		w.c.log.Warn(told.Error(), "group", w.o.begin.Group)
		if !w.yield(FeedEvent{}, told) {
			return false
		}
	}
	for _, event := range response.GetEvents() {
		if ctx.Err() != nil {
			return true // what is left comes again
		}
		if !w.yield(feedEvent(event, scanned.Epoch, on.partition), nil) {
			return false
		}
		on.finish(Position{Epoch: scanned.Epoch, Offset: event.GetOffset()})
		if time.Since(on.toldAt) >= ackInterval {
			on.tell()
		}
	}
	on.finish(scanned)
	if len(response.GetEvents()) == 0 {
		on.untold = 0 // there was nothing that anybody could acknowledge
		on.tellPosition()
		return true
	}
	on.tell()
	return true
}

// finish notes that the loop has come so far.
func (on *connection) finish(at Position) {
	finished := on.w.finished
	for partition, old := range finished {
		if old.Epoch != at.Epoch {
			delete(finished, partition)
		}
	}
	finished[on.partition] = at
	on.untold++
}

// tell acknowledges what is finished. A connection on which that fails ends, and receiving says so.
func (on *connection) tell() {
	if on.untold == 0 {
		return
	}
	on.untold, on.toldAt = 0, time.Now()
	if on.w.inGroup() {
		at := on.w.finished[on.partition]
		_ = on.send(&carillonv1.WatchRequest{Kind: &carillonv1.WatchRequest_Ack{Ack: &carillonv1.WatchAck{
			Partition: on.partition, Offset: at.Offset, Epoch: at.Epoch,
		}}})
	}
	on.tellPosition()
}

func (on *connection) tellPosition() {
	if on.w.o.onPosition != nil {
		on.w.o.onPosition(int(on.partition), on.w.finished[on.partition])
	}
}

// send gives up the connection where its other end takes nothing any more.
func (on *connection) send(request *carillonv1.WatchRequest) error {
	defer time.AfterFunc(sendPatience, on.cancel).Stop()
	return on.stream.Send(request)
}

// leave says what was finished, and waits until the gateway has heard it, so that it does not come to others again.
func (on *connection) leave(responses <-chan *carillonv1.WatchResponse) {
	on.tell()
	if !on.w.inGroup() {
		return
	}
	defer time.AfterFunc(goodbyePatience, on.cancel).Stop()
	_ = on.stream.CloseSend()
	for range responses { // they come again
	}
}
