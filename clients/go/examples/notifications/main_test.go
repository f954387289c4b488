package main

import (
	"encoding/json"
	"strings"
	"testing"

	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

func TestATabHearsOfANotificationsLife(t *testing.T) {
	gateway := carillontest.Start(t)
	t.Setenv("CARILLON_ADDRESS", gateway.Control)
	t.Setenv("CARILLON_TOKEN", gateway.Key)
	tab := browser.Connect(t, gateway.WebSocketURL("alice", "notifications"))

	if err := run(t.Context(), "alice", "hello"); err != nil {
		t.Fatal(err)
	}

	var id string
	for _, want := range []struct{ event, data string }{
		{"notification.created", `{"notification":{"id":"ID","is_read":false,"message":"hello"},"notification_id":"ID"}`},
		{"notification.updated", `{"notification":{"id":"ID","is_read":false,"message":"hello!"},"notification_id":"ID"}`},
		{"notification.read", `{"notification_id":"ID"}`},
		{"notification.deleted", `{"notification_id":"ID"}`},
		{"notification.read_all", `{}`},
	} {
		got := tab.Receive()
		data, err := json.Marshal(got.Data)
		if err != nil {
			t.Fatal(err)
		}
		if id == "" {
			id, _ = got.Data.(map[string]any)["notification_id"].(string)
		}
		if got.Stream != "notifications" || got.Event != want.event ||
			string(data) != strings.ReplaceAll(want.data, "ID", id) {
			t.Errorf("message %+v", got)
		}
	}
}
