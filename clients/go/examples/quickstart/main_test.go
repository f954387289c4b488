package main

import (
	"context"
	"errors"
	"testing"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

func TestEveryTabIsWelcomed(t *testing.T) {
	gateway := carillontest.Start(t)
	t.Setenv("CARILLON_ADDRESS", gateway.Control)
	t.Setenv("CARILLON_TOKEN", gateway.Key)
	ctx, cancel := context.WithTimeout(t.Context(), browser.Patience)
	defer cancel()
	// It says nothing when it is ready. A member of its group that was there before it leaves it what happened since.
	begun, leave := context.WithCancel(ctx)
	for range gateway.Client(t).Watch(begun, carillon.InGroup("quickstart"),
		carillon.OnPosition(func(int, carillon.Position) { leave() })) {
	}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()

	for range 3 {
		tab := browser.Connect(t, gateway.WebSocketURL("alice"))
		got := tab.Receive()
		if data, _ := got.Data.(map[string]any); got.Event != "welcome" || data["text"] != "Hello, alice!" {
			t.Errorf("message %+v", got)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
