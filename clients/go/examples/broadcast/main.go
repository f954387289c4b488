// Broadcast sends one event to a user's open tabs:
//
//	go run ./examples/broadcast alice "Your order has shipped"
//
// The gateway is the one at CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	carillon "carillon.dev/clients/go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: broadcast USER TEXT")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, user, text string) error {
	client, err := carillon.New("")
	if err != nil {
		return err
	}
	defer client.Close()

	receipt, err := client.BroadcastToUser(ctx, user, carillon.Event{
		Name: "notification.created",
		Data: map[string]string{"text": text},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "message %s went to %d sessions\n", receipt.MessageID, receipt.Sessions)
	return nil
}
