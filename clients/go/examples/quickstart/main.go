// Quickstart is the program of the README: it welcomes every tab that connects.

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	carillon "carillon.dev/clients/go"
)

// Welcome is what the browser gets as data.
type Welcome struct {
	Text string `json:"text"`
	Here int    `json:"here"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := carillon.New("") // CARILLON_ADDRESS, CARILLON_TOKEN
	if err != nil {
		return err
	}
	defer client.Close()

	// What browsers do comes in ...
	wanted := carillon.Filter{Kinds: []carillon.EventKind{carillon.SessionOpened}}
	for event, err := range client.Watch(ctx, carillon.InGroup("quickstart"), carillon.Matching(wanted)) {
		if lost := (*carillon.LostError)(nil); errors.As(err, &lost) {
			log.Print(lost) // the gateway was restarted without a snapshot; the watch goes on
			continue
		}
		if err != nil {
			return err
		}
		here, err := client.CountSubscribers(ctx, carillon.Everyone{})
		if err != nil {
			return err
		}
		// ... and what they are to know goes out.
		_, err = client.SendToSession(ctx, event.SessionID, carillon.Event{
			Name: "welcome",
			Data: Welcome{Text: fmt.Sprintf("Hello, %s!", event.UserID), Here: here},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
