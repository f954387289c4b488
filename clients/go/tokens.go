package carillon

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// TokenSource returns the API key for a call; empty sends none. It is asked before every call and every reconnect, by
// several goroutines at once, so it should remember what it knows. White space around the key is taken off. Its error,
// or a key that is not printable ASCII then, fails the call with codes.Unauthenticated, unless the error is a gRPC
// status itself.
type TokenSource func(ctx context.Context) (string, error)

// sendable returns the key without the white space around it: secrets in files and variables often end with a line. It
// fails where HTTP/2 cannot carry what is left, and says whence the key came, but not the key.
func sendable(whence, token string) (string, error) {
	token = strings.TrimSpace(token)
	for i := range len(token) {
		if token[i] < ' ' || token[i] > '~' {
			return "", errors.New(whence + ": the key holds a character that cannot be sent: it may be of printable ASCII only")
		}
	}
	return token, nil
}

func fixedToken(whence, token string) (TokenSource, error) {
	token, err := sendable(whence, token)
	if err != nil {
		return nil, &Error{Code: codes.InvalidArgument, Message: err.Error(), cause: err}
	}
	return func(context.Context) (string, error) { return token, nil }, nil
}

func tokensOfEnvironment() (TokenSource, error) {
	if token := strings.TrimSpace(os.Getenv("CARILLON_TOKEN")); token != "" {
		return fixedToken("CARILLON_TOKEN", token)
	}
	if path := os.Getenv("CARILLON_TOKEN_FILE"); path != "" {
		return tokenFile(path), nil
	}
	return nil, nil
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
		read, err := sendable(path, string(text))
		if err != nil {
			return "", err
		}
		token, size, changed = read, info.Size(), info.ModTime()
		return token, nil
	}
}
