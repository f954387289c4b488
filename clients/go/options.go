package carillon

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// DefaultAddress is where a gateway listens for backends unless it is configured otherwise.
const DefaultAddress = "127.0.0.1:7311"

const (
	defaultTimeout = 5 * time.Second

	// With their pauses they take about 1.5 seconds, which fits into the default timeout.
	defaultRetries = 4

	// gRPC waits a second before it first connects again, and up to 2 minutes later on, and calls fail at once
	// meanwhile: a backend would go on failing long after a gateway's restart.
	minReconnectDelay = 100 * time.Millisecond
	maxReconnectDelay = 5 * time.Second

	// A watch may be silent for hours, and what is between may forget its connection. Gateways allow a ping in 10
	// seconds, gRPC advises not to send more than one a minute.
	keepaliveTime    = time.Minute
	keepaliveTimeout = 20 * time.Second
)

// Option configures [New].
type Option func(*options)

type options struct {
	tokens       TokenSource
	malformed    error // of a key that was said outright: it fails New
	app          string
	timeout      time.Duration
	retries      int
	tls          *tls.Config
	log          *slog.Logger
	interceptors []grpc.UnaryClientInterceptor
	dial         []grpc.DialOption
}

func defaults() options {
	o := options{
		timeout: defaultTimeout,
		retries: defaultRetries,
		log:     slog.New(slog.DiscardHandler),
	}
	o.tokens, o.malformed = tokensOfEnvironment()
	return o
}

func addressOr(addr string) string {
	return cmp.Or(addr, os.Getenv("CARILLON_ADDRESS"), DefaultAddress)
}

// WithToken sends the gateway's API key with every call: in plain text unless [WithTLS] is given. Empty sends none.
// White space around it is taken off; what is left must be printable ASCII, or [New] fails with codes.InvalidArgument.
// Default: what the variable CARILLON_TOKEN says, or else the file that CARILLON_TOKEN_FILE names, or else none.
func WithToken(token string) Option {
	return func(o *options) { o.tokens, o.malformed = fixedToken("WithToken", token) }
}

// WithTokenSource asks for the API key before every call, see [TokenSource].
func WithTokenSource(source TokenSource) Option {
	return func(o *options) { o.tokens, o.malformed = source, nil }
}

// WithTokenFile takes the API key from a file, without the white space around it, and reads it again when it has
// changed. A file that cannot be read, or that holds a key that is not printable ASCII, fails the call with
// codes.Unauthenticated.
func WithTokenFile(path string) Option {
	return func(o *options) { o.tokens, o.malformed = tokenFile(path), nil }
}

// WithApp sends every call to this app of the gateway. Default: the first of the key's apps.
func WithApp(app string) Option {
	return func(o *options) { o.app = app }
}

// WithTimeout bounds every call whose context has no deadline, with all its attempts. Default 5 seconds. Watches and
// batchers have no timeout.
func WithTimeout(timeout time.Duration) Option {
	return func(o *options) { o.timeout = timeout }
}

// WithRetry sets how often a call is tried again that failed with codes.Unavailable. Default 4; 0 turns it off. The
// pauses double from about 50 ms to at most a second, and the last error is returned where the context has no time for
// the next one.
//
// Tried again are: publishing calls, which carry a request id, so that the gateway publishes the message once; calls
// that only ask; and calls that may be done twice with the same outcome: Kick, BlockUser, UnblockUser, and RevokeTokens
// with a [TokenID] or [IssuedBefore]. Their counts are those of the last attempt then. ClearMessages, and RevokeTokens
// as of now, are tried again only where the request never left this process. codes.ResourceExhausted is never
// tried again: whether and when, by Error.RetryAfter, is for the caller to decide.
func WithRetry(retries int) Option {
	return func(o *options) { o.retries = max(retries, 0) }
}

// WithTLS speaks TLS, where the gateway does (control.tls), or a proxy in front of it. The zero config trusts what the
// system trusts. Default: plain text.
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.tls = config }
}

// WithUnaryInterceptors adds interceptors around every single call, the first outermost. A call that is tried again
// passes them again.
func WithUnaryInterceptors(interceptors ...grpc.UnaryClientInterceptor) Option {
	return func(o *options) { o.interceptors = append(o.interceptors, interceptors...) }
}

// WithLogger says what the client does by itself: attempts that failed (debug), watches and batchers that connect again
// (warn). Tokens and payloads are never logged. Default: nothing.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) { o.log = log }
}

// WithDialOptions passes options on to gRPC: interceptors of streams, keepalive, statistics. They come last and so win.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, opts...) }
}

func (o *options) dialOptions() []grpc.DialOption {
	reconnect := backoff.DefaultConfig
	reconnect.BaseDelay = minReconnectDelay
	reconnect.MaxDelay = maxReconnectDelay
	transport := insecure.NewCredentials()
	if o.tls != nil {
		transport = credentials.NewTLS(o.tls)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: maxReconnectDelay}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithChainUnaryInterceptor(o.interceptors...),
	}
	if o.tokens != nil {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer(o.tokens)))
	}
	return append(opts, o.dial...)
}

// bearer sends a token as gRPC metadata.
type bearer TokenSource

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b(ctx)
	if err != nil {
		return nil, err
	}
	if token, err = sendable("the token source", token); err != nil || token == "" {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. The control port is usually reached over loopback
// or a network of the operator's own, where there is no TLS.
func (b bearer) RequireTransportSecurity() bool { return false }
