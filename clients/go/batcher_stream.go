package carillon

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"carillon.dev/clients/go/carillonv1"
)

// run keeps a connection for as long as there is something to send, until the batcher ends.
func (b *Batcher) run() {
	defer close(b.ended)
	defer context.AfterFunc(b.life, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.work.Broadcast()
	})()
	pause := pauses{least: minReconnectDelay, most: maxReconnectDelay}
	for b.awaitItems() {
		before := b.progress()
		err := b.connect()
		if b.life.Err() != nil {
			break
		}
		failed := fromGRPC(err)
		// Too large a request would come back for ever; the gateway that is behind slows this down and refuses nothing.
		if !heals(failed) || failed.Code == codes.ResourceExhausted && failed.RetryAfter == 0 {
			b.giveUp(failed)
			return
		}
		if b.progress() > before {
			pause.reset()
		}
		delay := max(pause.next(), failed.RetryAfter)
		b.c.log.Warn("carillon: the batcher's connection broke, what is not acknowledged will be sent again",
			"delay", delay, "error", failed.Message)
		if !wait(b.life, delay) {
			break
		}
	}
	b.giveUp(&Error{Code: codes.Canceled, Message: "the batcher is closed"})
}

// awaitItems returns false where the batcher ends.
func (b *Batcher) awaitItems() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) == 0 && b.life.Err() == nil {
		b.work.Wait()
	}
	return b.life.Err() == nil
}

func (b *Batcher) progress() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settled
}

// connect sends over one connection until that breaks, or the batcher ends. Numbers count from 1 for each connection.
func (b *Batcher) connect() error {
	living, cancel := context.WithCancel(b.life)
	defer cancel()
	stream, err := b.c.control.PublishStream(living)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.sent, b.requests = 0, nil
	b.mu.Unlock()

	broken, ended := error(nil), make(chan struct{})
	go func() {
		defer close(ended)
		broken = b.receive(stream)
		b.mu.Lock()
		defer b.mu.Unlock()
		cancel()
		b.work.Signal()
	}()
	for seq := uint64(1); ; {
		items := b.next(living)
		if items == nil {
			break
		}
		// io.EOF means that receiving will say what is wrong.
		if err := stream.Send(&carillonv1.PublishStreamRequest{Seq: seq, Items: items}); err != nil && err != io.EOF {
			cancel()
		} else if err == io.EOF {
			break
		}
		seq += uint64(len(items))
	}
	if b.life.Err() != nil {
		cancel()
	}
	<-ended
	return broken
}

// next waits for the items of the next request. Nil: the connection or the batcher has ended.
func (b *Batcher) next(living context.Context) []*carillonv1.PublishItem {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if living.Err() != nil {
			return nil
		}
		gathered := len(b.queue) - b.sent
		if gathered >= maxRequestItems || gathered > 0 && len(b.requests) < maxPartialRequests {
			break
		}
		b.work.Wait()
	}
	items, size := make([]*carillonv1.PublishItem, 0, min(len(b.queue)-b.sent, maxRequestItems)), 0
	for _, one := range b.queue[b.sent:] {
		if len(items) == maxRequestItems || size+one.size > maxRequestBytes {
			break
		}
		items, size = append(items, one.item), size+one.size
	}
	b.sent += len(items)
	b.requests = append(b.requests, len(items))
	return items
}

// receive settles what is acknowledged, until the connection breaks.
func (b *Batcher) receive(
	stream grpc.BidiStreamingClient[carillonv1.PublishStreamRequest, carillonv1.PublishStreamResponse],
) error {
	for acked := uint64(0); ; {
		resp, err := stream.Recv()
		if err != nil {
			return err
		}
		var failed []ItemFailure
		b.mu.Lock()
		for _, failure := range resp.GetFailures() {
			// Numbers that were not sent would be the gateway's mistake, and are no reason to panic.
			if at := failure.GetSeq() - acked - 1; at < uint64(b.sent) {
				failed = append(failed, ItemFailure{
					RequestID: b.queue[at].id, Item: b.queue[at].item,
					Err: itemError(failure),
				})
			}
		}
		count := 0
		if resp.GetAckedTo() > acked {
			count = int(min(resp.GetAckedTo()-acked, uint64(b.sent)))
		}
		b.mu.Unlock()
		b.settle(count, failed)
		acked += uint64(count)
	}
}

func itemError(failure *carillonv1.PublishStreamResponse_Failure) *Error {
	err := &Error{Code: codes.Code(failure.GetCode()), Message: failure.GetMessage(), Reason: failure.GetReason()}
	if field := failure.GetField(); field != "" {
		err.Violations = []FieldViolation{{field, failure.GetMessage()}}
	}
	return err
}

// settle forgets the first of the queue, of which these have failed.
func (b *Batcher) settle(count int, failed []ItemFailure) {
	for _, failure := range failed {
		if b.o.onFailure != nil {
			b.o.onFailure(failure)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, failure := range failed {
		b.failures.Failed++
		if len(b.failures.Failures) < maxListedFailures {
			b.failures.Failures = append(b.failures.Failures, failure)
		}
	}
	for i := range b.queue[:count] {
		b.bytes -= b.queue[i].size
		b.queue[i] = queued{} // for the garbage collector
	}
	b.queue = b.queue[count:]
	b.sent = max(b.sent-count, 0)
	b.settled += uint64(count)
	for count > 0 && len(b.requests) > 0 {
		done := min(count, b.requests[0])
		count -= done
		if b.requests[0] -= done; b.requests[0] == 0 {
			b.requests = b.requests[1:]
		}
	}
	b.changed.Broadcast()
	b.work.Signal()
}

// giveUp ends the batcher: everything that waits fails.
func (b *Batcher) giveUp(err *Error) {
	b.mu.Lock()
	b.err = err
	failed := make([]ItemFailure, 0, len(b.queue))
	for _, one := range b.queue {
		failed = append(failed, ItemFailure{RequestID: one.id, Item: one.item, Err: err})
	}
	b.mu.Unlock()
	b.settle(len(failed), failed)
}
