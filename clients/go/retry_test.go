package carillon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	carillon "carillon.dev/clients/go"
)

// mishap makes the first attempts of every call fail: before they reach the gateway, or after, when the answer is lost.
type mishap struct {
	failures int
	reached  bool
	err      error

	mu       sync.Mutex
	attempts int
	requests []proto.Message
}

func (m *mishap) intercept(
	ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	m.mu.Lock()
	m.attempts++
	failing := m.attempts <= m.failures
	m.requests = append(m.requests, proto.Clone(req.(proto.Message)))
	m.mu.Unlock()
	if failing && !m.reached {
		return m.err
	}
	err := invoke(ctx, method, req, reply, conn, opts...)
	if failing && err == nil {
		return m.err
	}
	return err
}

var unavailable = status.Error(codes.Unavailable, "the answer was lost")

func TestALostAnswerPublishesOnce(t *testing.T) {
	client, stream := connected(t), fresh("log")
	lost := &mishap{failures: 3, reached: true, err: unavailable}
	clumsy := requireGateway(t).Client(t, carillon.WithUnaryInterceptors(lost.intercept))

	receipt, err := clumsy.BroadcastStream(t.Context(), stream, number(1))

	if err != nil || !receipt.Duplicate || receipt.Position.Offset != 1 || lost.attempts != 4 {
		t.Errorf("%+v, %v, %d attempts", receipt, err, lost.attempts)
	}
	requireRun(t, numbersOf(t, client, stream), 1, 1)
}

func TestEveryPublishingCallMayBeTriedAgain(t *testing.T) {
	gateway, alice, stream := requireGateway(t), fresh("alice"), fresh("chat")
	tab := connect(t, alice, stream, nil)
	for name, publish := range map[string]func(*carillon.Client) (carillon.Receipt, error){
		"user": func(c *carillon.Client) (carillon.Receipt, error) {
			return c.BroadcastToUser(t.Context(), alice, number(1))
		},
		"users": func(c *carillon.Client) (carillon.Receipt, error) {
			receipt, err := c.BroadcastToUsers(t.Context(), []string{alice}, number(1))
			return receipt.Receipt, err
		},
		"stream": func(c *carillon.Client) (carillon.Receipt, error) {
			return c.BroadcastStream(t.Context(), stream, number(1))
		},
		"all": func(c *carillon.Client) (carillon.Receipt, error) {
			return c.BroadcastAll(t.Context(), number(1))
		},
		"session": func(c *carillon.Client) (carillon.Receipt, error) {
			return c.SendToSession(t.Context(), tab.Session, number(1))
		},
	} {
		lost := &mishap{failures: 1, reached: true, err: unavailable}
		receipt, err := publish(gateway.Client(t, carillon.WithUnaryInterceptors(lost.intercept)))
		if err != nil || !receipt.Duplicate {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
		if !proto.Equal(lost.requests[0], lost.requests[1]) {
			t.Errorf("%s: sent %v and then %v", name, lost.requests[0], lost.requests[1])
		}
		if got := tab.Receive(); got.Data != 1.0 || got.Meta["id"] != receipt.MessageID {
			t.Errorf("%s: message %+v", name, got)
		}
	}
	end, err := connected(t).SendToSession(t.Context(), tab.Session, number(2))
	if err != nil {
		t.Fatal(err)
	}
	for got := tab.Receive(); got.Meta["id"] != end.MessageID; got = tab.Receive() {
		if got.Stream != "@all" { // other tests'
			t.Errorf("one too many: %+v", got)
		}
	}
}

func TestWhatMayNotBeDoneTwiceIsNot(t *testing.T) {
	gateway := requireGateway(t)
	clear := func(c *carillon.Client) error {
		_, err := c.ClearMessages(t.Context(), carillon.Stream(fresh("log")))
		return err
	}
	revoke := func(c *carillon.Client) error {
		_, err := c.RevokeTokens(t.Context(), carillon.User(fresh("alice")))
		return err
	}
	revokeBefore := func(c *carillon.Client) error {
		_, err := c.RevokeTokens(t.Context(), carillon.User(fresh("alice")), carillon.IssuedBefore(time.Now()))
		return err
	}
	kick := func(c *carillon.Client) error {
		_, err := c.Kick(t.Context(), carillon.User(fresh("alice")))
		return err
	}
	for _, each := range []struct {
		name     string
		call     func(*carillon.Client) error
		reached  bool
		attempts int
	}{
		{"clear, reached", clear, true, 1},
		{"clear, not reached", clear, false, 3},
		{"revoke, reached", revoke, true, 1},
		{"revoke, not reached", revoke, false, 3},
		{"revoke with a time, reached", revokeBefore, true, 3},
		{"kick, reached", kick, true, 3},
	} {
		lost := &mishap{failures: 2, reached: each.reached, err: unavailable}
		err := each.call(gateway.Client(t, carillon.WithUnaryInterceptors(lost.intercept)))
		if lost.attempts != each.attempts || (err == nil) != (each.attempts == 3) {
			t.Errorf("%s: %d attempts, %v", each.name, lost.attempts, err)
		}
		if err != nil {
			requireCode(t, err, codes.Unavailable)
		}
	}
}

func TestOnlyUnavailableIsTriedAgain(t *testing.T) {
	for _, code := range []codes.Code{
		codes.ResourceExhausted, codes.DeadlineExceeded, codes.Internal, codes.Aborted, codes.Unknown,
	} {
		m := &mishap{failures: 1, err: status.Error(code, "no")}
		client := newClient(t, "127.0.0.1:1", carillon.WithUnaryInterceptors(m.intercept))
		_, err := client.BroadcastAll(t.Context(), number(1))
		requireCode(t, err, code)
		if m.attempts != 1 {
			t.Errorf("%v: %d attempts", code, m.attempts)
		}
	}
}

func TestRetriesHaveAnEnd(t *testing.T) {
	for _, each := range []struct {
		opts     []carillon.Option
		attempts int
	}{
		{nil, 5},
		{[]carillon.Option{carillon.WithRetry(1)}, 2},
		{[]carillon.Option{carillon.WithRetry(0)}, 1},
		{[]carillon.Option{carillon.WithRetry(1000), carillon.WithTimeout(20 * time.Millisecond)}, 1}, // no time for a pause
	} {
		m := &mishap{failures: 1000, err: unavailable}
		client := newClient(t, "127.0.0.1:1", append(each.opts, carillon.WithUnaryInterceptors(m.intercept))...)
		_, err := client.CountSubscribers(t.Context(), carillon.Everyone{})
		requireCode(t, err, codes.Unavailable)
		if m.attempts != each.attempts {
			t.Errorf("%d attempts, not %d", m.attempts, each.attempts)
		}
	}
}

func TestAContextEndsThePauseBetweenAttempts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &mishap{failures: 1000, err: unavailable}
	client := newClient(t, "127.0.0.1:1", carillon.WithRetry(1000), carillon.WithUnaryInterceptors(
		func(
			ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
			opts ...grpc.CallOption,
		) error {
			cancel()
			return m.intercept(ctx, method, req, reply, conn, invoke, opts...)
		}))

	_, err := client.CountSubscribers(ctx, carillon.Everyone{})

	requireCode(t, err, codes.Canceled)
	if m.attempts != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d attempts, %v", m.attempts, err)
	}
}

func TestACallSurvivesARestart(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	if _, err := client.CountSubscribers(t.Context(), carillon.Everyone{}); err != nil {
		t.Fatal(err)
	}
	gateway.Kill()
	restarted := make(chan error)
	go func() { restarted <- gateway.Restart() }()

	_, err := client.BroadcastStream(patient(t), "chat", number(1))

	if err := errors.Join(err, <-restarted); err != nil {
		t.Error(err)
	}
}

func TestTheLogSaysWhatIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	m := &mishap{failures: 1000, err: unavailable}
	client := newClient(t, "127.0.0.1:1", carillon.WithToken("secret-token"), carillon.WithRetry(2),
		carillon.WithUnaryInterceptors(m.intercept),
		carillon.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))

	_, err := client.BroadcastAll(t.Context(), carillon.Event{Name: "n", Data: "secret-data"})
	requireCode(t, err, codes.Unavailable)

	if got := log.String(); strings.Count(got, "trying again") != 2 || strings.Contains(got, "secret") {
		t.Errorf("log %s", got)
	}
}
