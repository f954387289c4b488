// Broadcast sends one event to a user's open tabs:
//
//	go run ./examples/broadcast alice "Your order has shipped"
//
// The gateway is the one at CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	carillon "carillon.dev/clients/go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: broadcast USER TEXT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
}

func run(user, text string) error {
	address := cmp.Or(os.Getenv("CARILLON_ADDRESS"), carillon.DefaultAddress)
	client, err := carillon.New(address, carillon.WithToken(os.Getenv("CARILLON_TOKEN")))
	if err != nil {
		return err
	}
	defer client.Close()

	receipt, err := client.BroadcastToUser(context.Background(), user, carillon.Event{
		Name: "notification.created",
		Data: map[string]string{"text": text},
	})
	if err != nil {
		return err
	}
	fmt.Printf("message %s went to %d sessions\n", receipt.MessageID, receipt.Sessions)
	return nil
}
