package carillon

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"
)

// TokenSource returns the API key for a call; empty sends none. It is asked before every call and every reconnect, by
// several goroutines at once, so it should remember what it knows. Its error fails the call with codes.Unauthenticated,
// unless it is a gRPC status itself.
type TokenSource func(ctx context.Context) (string, error)

func fixedToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

func tokensOfEnvironment() TokenSource {
	if token := os.Getenv("CARILLON_TOKEN"); token != "" {
		return fixedToken(token)
	}
	if path := os.Getenv("CARILLON_TOKEN_FILE"); path != "" {
		return tokenFile(path)
	}
	return nil
}

// tokenFile looks at the file before every call, which costs little, and reads it only when it has changed.
func tokenFile(path string) TokenSource {
	var (
		mu      sync.Mutex
		token   string
		size    int64 = -1
		changed time.Time
	)
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		if info.Size() == size && info.ModTime().Equal(changed) {
			return token, nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		token, size, changed = strings.TrimSpace(string(text)), info.Size(), info.ModTime()
		return token, nil
	}
}
