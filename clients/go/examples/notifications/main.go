// Notifications tells a user's tabs of one notification's life:
//
//	go run ./examples/notifications alice "Your order has shipped"
//
// Tabs that subscribe to the stream "notifications" receive it. The gateway is the one at CARILLON_ADDRESS
// (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"

	carillon "carillon.dev/clients/go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: notifications USER TEXT")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "not told:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, user, text string) error {
	client, err := carillon.New("")
	if err != nil {
		return err
	}
	defer client.Close()

	service := Notifications{client}
	n := Notification{ID: rand.Text(), Message: text}
	if err := service.Created(ctx, user, n); err != nil {
		return err
	}
	n.Message += "!"
	if err := service.Updated(ctx, user, n); err != nil {
		return err
	}
	if err := service.Read(ctx, user, n.ID); err != nil {
		return err
	}
	if err := service.Deleted(ctx, user, n.ID); err != nil {
		return err
	}
	return service.ReadAll(ctx, user)
}
