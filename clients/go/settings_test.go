package carillon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/carillonv1"
)

func count(t *testing.T, addr string, opts ...carillon.Option) error {
	t.Helper()
	_, err := newClient(t, addr, opts...).CountSubscribers(t.Context(), carillon.Everyone{})
	return err
}

func TestVariablesSayWhatOptionsDoNot(t *testing.T) {
	gateway := requireGateway(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(fullKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CARILLON_ADDRESS", gateway.Control)

	t.Setenv("CARILLON_TOKEN_FILE", file)
	if err := count(t, ""); err != nil {
		t.Error(err)
	}
	requireCode(t, count(t, "", carillon.WithToken("")), codes.Unauthenticated) // said to be none

	t.Setenv("CARILLON_TOKEN", "another-key-that-is-wrong")
	requireCode(t, count(t, ""), codes.Unauthenticated) // beats the file
	if err := count(t, "", carillon.WithToken(fullKey)); err != nil {
		t.Error(err)
	}

	t.Setenv("CARILLON_ADDRESS", "127.0.0.1:1")
	requireCode(t, count(t, "", carillon.WithRetry(0)), codes.Unavailable)
	if err := count(t, gateway.Control, carillon.WithToken(fullKey)); err != nil {
		t.Error(err)
	}
}

func TestWhiteSpaceAroundAKeyIsTakenOff(t *testing.T) {
	gateway := requireGateway(t)
	const padded = "\t " + fullKey + " \r\n"
	source := func(context.Context) (string, error) { return padded, nil }

	for _, option := range []carillon.Option{carillon.WithToken(padded), carillon.WithTokenSource(source)} {
		if err := count(t, gateway.Control, option); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("CARILLON_TOKEN", padded)
	if err := count(t, gateway.Control); err != nil {
		t.Error(err)
	}
	requireCode(t, count(t, gateway.Control, carillon.WithToken(" \n")), codes.Unauthenticated) // none is sent
}

func TestAKeyThatCannotBeSentIsRefusedWithoutBeingShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	for _, bad := range []string{
		"s3cr3t\ns3cr3t", "s3cr3t\x00", "s3cr3t-\u00fc", "\ufeffs3cr3t", "s3cr3t\x7f", "s3cr3t\xff",
	} {
		requireNamed := func(err error, code codes.Code, name string) {
			t.Helper()
			failed := requireCode(t, err, code)
			if !strings.Contains(failed.Message, name) || !strings.Contains(failed.Message, "printable ASCII") ||
				strings.Contains(failed.Error(), "s3cr3t") {
				t.Errorf("%q: %v", bad, failed)
			}
		}
		_, err := carillon.New("127.0.0.1:1", carillon.WithToken(bad))
		requireNamed(err, codes.InvalidArgument, "WithToken")
		if !strings.Contains(bad, "\x00") { // which no variable can hold
			t.Setenv("CARILLON_TOKEN", bad)
			_, err = carillon.New("127.0.0.1:1")
			requireNamed(err, codes.InvalidArgument, "CARILLON_TOKEN")
		}
		newClient(t, "127.0.0.1:1", carillon.WithToken("good")) // is said instead

		gateway := requireGateway(t)
		source := func(context.Context) (string, error) { return bad, nil }
		requireNamed(count(t, gateway.Control, carillon.WithTokenSource(source)), codes.Unauthenticated, "token source")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		requireNamed(count(t, gateway.Control, carillon.WithTokenFile(file)), codes.Unauthenticated, file)
	}
}

func TestATokenFileIsReadAgainWhenItChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	client := newClient(t, requireGateway(t).Control, carillon.WithTokenFile(file))
	ask := func() error {
		_, err := client.CountSubscribers(t.Context(), carillon.Everyone{})
		return err
	}

	err := ask()
	requireCode(t, err, codes.Unauthenticated)
	for _, each := range []struct {
		text string
		good bool
	}{{"  " + fullKey + "\n", true}, {"a-wrong-key-of-another-length", false}, {readKey, true}} {
		if err := os.WriteFile(file, []byte(each.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := ask(); (err == nil) != each.good {
			t.Errorf("%q: %v", each.text, err)
		}
	}
}

func TestATokenSourceIsAskedBeforeEveryCall(t *testing.T) {
	asked := 0
	var broken error
	client := newClient(t, requireGateway(t).Control, carillon.WithTokenSource(func(context.Context) (string, error) {
		asked++
		return fullKey, broken
	}))
	for range 3 {
		if _, err := client.CountSubscribers(t.Context(), carillon.Everyone{}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	broken = errors.New("the vault is closed")
	_, err := client.CountSubscribers(t.Context(), carillon.Everyone{})
	requireCode(t, err, codes.Unauthenticated)
}

func TestTheAppIsSaidByEveryCall(t *testing.T) {
	gateway := carillontest.Start(t, carillontest.Config(map[string]any{
		"apps": []any{map[string]any{"name": "shop", "streams": []any{
			map[string]any{"pattern": "log-*", "log": map[string]any{"mode": "log"}},
		}}},
		"control": map[string]any{"keys": []any{map[string]any{
			"name": "test", "secret": fullKey, "apps": []any{"*"},
		}}},
	}))
	gateway.Key = fullKey
	shop := gateway.Client(t, carillon.WithApp("shop"))

	if _, err := shop.BroadcastStream(t.Context(), "log-1", number(1)); err != nil {
		t.Fatal(err)
	}
	b := newBatcher(t, shop)
	if err := errors.Join(b.BroadcastStream(t.Context(), "log-1", number(2)), b.Flush(patient(t))); err != nil {
		t.Fatal(err)
	}
	watching(t, shop)

	requireRun(t, numbersOf(t, shop, "log-1"), 1, 2)
	// The default app has no such log.
	requireCode(t, failure(t, gateway.Client(t).ListMessages(t.Context(), carillon.Stream("log-1"))),
		codes.FailedPrecondition)
	_, err := gateway.Client(t, carillon.WithApp("nowhere")).CountSubscribers(t.Context(), carillon.Everyone{})
	if failed := requireCode(t, err, codes.NotFound); failed.Reason != "APP_UNKNOWN" {
		t.Errorf("error %+v", failed)
	}
}

func TestInterceptorsRunInTheirOrder(t *testing.T) {
	var order []string
	note := func(name string) grpc.UnaryClientInterceptor {
		return func(
			ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
			opts ...grpc.CallOption,
		) error {
			order = append(order, name)
			return invoke(ctx, method, req, reply, conn, opts...)
		}
	}
	err := count(t, requireGateway(t).Control, carillon.WithToken(fullKey),
		carillon.WithUnaryInterceptors(note("a"), note("b")), carillon.WithUnaryInterceptors(note("c")))

	if err != nil || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("order %v, %v", order, err)
	}
}

func TestTLS(t *testing.T) {
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	addr := serve(t, &fake{
		broadcastStream: func(context.Context, *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			return &carillonv1.BroadcastStreamResponse{}, nil
		},
	}, grpc.Creds(credentials.NewServerTLSFromCert(&borrowed.TLS.Certificates[0])))
	trusted := x509.NewCertPool()
	trusted.AddCert(borrowed.Certificate())

	client := newClient(t, addr, carillon.WithTLS(&tls.Config{RootCAs: trusted, ServerName: "example.com"}))
	if _, err := client.BroadcastStream(t.Context(), "chat", number(1)); err != nil {
		t.Error(err)
	}
	_, err := newClient(t, addr, carillon.WithTLS(&tls.Config{}), carillon.WithRetry(0)).
		BroadcastStream(t.Context(), "chat", number(1))
	requireCode(t, err, codes.Unavailable)
}
