package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"testing"

	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

func TestTheBotGreetsInTheStream(t *testing.T) {
	gateway := carillontest.Start(t)
	t.Setenv("CARILLON_ADDRESS", gateway.Control)
	t.Setenv("CARILLON_TOKEN", gateway.Key)
	ctx, cancel := context.WithTimeout(t.Context(), browser.Patience)
	defer cancel()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, out, "chat")
		_ = out.CloseWithError(io.EOF)
		ended <- err
	}()
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "greeting in chat\n" {
		t.Fatalf("it says %q, %v, %v", line, err, <-ended)
	}

	alice := browser.Connect(t, gateway.WebSocketURL("alice", "chat"))
	requireGreeting(t, alice, "Welcome, alice!")
	browser.Connect(t, gateway.WebSocketURL("bob", "elsewhere"))
	stranger := browser.Connect(t, gateway.WebSocketURL("", "chat"))
	requireGreeting(t, alice, "Welcome, stranger!")
	requireGreeting(t, stranger, "Welcome, stranger!")

	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func requireGreeting(t *testing.T, tab *browser.Browser, text string) {
	t.Helper()
	got := tab.Receive()
	if data, _ := got.Data.(map[string]any); got.Stream != "chat" || got.Event != "message" || data["from"] != "bot" ||
		data["text"] != text {
		t.Errorf("message %+v, not %q", got, text)
	}
}
