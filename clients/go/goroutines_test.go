package carillon_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"carillon.dev/clients/go/internal/browser"
)

// requireNoGoroutines waits until no goroutine has text in its stack, since what ends needs a moment to be gone.
func requireNoGoroutines(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	stacks := make([]byte, 4<<20)
	for deadline := time.Now().Add(browser.Patience); ; <-tick.C {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(all, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", all)
		}
	}
}
