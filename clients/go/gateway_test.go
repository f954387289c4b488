package carillon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

const (
	fullKey = "0123456789abcdef0123"
	readKey = "abcdef0123456789abcd"
)

var settings = carillontest.Config(map[string]any{
	"control": map[string]any{"keys": []any{
		map[string]any{"name": "test", "secret": fullKey},
		map[string]any{"name": "reader", "secret": readKey, "verbs": []any{"read"}},
	}},
	"streams": []any{
		map[string]any{"pattern": "log-*", "description": "kept for a while", "log": map[string]any{
			"mode": "log", "messages": 100000, "max_bytes": "256MiB", "age": "1h",
		}},
	},
	"engine": map[string]any{"memory": map[string]any{"log_bytes": "1GiB"}},
})

// shared is one gateway for all tests that do not disturb others: each uses users and streams that no other does. Nil
// without a binary.
var shared *carillontest.Gateway

func TestMain(m *testing.M) {
	// Settings of the person who runs the tests.
	for _, name := range []string{"CARILLON_ADDRESS", "CARILLON_TOKEN", "CARILLON_TOKEN_FILE"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(func() int {
		started, err := carillontest.Run(settings)
		if errors.Is(err, carillontest.ErrNoBinary) {
			flag.Parse()
			_ = flag.Set("test.skip", "^Example") // they cannot skip themselves
			return m.Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		started.Key = fullKey
		shared = started
		status := m.Run()
		if err := started.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}())
}

func requireGateway(t testing.TB) *carillontest.Gateway {
	t.Helper()
	if shared == nil {
		t.Skip(carillontest.ErrNoBinary)
	}
	return shared
}

// ownGateway starts one that the test may end as it likes.
func ownGateway(t *testing.T, opts ...carillontest.Option) *carillontest.Gateway {
	t.Helper()
	g := carillontest.Start(t, append([]carillontest.Option{settings}, opts...)...)
	g.Key = fullKey
	return g
}

func newClient(t testing.TB, addr string, opts ...carillon.Option) *carillon.Client {
	t.Helper()
	client, err := carillon.New(addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// connected returns a client of the shared gateway, with the key that may do everything.
func connected(t testing.TB) *carillon.Client {
	t.Helper()
	return requireGateway(t).Client(t)
}

// fresh makes a name that nothing else has, for a user or a stream.
func fresh(kind string) string { return kind + "-" + strings.ToLower(rand.Text()[:12]) }

// patient bounds what should never take long.
func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browser.Patience)
	t.Cleanup(cancel)
	return ctx
}

// connect opens a tab at the shared gateway. claims add to its token.
func connect(t testing.TB, user, streams string, claims map[string]any) *browser.Browser {
	t.Helper()
	g := requireGateway(t)
	url := "ws://" + g.Edge + "/ws?token=" + g.Token(user, claims)
	if streams != "" {
		url += "&streams=" + streams
	}
	return browser.Connect(t, url)
}
