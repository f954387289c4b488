package carillon

import (
	"context"
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"carillon.dev/clients/go/carillonv1"
)

const defaultTimeout = 5 * time.Second

// gRPC waits up to 2 minutes between attempts to reconnect, and calls fail at once meanwhile: a backend would go on
// failing long after a gateway's restart.
const maxReconnectDelay = 5 * time.Second

type options struct {
	token   string
	timeout time.Duration
	tls     *tls.Config
	dial    []grpc.DialOption
}

// Option configures [New].
type Option func(*options)

// WithToken sends the gateway's API key with every call: in plain text unless [WithTLS] is given.
func WithToken(token string) Option {
	return func(o *options) { o.token = token }
}

// WithTimeout bounds every call whose context has no deadline. Default 5 seconds.
func WithTimeout(timeout time.Duration) Option {
	return func(o *options) { o.timeout = timeout }
}

// WithTLS speaks TLS, where the gateway does (control.tls), or a proxy in front of it. The zero config trusts what the system trusts.
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.tls = config }
}

// WithDialOptions passes options on to gRPC: interceptors, keepalive, statistics. They come last and so win.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *options) { o.dial = append(o.dial, opts...) }
}

func (o *options) dialOptions() []grpc.DialOption {
	reconnect := backoff.DefaultConfig
	reconnect.MaxDelay = maxReconnectDelay
	transport := insecure.NewCredentials()
	if o.tls != nil {
		transport = credentials.NewTLS(o.tls)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: maxReconnectDelay}),
	}
	if o.token != "" {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer(o.token)))
	}
	return append(opts, o.dial...)
}

// bearer sends a token as gRPC metadata.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. The control port is usually reached over loopback
// or a network of the operator's own, where there is no TLS.
func (b bearer) RequireTransportSecurity() bool { return false }

// UserOption refines a broadcast to users: [OnStream] or [AnySession].
type UserOption interface {
	forUser(stream *string, anySession *bool)
}

// StreamOption names the stream that clients see a message on: [OnStream].
type StreamOption interface {
	UserOption
	forStream(stream *string)
}

type onStream string

func (o onStream) forUser(stream *string, _ *bool) { *stream = string(o) }
func (o onStream) forStream(stream *string)        { *stream = string(o) }

// OnStream lets clients see the message on a stream. A broadcast to users reaches only those of their sessions that
// subscribe to it, unless [AnySession] is given; other calls reach the same sessions as without.
func OnStream(stream string) StreamOption { return onStream(stream) }

type anySession struct{}

func (anySession) forUser(_ *string, anySession *bool) { *anySession = true }

// AnySession also reaches the users' sessions that do not subscribe to the stream given by [OnStream].
func AnySession() UserOption { return anySession{} }

// KickTarget is a [Session], a [User] or a [Stream].
type KickTarget interface{ kick(*carillonv1.KickRequest) }

// ListTarget is a [User] or a [Stream].
type ListTarget interface {
	list(*carillonv1.SubscribersRequest)
}

// CountTarget is a [User], a [Stream] or [Everyone].
type CountTarget interface {
	count(*carillonv1.CountSubscribersRequest)
}

// Session is the session with this id, from its welcome or from [Client.Subscribers].
type Session string

func (s Session) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_SessionId{SessionId: string(s)}
}

// User is all sessions of the user with this id.
type User string

func (u User) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_UserId{UserId: string(u)}
}

func (u User) list(req *carillonv1.SubscribersRequest) {
	req.Target = &carillonv1.SubscribersRequest_UserId{UserId: string(u)}
}

func (u User) count(req *carillonv1.CountSubscribersRequest) {
	req.Target = &carillonv1.CountSubscribersRequest_UserId{UserId: string(u)}
}

// Stream is all sessions that subscribe to the stream with this name.
type Stream string

func (s Stream) kick(req *carillonv1.KickRequest) {
	req.Target = &carillonv1.KickRequest_Stream{Stream: string(s)}
}

func (s Stream) list(req *carillonv1.SubscribersRequest) {
	req.Target = &carillonv1.SubscribersRequest_Stream{Stream: string(s)}
}

func (s Stream) count(req *carillonv1.CountSubscribersRequest) {
	req.Target = &carillonv1.CountSubscribersRequest_Stream{Stream: string(s)}
}

// Everyone is every session of the gateway.
type Everyone struct{}

func (Everyone) count(*carillonv1.CountSubscribersRequest) {}

// KickOption refines [Client.Kick].
type KickOption func(*carillonv1.KickRequest)

// CloseCode sets the WebSocket close code: 1000, 1008 or 3000 to 4999. Default 4005 (kicked). 4000 to 4099 tell
// clients to stay away, 4100 to 4199 to back off first, 4200 to 4299 to come back at once.
func CloseCode(code uint32) KickOption {
	return func(req *carillonv1.KickRequest) { req.Code = code }
}

// Reason sets what the client reads in its close event: at most 123 bytes. Default "kicked".
func Reason(reason string) KickOption {
	return func(req *carillonv1.KickRequest) { req.Reason = reason }
}

// ListOption refines [Client.Subscribers].
type ListOption func(*carillonv1.SubscribersRequest)

// PageSize sets how many sessions one request brings. Default 100, at most 1,000.
func PageSize(sessions int32) ListOption {
	return func(req *carillonv1.SubscribersRequest) { req.PageSize = sessions }
}
