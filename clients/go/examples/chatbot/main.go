// Chatbot greets who comes to a stream, in the stream:
//
//	go run ./examples/chatbot chat
//
// Start as many as you like: they share the work, and one that dies is stood in for. The gateway is the one at
// CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN. Ctrl-C ends it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	carillon "carillon.dev/clients/go"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: chatbot STREAM")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "cannot go on:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, stream string) error {
	client, err := carillon.New("")
	if err != nil {
		return err
	}
	defer client.Close()

	var once sync.Once
	arrivals := client.Watch(ctx,
		carillon.InGroup("chatbot."+stream),
		carillon.Matching(carillon.Filter{Kinds: []carillon.EventKind{carillon.Subscribed}, Streams: []string{stream}}),
		carillon.OnPosition(func(int, carillon.Position) {
			once.Do(func() { fmt.Fprintln(out, "greeting in", stream) })
		}))
	for event, err := range arrivals {
		if lost := (*carillon.LostError)(nil); errors.As(err, &lost) {
			continue // who came meanwhile is not greeted
		}
		if err != nil {
			return err
		}
		if err := greet(ctx, client, event); err != nil {
			return err
		}
	}
	return nil
}

func greet(ctx context.Context, client *carillon.Client, event carillon.FeedEvent) error {
	// An event may come twice, after a bot died over it. Its place in the feed makes the answers one message.
	id := fmt.Sprintf("greeting-%s-%d", event.Position.Epoch, event.Position.Offset)
	_, err := client.BroadcastStream(ctx, event.Stream, carillon.Event{
		Name: "message",
		Data: map[string]string{"from": "bot", "text": "Welcome, " + cmp.Or(event.UserID, "stranger") + "!"},
	}, carillon.RequestID(id))
	return err
}
