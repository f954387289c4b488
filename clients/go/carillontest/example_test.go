package carillontest_test

import (
	"testing"

	"github.com/coder/websocket"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
)

func TestGreeting(t *testing.T) {
	gateway := carillontest.Start(t)
	client := gateway.Client(t)
	tab, _, err := websocket.Dial(t.Context(), gateway.WebSocketURL("alice", "chat"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.CloseNow()
	if _, _, err := tab.Read(t.Context()); err != nil { // the welcome: it is subscribed
		t.Fatal(err)
	}

	receipt, err := client.BroadcastStream(t.Context(), "chat", carillon.Event{Name: "said", Data: "hello"})
	if err != nil || receipt.Sessions != 1 {
		t.Errorf("%+v, %v", receipt, err)
	}
}
