package main

import (
	"context"
	"encoding/json"
	"sync"

	carillon "carillon.dev/clients/go"
)

// watch is a loop over events that waits until it is asked for the next one. The one before is dealt with then.
type watch struct {
	items  chan item
	wishes chan bool // true: another event; false: the loop is to break
	cancel context.CancelFunc
	asked  bool
}

type item struct {
	event carillon.FeedEvent
	err   error
}

// begin returns when the watch has begun, or will not.
func begin(client *carillon.Client, args arguments) (*watch, error) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{items: make(chan item), wishes: make(chan bool), cancel: cancel}
	begun := make(chan struct{})
	var once sync.Once
	opts := append(args.watchOptions(), carillon.OnPosition(func(int, carillon.Position) { once.Do(func() { close(begun) }) }))
	go func() {
		defer close(w.items)
		for event, err := range client.Watch(ctx, opts...) {
			select {
			case w.items <- item{event, err}:
			case <-ctx.Done():
				return
			}
			if another := <-w.wishes; !another {
				return
			}
		}
	}()
	select {
	case <-begun:
		return w, nil
	case first := <-w.items:
		cancel()
		close(w.wishes)
		return nil, first.err
	}
}

func (w *watch) event() (any, error) {
	if w.asked {
		w.wishes <- true
	}
	w.asked = true
	next := <-w.items
	if next.err != nil {
		return nil, next.err
	}
	return plainEvent(next.event), nil
}

// leave breaks the loop, and returns when it has ended.
func (w *watch) leave() {
	if !w.asked {
		w.cancel()
	}
	close(w.wishes)
	for range w.items {
	}
	w.cancel()
}

func plainEvent(e carillon.FeedEvent) any {
	result := map[string]any{
		"kind": e.Kind, "position": plainPosition(e.Position), "session_id": e.SessionID, "user_id": e.UserID,
		"stream": e.Stream,
	}
	switch {
	case e.Opened != nil:
		result["opened"] = map[string]any{
			"name": e.Opened.GetName(), "labels": e.Opened.GetLabels(), "roles": listOf(e.Opened.GetRoles()),
			"resumes": listOf(e.Opened.GetResumes()),
		}
	case e.Closed != nil:
		result["closed"] = map[string]any{
			"code": e.Closed.GetCode(), "cause": e.Closed.GetCause(), "messages_lost": e.Closed.GetMessagesLost(),
		}
	case e.Member != nil:
		result["member"] = map[string]any{"name": e.Member.GetName(), "count": e.Member.GetCount()}
	case e.Client != nil:
		result["client"] = map[string]any{
			"event": e.Client.GetEvent(), "data": json.RawMessage(e.Client.GetJson()), "message_id": e.Client.GetMessageId(),
		}
	}
	return result
}
