package hooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/carillonv1"
	"carillon.dev/clients/go/hooks"
	"carillon.dev/clients/go/internal/browser"
)

const key = "a-key-for-the-backend-0123456789"

// serve returns where the handler answers.
func serve(t *testing.T, handler hooks.Handler, opts ...hooks.Option) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	if err := hooks.Register(server, handler, append([]hooks.Option{hooks.WithKey(key)}, opts...)...); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// asking starts a gateway that asks the handler.
func asking(t *testing.T, handler hooks.Handler, opts ...hooks.Option) *carillontest.Gateway {
	t.Helper()
	main := map[string]any{"name": "main", "address": serve(t, handler, opts...), "key": key, "deadline": "20s"}
	asked := map[string]any{"hook": "main"}
	return carillontest.Start(t, carillontest.Config(map[string]any{
		"hooks":   []any{main},
		"auth":    map[string]any{"hook": map[string]any{"backend": "main", "cookies": []any{"sid"}}},
		"streams": []any{map[string]any{"pattern": "room-*", "subscribe": asked, "publish": asked}},
		"client_events": []any{
			map[string]any{"event": "ask", "hook": "main", "action": "none", "anonymous": true, "rate": "100/1s"},
		},
	}))
}

func say(b *browser.Browser, command map[string]any) browser.Message {
	command["id"] = 1
	b.Send(command)
	return b.Receive()
}

func field(t *testing.T, m browser.Message, name string) any {
	t.Helper()
	data, ok := m.Data.(map[string]any)
	if !ok {
		t.Fatalf("the message is %+v", m)
	}
	return data[name]
}

// refusals are the codes and words of what was refused.
func refusals(t *testing.T, m browser.Message) (all []string) {
	t.Helper()
	refused, _ := field(t, m, "refused").([]any)
	for _, each := range refused {
		r := each.(map[string]any)
		all = append(all, r["code"].(string)+": "+r["message"].(string))
	}
	return all
}

func TestWhoAClientIs(t *testing.T) {
	shown := make(chan hooks.Credentials, 2)
	gateway := asking(t, hooks.Handler{
		Authenticate: func(_ context.Context, credentials hooks.Credentials) (hooks.User, error) {
			shown <- credentials
			if credentials.Token == "old" {
				return hooks.User{}, hooks.Refuse("log in again")
			}
			return hooks.User{
				ID: "ann", Name: "Ann", Info: map[string]string{"pet": "cät"}, Roles: []string{"admin"},
				Labels: map[string]string{"team": "red"}, Streams: []string{"lobby"}, ExpiresAt: time.Now().Add(time.Hour),
				TokenID: "session-7",
			}, nil
		},
	})
	client := gateway.Client(t)
	ann := browser.Connect(t, "ws://"+gateway.Edge+"/ws?token=opaque&page=3")
	got := <-shown
	if got.App != "default" || got.Endpoint != "/ws" || got.Address != "127.0.0.1" || got.Token != "opaque" ||
		got.Query["page"] != "3" || len(got.Query) != 1 || len(got.Cookies) != 0 || got.Handshake != nil {
		t.Errorf("it was shown %+v", got)
	}
	for session, err := range client.Subscribers(t.Context(), carillon.Stream("lobby")) {
		if err != nil || session.UserID != "ann" || session.Labels["team"] != "red" {
			t.Errorf("%+v, %v", session, err)
		}
	}
	if closed, err := client.RevokeTokens(t.Context(), carillon.TokenID("session-7")); err != nil || closed.Sessions != 1 {
		t.Errorf("%+v, %v", closed, err)
	}
	if code, _ := ann.ReceiveClose(); code != 4001 {
		t.Errorf("closed with %d", code)
	}

	ctx, cancel := context.WithTimeout(t.Context(), browser.Patience)
	defer cancel()
	_, resp, err := websocket.Dial(ctx, "ws://"+gateway.Edge+"/ws?token=old", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the refused get %+v, %v", resp, err)
	}
}

func TestWhoMayListen(t *testing.T) {
	asked := make(chan hooks.Subscription, 2)
	gateway := asking(t, hooks.Handler{
		AuthorizeSubscribe: func(_ context.Context, s hooks.Subscription) error {
			asked <- s
			if s.Stream == "room-yes" && s.Session.HasRole("staff") {
				return nil
			}
			return hooks.Refuse("not yours")
		},
	})
	token := gateway.Token("ann", map[string]any{"name": "Ann", "roles": []string{"staff"}, "labels": map[string]string{"team": "red"}})
	ann := browser.Connect(t, "ws://"+gateway.Edge+"/ws?token="+token)
	answer := say(ann, map[string]any{"action": "subscribe", "streams": []string{"room-yes", "room-no"}})
	if got := refusals(t, answer); len(got) != 1 || got[0] != "forbidden: not yours" {
		t.Errorf("%v", got)
	}
	s := (<-asked).Session
	if s.App != "default" || s.ID != ann.Session || s.UserID != "ann" || s.Name != "Ann" || s.Labels["team"] != "red" {
		t.Errorf("%+v", s)
	}
}

func TestWhatMayBeSaid(t *testing.T) {
	gateway := asking(t, hooks.Handler{
		AuthorizeSubscribe: func(context.Context, hooks.Subscription) error { return nil },
		AuthorizePublish: func(_ context.Context, p hooks.Publication) (hooks.Accept, error) {
			switch p.Event {
			case "renamed":
				return hooks.Accept{Event: "other"}, nil
			case "changed":
				return hooks.Accept{Data: map[string]any{"was": p.Data, "by": p.Session.UserID}}, nil
			case "null":
				return hooks.Accept{Data: json.RawMessage("null")}, nil
			case "bad":
				return hooks.Accept{}, hooks.Refuse("be quiet")
			}
			return hooks.Accept{}, nil
		},
	})
	listener := browser.Connect(t, gateway.WebSocketURL("bob", "room-1"))
	ann := browser.Connect(t, gateway.WebSocketURL("ann"))
	for _, event := range []string{"same", "renamed", "changed", "null"} {
		if got := say(ann, map[string]any{"action": "publish", "stream": "room-1", "event": event, "data": 7}); got.Event != "published" {
			t.Errorf("%s: %+v", event, got)
		}
	}
	for _, want := range []string{`same 7`, `other 7`, `changed {"by":"ann","was":7}`, `null null`} {
		heard := listener.Receive()
		data, _ := json.Marshal(heard.Data)
		if got := heard.Event + " " + string(data); got != want {
			t.Errorf("it hears %s, not %s", got, want)
		}
	}
	refused := say(ann, map[string]any{"action": "publish", "stream": "room-1", "event": "bad"})
	if field(t, refused, "code") != "rejected" || field(t, refused, "message") != "be quiet" {
		t.Errorf("%+v", refused)
	}
}

func TestWhatBecomesOfAnEvent(t *testing.T) {
	gateway := asking(t, hooks.Handler{
		OnClientEvent: func(_ context.Context, e hooks.ClientEvent) (hooks.Outcome, error) {
			switch string(e.Data) {
			case `"accept"`:
				return hooks.Accept{}, nil
			case `"refuse"`:
				return nil, hooks.Refuse("")
			case `null`:
				return hooks.Answer{}, nil
			}
			return hooks.Answer{Data: map[string]any{"to": e.Data, "event": e.Event}}, nil
		},
	})
	tab := browser.Connect(t, gateway.WebSocketURL(""))
	ask := func(data any) browser.Message {
		return say(tab, map[string]any{"action": "publish", "event": "ask", "data": data})
	}
	if got := ask("accept"); got.Event != "published" {
		t.Errorf("%+v", got)
	}
	if got := ask("refuse"); field(t, got, "code") != "rejected" {
		t.Errorf("%+v", got)
	}
	if got := ask(nil); got.Event != "answer" || field(t, got, "data") != nil {
		t.Errorf("%+v", got)
	}
	if got, _ := json.Marshal(field(t, ask(42), "data")); string(got) != `{"event":"ask","to":42}` {
		t.Errorf("%s", got)
	}
}

func TestWhatHasNoAnswerLetsNobodyIn(t *testing.T) {
	var said bytes.Buffer
	gateway := asking(t, hooks.Handler{ // and no AuthorizePublish
		AuthorizeSubscribe: func(context.Context, hooks.Subscription) error { return errors.New("the database is on fire") },
		OnClientEvent:      func(context.Context, hooks.ClientEvent) (hooks.Outcome, error) { panic("the cellar as well") },
	}, hooks.WithLogger(slog.New(slog.NewTextHandler(&said, nil))))
	ann := browser.Connect(t, gateway.WebSocketURL("ann"))

	answer := say(ann, map[string]any{"action": "subscribe", "streams": []string{"room-1"}})
	if got := refusals(t, answer); len(got) != 1 || !strings.HasPrefix(got[0], "unavailable: ") {
		t.Errorf("%v", got)
	}
	for _, command := range []map[string]any{
		{"action": "publish", "event": "ask"},
		{"action": "publish", "event": "x", "stream": "room-1"},
	} {
		if got := say(ann, command); field(t, got, "code") != "unavailable" {
			t.Errorf("%v: %+v", command, got)
		}
	}
	for _, words := range []string{"the database is on fire", "the cellar as well", "hooks_test.go"} {
		if !strings.Contains(said.String(), words) {
			t.Errorf("the log has no %q: %s", words, said.String())
		}
	}
	if strings.Contains(gateway.Log(), "on fire") {
		t.Error("what is said here stays here")
	}
}

// stub asks as a gateway would.
func stub(t *testing.T, address string) carillonv1.HooksServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return carillonv1.NewHooksServiceClient(conn)
}

func TestAWrongKey(t *testing.T) {
	client := stub(t, serve(t, hooks.Handler{
		AuthorizeSubscribe: func(context.Context, hooks.Subscription) error { t.Error("it was asked"); return nil },
	}))
	for _, shown := range []string{"-", "", "Bearer ", "Bearer wrong", key, "Bearer " + key + "x", "bearer " + key} {
		ctx := t.Context()
		if shown != "-" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", shown)
		}
		_, err := client.AuthorizeSubscribe(ctx, &carillonv1.AuthorizeSubscribeRequest{})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%q: %v", shown, err)
		}
		if _, err := client.OnClientEvent(ctx, &carillonv1.OnClientEventRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%q: %v", shown, err)
		}
	}
}

func TestOneKeyTakesOverFromAnother(t *testing.T) {
	allow := hooks.Handler{AuthorizeSubscribe: func(context.Context, hooks.Subscription) error { return nil }}
	client := stub(t, serve(t, allow, hooks.WithKey(" another\r\n")))
	for _, shown := range []string{key, "another"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+shown)
		resp, err := client.AuthorizeSubscribe(ctx, &carillonv1.AuthorizeSubscribeRequest{})
		if err != nil || !resp.GetAllowed() {
			t.Errorf("%s: %v, %v", shown, resp, err)
		}
	}
}

func TestFunctionsThatAreNotGivenAreUnimplemented(t *testing.T) {
	client := stub(t, serve(t, hooks.Handler{}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
	_, first := client.Authenticate(ctx, &carillonv1.AuthenticateRequest{})
	_, second := client.AuthorizeSubscribe(ctx, &carillonv1.AuthorizeSubscribeRequest{})
	_, third := client.AuthorizePublish(ctx, &carillonv1.AuthorizePublishRequest{})
	_, fourth := client.OnClientEvent(ctx, &carillonv1.OnClientEventRequest{})
	for _, err := range []error{first, second, third, fourth} {
		if status.Code(err) != codes.Unimplemented {
			t.Error(err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	client := stub(t, serve(t, hooks.Handler{
		Authenticate: func(context.Context, hooks.Credentials) (hooks.User, error) { return hooks.User{}, nil },
		AuthorizePublish: func(context.Context, hooks.Publication) (hooks.Accept, error) {
			return hooks.Accept{Data: func() {}}, nil
		},
		OnClientEvent: func(context.Context, hooks.ClientEvent) (hooks.Outcome, error) { return nil, nil },
	}, hooks.WithLogger(slog.New(slog.DiscardHandler))))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
	_, first := client.Authenticate(ctx, &carillonv1.AuthenticateRequest{})
	_, second := client.AuthorizePublish(ctx, &carillonv1.AuthorizePublishRequest{})
	_, third := client.OnClientEvent(ctx, &carillonv1.OnClientEventRequest{})
	for _, err := range []error{first, second, third} {
		if status.Code(err) != codes.Internal {
			t.Error(err)
		}
	}
}

func TestADoorIsNotOpenedByMistake(t *testing.T) {
	for name, opts := range map[string][]hooks.Option{
		"nothing said": nil, "empty": {hooks.WithKey("")}, "blank": {hooks.WithKey(" \n")}, "both": {hooks.WithKey(key), hooks.WithoutKey()},
	} {
		if err := hooks.Register(grpc.NewServer(), hooks.Handler{}, opts...); !errors.Is(err, hooks.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := hooks.Register(grpc.NewServer(), hooks.Handler{}, hooks.WithoutKey()); err != nil {
		t.Error(err)
	}
}
