// Package hooks makes a backend that the gateway asks (HooksService) out of functions: who a client is, what it may do, what
// becomes of what it says.
//
//	server := grpc.NewServer()
//	err := hooks.Register(server, hooks.Handler{
//		Authenticate: func(ctx context.Context, shown hooks.Credentials) (hooks.User, error) {
//			if shown.Cookies["sid"] != "s3cret" {
//				return hooks.User{}, hooks.Refuse("please log in")
//			}
//			return hooks.User{ID: "alice"}, nil
//		},
//	}, hooks.WithKey(os.Getenv("HOOKS_KEY")))
//
// The gateway waits for each answer (hooks[].deadline, two seconds unless set), and cancels the context when its client goes:
// look something up, and decide.
//
// [Refuse] says no. Any other error, and a panic, is logged and Internal: no answer, which lets nobody in unless
// hooks[].on_failure says otherwise.
package hooks

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"carillon.dev/clients/go/carillonv1"
)

// Handler is what a backend answers with. Questions without a function are Unimplemented. Several are asked at once.
type Handler struct {
	// Authenticate says who a client is.
	Authenticate func(context.Context, Credentials) (User, error)

	// AuthorizeSubscribe says whether a session may listen to a stream: nil, or [Refuse].
	AuthorizeSubscribe func(context.Context, Subscription) error

	// AuthorizePublish says whether a session may say this to a stream, and as what.
	AuthorizePublish func(context.Context, Publication) (Accept, error)

	// OnClientEvent says what becomes of an event that was said to no stream: an [Accept] or an [Answer].
	OnClientEvent func(context.Context, ClientEvent) (Outcome, error)
}

// Refusal is the error that means no.
type Refusal struct {
	// Message is for the client: at most 200 bytes, the rest is cut. Empty: words of the gateway.
	Message string
}

func (r *Refusal) Error() string { return "refused: " + r.Message }

// Refuse says no, and why.
func Refuse(message string) error { return &Refusal{message} }

// Option configures [Register].
type Option func(*service)

// WithKey answers only those that show this key, which is the gateway's hooks[].key: others get Unauthenticated. White
// space around it is taken off.
func WithKey(key string) Option {
	key = strings.TrimSpace(key)
	return func(s *service) { s.keys = append(s.keys, "Bearer "+key); s.empty = s.empty || key == "" }
}

// WithoutKey answers everybody who reaches the server.
func WithoutKey() Option { return func(s *service) { s.open = true } }

// WithLogger is told of functions that failed. Default: [slog.Default].
func WithLogger(logger *slog.Logger) Option { return func(s *service) { s.log = logger } }

// ErrNoKey is what [Register] returns where it is told neither [WithKey] nor [WithoutKey], or both, or a key that is empty:
// a variable that nobody has set must not open the door.
var ErrNoKey = errors.New("hooks: give a key that is not empty (WithKey), or say that there is none (WithoutKey)")

// Register lets a server answer the gateway's questions. Its ports, TLS, and its beginning and end are yours.
func Register(server grpc.ServiceRegistrar, handler Handler, opts ...Option) error {
	s := &service{handler: handler, log: slog.Default()}
	for _, opt := range opts {
		opt(s)
	}
	if s.empty || s.open == (len(s.keys) > 0) {
		return ErrNoKey
	}
	carillonv1.RegisterHooksServiceServer(server, s)
	return nil
}

type service struct {
	carillonv1.UnimplementedHooksServiceServer

	handler Handler
	keys    []string // as they are shown; several while one takes over from another
	empty   bool
	open    bool
	log     *slog.Logger
}

func (s *service) Authenticate(
	ctx context.Context, req *carillonv1.AuthenticateRequest,
) (*carillonv1.AuthenticateResponse, error) {
	return answer(ctx, s, "Authenticate", s.handler.Authenticate != nil, func() (*carillonv1.AuthenticateResponse, error) {
		user, err := s.handler.Authenticate(ctx, credentials(req))
		if no, err := refused(err); no != nil || err != nil {
			return &carillonv1.AuthenticateResponse{Outcome: &carillonv1.AuthenticateResponse_Refusal{Refusal: no}}, err
		}
		written, err := user.proto()
		return &carillonv1.AuthenticateResponse{Outcome: &carillonv1.AuthenticateResponse_User{User: written}}, err
	})
}

func (s *service) AuthorizeSubscribe(
	ctx context.Context, req *carillonv1.AuthorizeSubscribeRequest,
) (*carillonv1.AuthorizeSubscribeResponse, error) {
	return answer(ctx, s, "AuthorizeSubscribe", s.handler.AuthorizeSubscribe != nil,
		func() (*carillonv1.AuthorizeSubscribeResponse, error) {
			err := s.handler.AuthorizeSubscribe(ctx, Subscription{session(req.GetSession()), req.GetStream()})
			no, err := refused(err)
			return &carillonv1.AuthorizeSubscribeResponse{Allowed: no == nil && err == nil, Message: no.GetMessage()}, err
		})
}

func (s *service) AuthorizePublish(
	ctx context.Context, req *carillonv1.AuthorizePublishRequest,
) (*carillonv1.AuthorizePublishResponse, error) {
	return answer(ctx, s, "AuthorizePublish", s.handler.AuthorizePublish != nil,
		func() (*carillonv1.AuthorizePublishResponse, error) {
			accept, err := s.handler.AuthorizePublish(ctx, Publication{
				session(req.GetSession()), req.GetStream(), req.GetEvent(), payload(req.GetJson()),
			})
			if no, err := refused(err); no != nil || err != nil {
				return &carillonv1.AuthorizePublishResponse{Outcome: &carillonv1.AuthorizePublishResponse_Refusal{Refusal: no}}, err
			}
			written, err := accept.proto()
			return &carillonv1.AuthorizePublishResponse{Outcome: &carillonv1.AuthorizePublishResponse_Accept{Accept: written}}, err
		})
}

func (s *service) OnClientEvent(
	ctx context.Context, req *carillonv1.OnClientEventRequest,
) (*carillonv1.OnClientEventResponse, error) {
	return answer(ctx, s, "OnClientEvent", s.handler.OnClientEvent != nil, func() (*carillonv1.OnClientEventResponse, error) {
		outcome, err := s.handler.OnClientEvent(ctx, ClientEvent{session(req.GetSession()), req.GetEvent(), payload(req.GetJson())})
		if no, err := refused(err); no != nil || err != nil {
			return &carillonv1.OnClientEventResponse{Outcome: &carillonv1.OnClientEventResponse_Refusal{Refusal: no}}, err
		}
		if outcome == nil {
			return nil, errors.New("neither an outcome nor an error was returned")
		}
		return outcome.response()
	})
}

// answer judges the key, and makes what is no answer into Internal.
func answer[Response any](
	ctx context.Context, s *service, method string, given bool, ask func() (*Response, error),
) (resp *Response, err error) {
	if !s.known(ctx) {
		return nil, status.Error(codes.Unauthenticated, "the key is missing or wrong")
	}
	if !given {
		return nil, status.Errorf(codes.Unimplemented, "%s has no function", method)
	}
	// What went wrong is for the log here, which may hold what the gateway's may not.
	defer func() {
		if what := recover(); what != nil {
			s.log.ErrorContext(ctx, "a hook has no answer", "method", method, "panic", what, "stack", string(debug.Stack()))
			resp, err = nil, status.Error(codes.Internal, "the backend's function has panicked")
		}
	}()
	resp, err = ask()
	if err != nil {
		s.log.ErrorContext(ctx, "a hook has no answer", "method", method, "error", err)
		return nil, status.Error(codes.Internal, fmt.Sprintf("the backend's function has failed: %T", err))
	}
	return resp, nil
}

// known says whether the caller showed a key.
func (s *service) known(ctx context.Context) bool {
	if s.open {
		return true
	}
	fits := 0
	for _, shown := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		for _, key := range s.keys {
			fits |= subtle.ConstantTimeCompare([]byte(shown), []byte(key))
		}
	}
	return fits == 1
}

// refused is the refusal that the error means, or the error that it is.
func refused(err error) (*carillonv1.HookRefusal, error) {
	var no *Refusal
	if errors.As(err, &no) {
		return &carillonv1.HookRefusal{Message: no.Message}, nil
	}
	return nil, err
}
