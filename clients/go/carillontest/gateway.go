// Package carillontest starts a real gateway for tests: on free ports of the loopback interface, with a key and a client
// that may do everything, ended when the test ends.
//
//	func TestGreeting(t *testing.T) {
//		gateway := carillontest.Start(t)
//		client := gateway.Client(t)
//		...
//		conn, _, err := websocket.Dial(ctx, gateway.WebSocketURL("alice", "chat"), nil)
//
// The binary is the one that the variable CARILLON_BINARY names, or else carillon on PATH. Without one, [Start] skips
// the test and says so; with a variable that names what cannot be run, the test fails.
package carillontest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	carillon "carillon.dev/clients/go"
)

// ErrNoBinary says that there is no gateway to start. Compare with errors.Is.
var ErrNoBinary = errors.New("there is no gateway to test against: set CARILLON_BINARY, or put carillon on PATH")

// How long a gateway may take to start or to end before it is killed. Far more than it ever needs, for slow machines.
const patience = 30 * time.Second

// Gateway is a gateway that runs.
type Gateway struct {
	// Edge is where browsers connect, host:port; they speak WebSocket at /ws. See [Gateway.WebSocketURL].
	Edge string

	// Control is where backends connect, host:port.
	Control string

	// Admin is where metrics and health are, host:port.
	Admin string

	// Key is an API key that may do everything.
	Key string

	folder string
	config map[string]any

	mu      sync.Mutex // guards what follows
	process *exec.Cmd  // nil: it does not run
	output  io.Reader
	log     *safeBuffer
}

// Start starts a gateway, and ends it when the test ends, as a service manager would; the test fails where it does not
// go in peace, and says its log where the test failed.
func Start(t testing.TB, opts ...Option) *Gateway {
	t.Helper()
	g, err := Run(opts...)
	if errors.Is(err, ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		} else if t.Failed() {
			t.Logf("the gateway's log:\n%s", g.Log())
		}
	})
	return g
}

// Run starts a gateway outside of a test, as in TestMain. Close it in the end. [ErrNoBinary] where there is none.
func Run(opts ...Option) (*Gateway, error) {
	binary, err := findBinary()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "carillontest-")
	if err != nil {
		return nil, err
	}
	g := &Gateway{Key: adminKey, folder: folder, config: defaultConfig(), log: &safeBuffer{}}
	for _, opt := range opts {
		opt(g)
	}
	if err := g.start(binary); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return g, nil
}

// Client returns a client that may do everything, and closes it when the test ends. opts come after what it needs.
func (g *Gateway) Client(t testing.TB, opts ...carillon.Option) *carillon.Client {
	t.Helper()
	client, err := carillon.New(g.Control, append([]carillon.Option{carillon.WithToken(g.Key)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Log returns what the gateway has logged so far.
func (g *Gateway) Log() string { return g.log.String() }

// Stop ends the gateway with SIGTERM, and kills it where it does not end within 30 seconds. An error says that it did not
// end in peace, with its log. A gateway that does not run is no error.
func (g *Gateway) Stop() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == nil {
		return nil
	}
	killer := time.AfterFunc(patience, func() { _ = g.process.Process.Kill() })
	defer killer.Stop()
	_ = g.process.Process.Signal(syscall.SIGTERM)
	if err := g.reap(); err != nil {
		return fmt.Errorf("the gateway ended with %w:\n%s", err, g.Log())
	}
	return nil
}

// Close is Stop, and removes what the gateway has left on disk.
func (g *Gateway) Close() error {
	return errors.Join(g.Stop(), os.RemoveAll(g.folder))
}

// Kill ends the gateway at once, as a crash would. One that does not run stays so.
func (g *Gateway) Kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == nil {
		return
	}
	_ = g.process.Process.Kill()
	_ = g.reap()
}

// Restart stops the gateway, if it runs, and starts it again with the same configuration and the same addresses. Its logs
// and the feed begin anew, unless [Snapshot] keeps them.
func (g *Gateway) Restart() error {
	if err := g.Stop(); err != nil {
		return err
	}
	binary, err := findBinary()
	if err != nil {
		return err
	}
	g.config = merge(g.config, map[string]any{
		"edge":    map[string]any{"listen": g.Edge},
		"control": map[string]any{"listen": g.Control},
		"admin":   map[string]any{"listen": g.Admin},
	})
	return g.start(binary)
}

func findBinary() (string, error) {
	if named := os.Getenv("CARILLON_BINARY"); named != "" {
		// Not skipped: who has set the variable believes that tests run.
		binary, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("CARILLON_BINARY names what cannot be run: %w", err)
		}
		return binary, nil
	}
	binary, err := exec.LookPath("carillon")
	if err != nil {
		return "", ErrNoBinary
	}
	return binary, nil
}

func (g *Gateway) start(binary string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	config, err := json.Marshal(g.config) // JSON is YAML
	if err != nil {
		return err
	}
	file := filepath.Join(g.folder, "carillon.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	cmd := exec.Command(binary, "serve", "-c", file)
	cmd.Stderr = g.log
	// Settings of the person who runs the tests must not reach it: variables beat the file.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CARILLON_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	g.process, g.output = cmd, stdout
	// Reading has no timeout of its own: a gateway that hangs is killed, which ends it.
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	killer.Stop()
	var listening struct{ Edge, Control, Admin string }
	if err == nil {
		err = json.Unmarshal(line, &listening)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = g.reap()
		return fmt.Errorf("the gateway did not start: %w:\n%s", err, g.Log())
	}
	g.Edge, g.Control, g.Admin = listening.Edge, listening.Control, listening.Admin
	return nil
}

// reap waits for the end of the process.
func (g *Gateway) reap() error {
	_, _ = io.Copy(io.Discard, g.output)
	err := g.process.Wait()
	g.process = nil
	return err
}

// safeBuffer may be read while it is written to.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
