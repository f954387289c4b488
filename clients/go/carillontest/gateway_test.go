package carillontest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

var withLogs = carillontest.Config(map[string]any{
	"streams": []any{map[string]any{"pattern": "log-*", "log": map[string]any{"mode": "log"}}},
})

func requireLogOf(t *testing.T, client *carillon.Client, want ...string) {
	t.Helper()
	var got []string
	for message, err := range client.ListMessages(t.Context(), carillon.Stream("log-1")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(message.Data))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestAGatewayGoesOnWithItsAddressesAndWithASnapshotItsLogs(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		opts, want := []carillontest.Option{withLogs}, []string(nil)
		if keeps {
			opts, want = append(opts, carillontest.Snapshot()), []string{"1"}
		}
		gateway := carillontest.Start(t, opts...)
		client, control := gateway.Client(t), gateway.Control
		if _, err := client.BroadcastStream(t.Context(), "log-1", carillon.Event{Name: "n", Data: 1}); err != nil {
			t.Fatal(err)
		}

		if err := gateway.Restart(); err != nil {
			t.Fatal(err)
		}

		requireLogOf(t, client, want...)
		if gateway.Control != control {
			t.Errorf("listens at %s, not %s", gateway.Control, control)
		}
		gateway.Kill()
		gateway.Kill()
		if err := errors.Join(gateway.Stop(), gateway.Restart()); err != nil {
			t.Fatal(err)
		}
		requireLogOf(t, client)
	}
}

func TestATokenSaysWhoAUserIs(t *testing.T) {
	gateway := carillontest.Start(t)
	client := gateway.Client(t)
	token := gateway.Token("ann", map[string]any{"labels": map[string]string{"team": "red"}})
	browser.Connect(t, "ws://"+gateway.Edge+"/ws?token="+token)
	browser.Connect(t, gateway.WebSocketURL("", "chat", "news"))

	for session, err := range client.Subscribers(t.Context(), carillon.User("ann")) {
		if err != nil || session.Labels["team"] != "red" {
			t.Errorf("session %+v, %v", session, err)
		}
	}
	if count, err := client.CountSubscribers(t.Context(), carillon.Stream("news")); err != nil || count != 1 {
		t.Errorf("%d subscribers, %v", count, err)
	}
}

func TestAGatewayThatDoesNotStartSaysWhy(t *testing.T) {
	_, err := carillontest.Run(carillontest.Config(map[string]any{"hub": map[string]any{"shards": "many"}}))

	if errors.Is(err, carillontest.ErrNoBinary) {
		t.Skip(err)
	}
	if err == nil || !strings.Contains(err.Error(), "hub.shards") {
		t.Error(err)
	}
}

// skipped is a test that writes down why it is skipped: a real one would count as skipped itself.
type skipped struct {
	testing.TB
	because string
}

func (s *skipped) Skip(arguments ...any) {
	s.because = fmt.Sprint(arguments...)
	runtime.Goexit()
}

func TestWithoutABinaryATestIsSkipped(t *testing.T) {
	t.Setenv("CARILLON_BINARY", "")
	t.Setenv("PATH", "")
	inner := &skipped{TB: t}
	over := make(chan struct{})

	go func() {
		defer close(over)
		carillontest.Start(inner)
	}()
	<-over

	if inner.because != carillontest.ErrNoBinary.Error() {
		t.Errorf("skipped because %q", inner.because)
	}
}

func TestABinaryThatCannotBeRunIsSaidWithItsVariable(t *testing.T) {
	for _, binary := range []string{filepath.Join(t.TempDir(), "carillon"), "gateway.go"} {
		t.Setenv("CARILLON_BINARY", binary)
		_, err := carillontest.Run()
		if err == nil || errors.Is(err, carillontest.ErrNoBinary) || !strings.Contains(err.Error(), "CARILLON_BINARY") ||
			!strings.Contains(err.Error(), binary) {
			t.Errorf("%s: %v", binary, err)
		}
	}
}

func TestNothingIsLeftOnDisk(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	gateway, err := carillontest.Run(carillontest.Snapshot())
	if errors.Is(err, carillontest.ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Close(); err != nil {
		t.Fatal(err)
	}

	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
