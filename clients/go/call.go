package carillon

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// repeat says when a call that failed with codes.Unavailable may be tried again.
type repeat bool

const (
	// Doing it twice is like doing it once: it asks, has a request id, or says how things are to be.
	repeatable repeat = true

	// Doing it twice would do something else: it must not have left this process.
	once repeat = false
)

// call runs one call of a stub under the client's timeout, unless ctx has a deadline of its own, tries it again where
// that is of use, and translates its error. The answer is nil with an error; the getters of a nil answer return zeros.
//
// A new call of the gateway takes one function around this: build the request, call, translate the answer.
func call[Request, Response proto.Message](
	ctx context.Context, c *Client, again repeat,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error), req Request,
) (Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	c.nameApp(req)
	pause := pauses{least: 50 * time.Millisecond, most: time.Second}
	for attempt := 0; ; attempt++ {
		var reached peer.Peer // stays empty where there was no connection to send the request on
		resp, err := method(ctx, req, grpc.Peer(&reached))
		if err == nil {
			return resp, nil
		}
		var none Response
		failed := fromGRPC(err)
		if failed.Code != codes.Unavailable || attempt >= c.retries || again == once && reached.Addr != nil {
			return none, failed
		}
		delay := max(pause.next(), failed.RetryAfter)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) <= delay {
			return none, failed
		}
		c.log.Debug("carillon: trying again", "attempt", attempt+1, "delay", delay, "error", failed.Message)
		if !wait(ctx, delay) {
			return none, fromContext(ctx)
		}
	}
}

// list asks for pages as the iteration goes on. The request is made anew for each iteration, so that the sequence can be
// ranged over again. page sets the token of the next page to ask for; take hands out what a page holds, false where the
// loop has ended, and says the token of the next page.
func list[Request, Response proto.Message, Item any](
	ctx context.Context, c *Client,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request func() Request, page func(Request, string),
	take func(resp Response, yield func(Item) bool) (next string, more bool), end func() error,
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		req := request()
		var none Item
		for {
			resp, err := call(ctx, c, repeatable, method, req)
			if err != nil {
				yield(none, err)
				return
			}
			next, more := take(resp, func(item Item) bool { return yield(item, nil) })
			if !more {
				return
			}
			// A page that is not full may have a next one; only the empty token ends the list.
			if next == "" {
				break
			}
			page(req, next)
		}
		if end != nil {
			if err := end(); err != nil {
				yield(none, err)
			}
		}
	}
}

// listWhole is list, and ends with ErrPartial where a page says that it may have gaps.
func listWhole[Request proto.Message, Response interface {
	proto.Message
	GetPartial() bool
}, Item any](
	ctx context.Context, c *Client,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request func() Request, page func(Request, string),
	take func(resp Response, yield func(Item) bool) (next string, more bool),
) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		partial := false // of this iteration
		list(ctx, c, method, request, page,
			func(resp Response, yield func(Item) bool) (string, bool) {
				partial = partial || resp.GetPartial()
				return take(resp, yield)
			},
			func() error {
				if partial {
					return ErrPartial
				}
				return nil
			},
		)(yield)
	}
}

// nameApp fills in the field that requests have, but for ListNodes, which is about gateways.
func (c *Client) nameApp(req proto.Message) {
	if c.app == "" {
		return
	}
	m := req.ProtoReflect()
	if field := m.Descriptor().Fields().ByName("app"); field != nil {
		m.Set(field, protoreflect.ValueOfString(c.app))
	}
}

// pauses double from least to most, each up to a fifth longer or shorter, so that the many who lost
// the same gateway do not come back as one.
type pauses struct {
	least, most time.Duration
	now         time.Duration
}

func (p *pauses) next() time.Duration {
	p.now = min(max(2*p.now, p.least), p.most)
	return time.Duration((0.8 + 0.4*rand.Float64()) * float64(p.now))
}

func (p *pauses) reset() { p.now = 0 }

// wait returns false where ctx ended first.
func wait(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// each hands out what a page holds, translated. False where the loop has ended.
func each[From, To any](page []From, translate func(From) To, yield func(To) bool) bool {
	for _, item := range page {
		if !yield(translate(item)) {
			return false
		}
	}
	return true
}

// wordOf makes "session_opened" of EVENT_KIND_SESSION_OPENED.
func wordOf(name, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(name, prefix))
}
