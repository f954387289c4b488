package carillon_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
)

// exampleClient is of the shared gateway. Without one, TestMain leaves the examples out.
func exampleClient() (*carillon.Client, context.Context) {
	client, err := carillon.New(shared.Control, carillon.WithToken(fullKey))
	if err != nil {
		log.Fatal(err)
	}
	return client, context.Background()
}

func ExampleNew() {
	client, err := carillon.New("gateway.internal:7311",
		carillon.WithTokenFile("/run/secrets/carillon"),
		carillon.WithTimeout(2*time.Second),
		carillon.WithRetry(2),
		carillon.WithLogger(slog.Default()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func ExampleClient_BroadcastToUser() {
	client, ctx := exampleClient()
	defer client.Close()

	type Order struct {
		ID    int    `json:"id"`
		State string `json:"state"`
	}
	receipt, err := client.BroadcastToUser(ctx, "alice", carillon.Event{
		Name: "order.shipped",
		Data: Order{ID: 42, State: "shipped"},
	}, carillon.OnStream("orders"), carillon.AnySession(), carillon.RequestID("order-42-shipped"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sessions:", receipt.Sessions)
	// Output: sessions: 0
}

// publish tries again where the gateway says when.
func publish(ctx context.Context, client *carillon.Client, stream string, event carillon.Event) error {
	for {
		_, err := client.BroadcastStream(ctx, stream, event)
		var failed *carillon.Error
		if !errors.As(err, &failed) || failed.Code != codes.ResourceExhausted || failed.RetryAfter == 0 {
			return err
		}
		select {
		case <-time.After(failed.RetryAfter): // the gateway is behind
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ExampleError() {
	client, ctx := exampleClient()
	defer client.Close()

	err := publish(ctx, client, "not a stream", carillon.Event{Name: "said"})

	var failed *carillon.Error
	if errors.As(err, &failed) && failed.Code == codes.InvalidArgument {
		fmt.Println("fix", failed.Violations[0].Field)
	}
	// Output: fix stream
}

func ExampleClient_Subscribers() {
	client, ctx := exampleClient()
	defer client.Close()

	for session, err := range client.Subscribers(ctx, carillon.Stream("chat")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.UserID, session.Labels)
	}
	// Output:
}

func ExampleClient_ListMessages() {
	client, ctx := exampleClient()
	defer client.Close()
	for _, text := range []string{"hello", "anybody here?"} {
		if _, err := client.BroadcastStream(ctx, "log-example", carillon.Event{Name: "said", Data: text}); err != nil {
			log.Fatal(err)
		}
	}

	var top carillon.Position
	for message, err := range client.ListMessages(ctx, carillon.Stream("log-example"), carillon.TopTo(&top)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(message.Position.Offset, "of", top.Offset, message.Event, string(message.Data))
	}
	// Output:
	// 1 of 2 said "hello"
	// 2 of 2 said "anybody here?"
}

func ExampleClient_Watch() {
	client, ctx := exampleClient()
	defer client.Close()
	ctx, stop := context.WithCancel(ctx)
	stop() // so that the example ends

	for event, err := range client.Watch(ctx, carillon.InGroup("presence-writer")) {
		var lost *carillon.LostError
		if errors.As(err, &lost) {
			fmt.Println("make the table anew:", lost) // and the watch goes on
			continue
		}
		if err != nil {
			fmt.Println(errors.Is(err, context.Canceled))
			return
		}
		switch event.Kind {
		case carillon.SessionOpened:
			fmt.Println(event.UserID, event.Opened.GetLabels())
		case carillon.SessionClosed:
			fmt.Println(event.UserID, event.Closed.GetCause())
		}
	}
	// Output: true
}

func ExampleClient_NewBatcher() {
	client, ctx := exampleClient()
	defer client.Close()

	batcher := client.NewBatcher(carillon.OnFailure(func(failure carillon.ItemFailure) {
		log.Println(failure.RequestID, failure.Err)
	}))
	for price := range 10_000 {
		if err := batcher.BroadcastStream(ctx, "prices", carillon.Event{Name: "price", Data: price}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(batcher.Close(ctx)) // waits until everything is acknowledged
	// Output: <nil>
}
