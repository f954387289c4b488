// Package browser is the other end for tests: what a user's open tab sends and receives.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Patience is how long anything may take before a test fails. Far more than is ever needed, for slow machines.
const Patience = 30 * time.Second

// Message is what a browser receives.
type Message struct {
	Stream string         `json:"stream"`
	Event  string         `json:"event"`
	Data   any            `json:"data"`
	Meta   map[string]any `json:"meta"`
}

// Browser is a connected client, closed when the test ends.
type Browser struct {
	t    testing.TB
	conn *websocket.Conn

	// Session is the session's id.
	Session string
}

// Connect returns when the gateway has said welcome.
func Connect(t testing.TB, url string) *Browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })

	b := &Browser{t: t, conn: conn}
	welcome := b.Receive()
	if welcome.Stream != "system" || welcome.Event != "welcome" {
		t.Fatalf("the first message is %+v", welcome)
	}
	b.Session, _ = welcome.Data.(map[string]any)["session"].(string)
	return b
}

// Receive returns the next message.
func (b *Browser) Receive() Message {
	b.t.Helper()
	text, err := b.read()
	if err != nil {
		b.t.Fatal(err)
	}
	var m Message
	if err := json.Unmarshal(text, &m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// Send sends a command.
func (b *Browser) Send(command any) {
	b.t.Helper()
	text, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), Patience)
	defer cancel()
	if err := b.conn.Write(ctx, websocket.MessageText, text); err != nil {
		b.t.Fatal(err)
	}
}

// Close says goodbye.
func (b *Browser) Close() { _ = b.conn.Close(websocket.StatusNormalClosure, "") }

// ReceiveClose returns the code and the reason that the gateway closes with.
func (b *Browser) ReceiveClose() (int, string) {
	b.t.Helper()
	text, err := b.read()
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		b.t.Fatalf("no close frame came, but %q, %v", text, err)
	}
	return int(closed.Code), closed.Reason
}

func (b *Browser) read() ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), Patience)
	defer cancel()
	_, text, err := b.conn.Read(ctx)
	return text, err
}
