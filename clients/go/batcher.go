package carillon

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"carillon.dev/clients/go/carillonv1"
)

// Batcher publishes many messages over one call (PublishStream): far more in a second than single calls can. Make one
// with [Client.NewBatcher]. Goroutines may share one.
//
// Its methods are those of the client, with the same options, but return when the message is in its queue, and block
// while there is no room ([MaxOutstanding]) until there is, or ctx ends. Their errors are about that: a message that is
// too large or cannot be encoded, the end of ctx, or why the batcher has ended. What the gateway says of an item is told
// later, to [OnFailure] and by [Batcher.Flush]. There are no receipts.
//
// Messages that one goroutine publishes are sent in that order. No timer delays them: what gathers while earlier ones
// are on their way goes out with the next request.
//
// When the connection breaks, the batcher connects again, with pauses of up to 5 seconds, and sends again what was not
// acknowledged. Each message has a request id, so that the gateway publishes it once as long as it lives and remembers
// the id (see [RequestID]). Across a restart: a gateway that drains acknowledges what it has published before it ends,
// and the rest goes to the next one, each once; of a gateway that crashes, what it published and did not acknowledge is
// published again: at least once.
type Batcher struct {
	c       *Client
	o       batcherOptions
	ids     string // what the request ids begin with
	numbers atomic.Uint64
	life    context.Context
	end     context.CancelFunc
	ended   chan struct{} // closed when its goroutine has ended
	mu      sync.Mutex
	work    *sync.Cond // something to send, or to give up
	changed *sync.Cond // room, acknowledgements, or the end

	// All of it under mu.
	queue    []queued   // what is not acknowledged, in order
	bytes    int        // of all of queue
	sent     int        // how many of queue were sent over this connection
	requests []int      // how many items the requests have that are not acknowledged, the first perhaps in part
	added    uint64     // how many items came to the queue, ever
	settled  uint64     // how many left it
	failures BatchError // since the last flush
	closing  bool       // publishes nothing more
	err      *Error     // why it has ended
}

// queued is an item on its way.
type queued struct {
	item *carillonv1.PublishItem
	id   string
	size int
}

// NewBatcher returns a batcher, which connects with the first message. Close it in the end.
func (c *Client) NewBatcher(opts ...BatcherOption) *Batcher {
	b := &Batcher{c: c, ids: newUUID() + "/", ended: make(chan struct{})}
	b.o.outstanding = defaultOutstanding
	for _, opt := range opts {
		opt(&b.o)
	}
	b.work, b.changed = sync.NewCond(&b.mu), sync.NewCond(&b.mu)
	b.life, b.end = context.WithCancel(c.life)
	go b.run()
	return b
}

// BroadcastToUser is [Client.BroadcastToUser] without its receipt.
func (b *Batcher) BroadcastToUser(ctx context.Context, userID string, event Event, opts ...UserOption) error {
	req, err := toUser(userID, event, opts, b.newID)
	if err != nil {
		return err
	}
	b.c.nameApp(req)
	return b.add(ctx, req.GetOptions(), &carillonv1.PublishItem{
		Target: &carillonv1.PublishItem_BroadcastToUser{BroadcastToUser: req},
	})
}

// BroadcastToUsers is [Client.BroadcastToUsers] without its receipt.
func (b *Batcher) BroadcastToUsers(ctx context.Context, userIDs []string, event Event, opts ...UsersOption) error {
	req, err := toUsers(userIDs, event, opts, b.newID)
	if err != nil {
		return err
	}
	b.c.nameApp(req)
	return b.add(ctx, req.GetOptions(), &carillonv1.PublishItem{
		Target: &carillonv1.PublishItem_BroadcastToUsers{BroadcastToUsers: req},
	})
}

// BroadcastStream is [Client.BroadcastStream] without its receipt.
func (b *Batcher) BroadcastStream(ctx context.Context, stream string, event Event, opts ...StreamOption) error {
	req, err := toStream(stream, event, opts, b.newID)
	if err != nil {
		return err
	}
	b.c.nameApp(req)
	return b.add(ctx, req.GetOptions(), &carillonv1.PublishItem{
		Target: &carillonv1.PublishItem_BroadcastStream{BroadcastStream: req},
	})
}

// BroadcastAll is [Client.BroadcastAll] without its receipt.
func (b *Batcher) BroadcastAll(ctx context.Context, event Event, opts ...DirectOption) error {
	req, err := toAll(event, opts, b.newID)
	if err != nil {
		return err
	}
	b.c.nameApp(req)
	return b.add(ctx, req.GetOptions(), &carillonv1.PublishItem{
		Target: &carillonv1.PublishItem_BroadcastAll{BroadcastAll: req},
	})
}

// SendToSession is [Client.SendToSession] without its receipt.
func (b *Batcher) SendToSession(ctx context.Context, sessionID string, event Event, opts ...DirectOption) error {
	req, err := toSession(sessionID, event, opts, b.newID)
	if err != nil {
		return err
	}
	b.c.nameApp(req)
	return b.add(ctx, req.GetOptions(), &carillonv1.PublishItem{
		Target: &carillonv1.PublishItem_SendToSession{SendToSession: req},
	})
}

// Flush waits until everything that was published before it is acknowledged or has failed. It returns a [*BatchError]
// where items failed since the last flush, and an [*Error] where ctx ended first. Publishing may go on meanwhile.
func (b *Batcher) Flush(ctx context.Context) error {
	defer b.wakeWith(ctx)()
	b.mu.Lock()
	defer b.mu.Unlock()
	for until := b.added; b.settled < until; {
		if ctx.Err() != nil {
			return fromContext(ctx)
		}
		b.changed.Wait()
	}
	if b.failures.Failed == 0 {
		return nil
	}
	failed := b.failures
	b.failures = BatchError{}
	return &failed
}

// Close flushes and ends the batcher. Where ctx ends first, what is not acknowledged fails with codes.Canceled. It
// returns a [*BatchError] where items failed since the last flush. Publishing ends as soon as Close begins. Closing
// again does nothing more.
func (b *Batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	b.changed.Broadcast()
	b.mu.Unlock()
	err := b.Flush(ctx)
	b.end()
	<-b.ended
	if _, told := err.(*BatchError); told {
		return err
	}
	return b.Flush(context.Background()) // what was given up just now
}

// newID makes request ids that no other batcher makes, cheaper than a UUID for each.
func (b *Batcher) newID() string { return b.ids + strconv.FormatUint(b.numbers.Add(1), 36) }

// add waits for room and puts an item into the queue.
func (b *Batcher) add(ctx context.Context, options *carillonv1.PublishOptions, item *carillonv1.PublishItem) error {
	one := queued{item: item, id: options.GetRequestId(), size: proto.Size(item) + 4} // and what says so around it
	if one.size > maxRequestBytes {
		return invalid("event", "the message with its options has "+strconv.Itoa(one.size)+" bytes, of at most "+
			strconv.Itoa(maxRequestBytes), nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.hasRoom(one.size) {
		defer b.wakeWith(ctx)()
	}
	for {
		switch {
		case b.err != nil:
			return b.err
		case b.closing:
			return &Error{Code: codes.Canceled, Message: "the batcher is closed"}
		case ctx.Err() != nil:
			return fromContext(ctx)
		case b.hasRoom(one.size):
			b.queue = append(b.queue, one)
			b.bytes += one.size
			b.added++
			b.work.Signal()
			return nil
		}
		b.changed.Wait()
	}
}

// hasRoom lets in one item of any size where there is no other.
func (b *Batcher) hasRoom(size int) bool {
	return len(b.queue) < b.o.outstanding && (b.bytes+size <= maxOutstandingBytes || len(b.queue) == 0)
}

// wakeWith lets waits end with ctx.
func (b *Batcher) wakeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.changed.Broadcast()
	})
}
