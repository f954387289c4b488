package carillon_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	carillon "carillon.dev/clients/go"
)

// How long anything may take before a test fails. Far more than is ever needed, for slow machines.
const patience = 10 * time.Second

const (
	fullKey   = "0123456789abcdef0123"
	readKey   = "abcdef0123456789abcd"
	jwtSecret = "an-example-secret-of-at-least-32-bytes"
)

const config = `
edge: {listen: "127.0.0.1:0", endpoints: [{path: /ws, anonymous: true}]}
control:
  listen: "127.0.0.1:0"
  keys:
    - {name: test, secret: "` + fullKey + `"}
    - {name: reader, secret: "` + readKey + `", verbs: [read]}
admin: {listen: "127.0.0.1:0"}
auth: {hs256_secret: "` + jwtSecret + `"}
`

// gateway is the real binary, on free ports.
type gateway struct {
	Edge    string `json:"edge"`
	Control string `json:"control"`
}

// shared is one gateway for all tests: each uses users and streams that no other does. Nil without CARILLON_BINARY.
var shared *gateway

func TestMain(m *testing.M) {
	os.Exit(func() int {
		binary := os.Getenv("CARILLON_BINARY")
		if binary == "" {
			return m.Run()
		}
		started, stop, err := startGateway(binary)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gateway:", err)
			return 1
		}
		shared = started
		status := m.Run()
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "gateway:", err)
			return 1
		}
		return status
	}())
}

// startGateway also returns what ends it as a service manager would, and insists that it goes in peace.
func startGateway(binary string) (*gateway, func() error, error) {
	folder, err := os.MkdirTemp("", "carillon-test-")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(folder, "carillon.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, nil, err
	}
	var log strings.Builder
	cmd := exec.Command(binary, "serve", "-c", path)
	cmd.Stderr = &log
	// Settings of the person who runs the tests must not reach it: variables beat the file.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CARILLON_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	// Reading and waiting have no timeout of their own: a gateway that hangs is killed, which ends them.
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	stop := func() error {
		killer.Reset(patience)
		defer killer.Stop()
		defer os.RemoveAll(folder)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w:\n%s", err, log.String())
		}
		return nil
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	killer.Stop()
	var g gateway
	if err == nil {
		err = json.Unmarshal(line, &g)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("did not start: %w", err), stop())
	}
	return &g, stop, nil
}

func requireGateway(t *testing.T) *gateway {
	t.Helper()
	if shared == nil {
		t.Skip("CARILLON_BINARY is not set: it names the carillon binary to test against")
	}
	return shared
}

func newClient(t *testing.T, addr string, opts ...carillon.Option) *carillon.Client {
	t.Helper()
	client, err := carillon.New(addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// connected returns a client of the real gateway, with the key that may do everything.
func connected(t *testing.T) *carillon.Client {
	t.Helper()
	return newClient(t, requireGateway(t).Control, carillon.WithToken(fullKey))
}

// fresh makes a name that nothing else has, for a user or a stream.
func fresh(kind string) string { return kind + "-" + strings.ToLower(rand.Text()[:12]) }

// signToken makes a JSON Web Token as an application would give it to its browser.
func signToken(t *testing.T, user string, labels map[string]string) string {
	t.Helper()
	claims, err := json.Marshal(struct {
		Sub    string            `json:"sub"`
		Exp    int64             `json:"exp"`
		Labels map[string]string `json:"labels,omitempty"`
	}{user, time.Now().Add(time.Hour).Unix(), labels})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// message is what a browser receives.
type message struct {
	Stream string         `json:"stream"`
	Event  string         `json:"event"`
	Data   any            `json:"data"`
	Meta   map[string]any `json:"meta"`
}

// browser is a connected client, closed when the test ends.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
}

func connect(t *testing.T, user, streams string, labels map[string]string) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	url := "ws://" + requireGateway(t).Edge + "/ws?token=" + signToken(t, user, labels)
	if streams != "" {
		url += "&streams=" + streams
	}
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })

	b := &browser{t: t, conn: conn}
	welcome := b.receive()
	if welcome.Stream != "system" || welcome.Event != "welcome" {
		t.Fatalf("the first message is %+v", welcome)
	}
	b.session, _ = welcome.Data.(map[string]any)["session"].(string)
	return b
}

func (b *browser) receive() message {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	_, text, err := b.conn.Read(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// receiveClose returns the code and the reason that the gateway closes with.
func (b *browser) receiveClose() (int, string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	_, text, err := b.conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		b.t.Fatalf("no close frame came, but %q, %v", text, err)
	}
	return int(closed.Code), closed.Reason
}
