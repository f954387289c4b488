package main

import (
	"strings"
	"testing"

	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

func TestBroadcast(t *testing.T) {
	gateway := carillontest.Start(t)
	t.Setenv("CARILLON_ADDRESS", gateway.Control)
	t.Setenv("CARILLON_TOKEN", gateway.Key)
	tab := browser.Connect(t, gateway.WebSocketURL("alice"))

	var out strings.Builder
	if err := run(t.Context(), &out, "alice", "hello"); err != nil {
		t.Fatal(err)
	}

	if got := tab.Receive(); got.Event != "notification.created" || got.Data.(map[string]any)["text"] != "hello" {
		t.Errorf("message %+v", got)
	}
	if !strings.Contains(out.String(), "went to 1 sessions") {
		t.Errorf("it says %q", out.String())
	}
}
