package carillon_test

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillonv1"
)

// fake answers what the real gateway cannot be brought to answer at will.
type fake struct {
	carillonv1.UnimplementedControlServiceServer
	broadcastStream func(context.Context, *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error)
	subscribers     func(*carillonv1.SubscribersRequest) (*carillonv1.SubscribersResponse, error)
	publishStream   func(grpc.BidiStreamingServer[carillonv1.PublishStreamRequest, carillonv1.PublishStreamResponse]) error
	feed            *fakeFeed
}

func (f *fake) PublishStream(
	stream grpc.BidiStreamingServer[carillonv1.PublishStreamRequest, carillonv1.PublishStreamResponse],
) error {
	return f.publishStream(stream)
}

func (f *fake) BroadcastStream(
	ctx context.Context, req *carillonv1.BroadcastStreamRequest,
) (*carillonv1.BroadcastStreamResponse, error) {
	return f.broadcastStream(ctx, req)
}

func (f *fake) Subscribers(
	_ context.Context, req *carillonv1.SubscribersRequest,
) (*carillonv1.SubscribersResponse, error) {
	return f.subscribers(req)
}

func serve(t *testing.T, f *fake, opts ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(opts...)
	carillonv1.RegisterControlServiceServer(server, f)
	if f.feed != nil {
		carillonv1.RegisterEventServiceServer(server, f.feed)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func TestExhaustedSaysWhenToTryAgain(t *testing.T) {
	answer, err := status.New(codes.ResourceExhausted, "behind").WithDetails(
		&errdetails.ErrorInfo{Reason: "GATEWAY_BEHIND", Domain: "carillon", Metadata: map[string]string{"shard": "1"}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
	)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, serve(t, &fake{
		broadcastStream: func(context.Context, *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			return nil, answer.Err()
		},
	}))

	_, err = client.BroadcastStream(t.Context(), "chat", carillon.Event{Name: "said"})

	failed := requireCode(t, err, codes.ResourceExhausted)
	if failed.Message != "behind" || failed.Reason != "GATEWAY_BEHIND" || failed.Metadata["shard"] != "1" || failed.RetryAfter != 1500*time.Millisecond {
		t.Errorf("error %+v", failed)
	}
	if got := failed.Error(); got != "carillon: ResourceExhausted: behind" {
		t.Errorf("text %q", got)
	}
	if details := status.Convert(err).Details(); len(details) != 2 {
		t.Errorf("details %v", details)
	}
}

func TestTheSampleTriesAgainOnlyWhereTheGatewaySaysWhen(t *testing.T) {
	behind, err := status.New(codes.ResourceExhausted, "behind").WithDetails(
		&errdetails.ErrorInfo{Reason: "GATEWAY_BEHIND", Domain: "carillon"},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)},
	)
	if err != nil {
		t.Fatal(err)
	}
	answers := []error{behind.Err(), behind.Err(), nil, status.Error(codes.ResourceExhausted, "too large")}
	asked := 0
	client := newClient(t, serve(t, &fake{
		broadcastStream: func(context.Context, *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			asked++
			return &carillonv1.BroadcastStreamResponse{}, answers[asked-1]
		},
	}))

	if err := publish(t.Context(), client, "chat", carillon.Event{Name: "said"}); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	err = publish(t.Context(), client, "chat", carillon.Event{Name: "said"})
	requireCode(t, err, codes.ResourceExhausted)
	if asked != 4 {
		t.Errorf("asked %d times", asked)
	}
}

func TestALateAnswerIsDeadlineExceeded(t *testing.T) {
	addr := serve(t, &fake{
		broadcastStream: func(ctx context.Context, _ *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})

	_, err := newClient(t, addr, carillon.WithTimeout(50*time.Millisecond)).
		BroadcastStream(t.Context(), "chat", carillon.Event{Name: "said"})
	requireCode(t, err, codes.DeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = newClient(t, addr).BroadcastStream(ctx, "chat", carillon.Event{Name: "said"})
	requireCode(t, err, codes.DeadlineExceeded)
}

func TestAContextsDeadlineMayExceedTheTimeout(t *testing.T) {
	var left time.Duration
	client := newClient(t, serve(t, &fake{
		broadcastStream: func(ctx context.Context, _ *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return &carillonv1.BroadcastStreamResponse{}, nil
		},
	}), carillon.WithTimeout(time.Minute))

	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := client.BroadcastStream(ctx, "chat", carillon.Event{Name: "said"}); err != nil {
		t.Fatal(err)
	}

	if left < 30*time.Minute {
		t.Errorf("%v left", left)
	}
}

func TestAPartialListSaysSoAtItsEnd(t *testing.T) {
	pages := map[string]*carillonv1.SubscribersResponse{
		"":  {Subscribers: []*carillonv1.Subscriber{{SessionId: "a"}}, NextPageToken: "2", Partial: true},
		"2": {NextPageToken: "3"},
		"3": {Subscribers: []*carillonv1.Subscriber{{SessionId: "b"}}},
	}
	client := newClient(t, serve(t, &fake{
		subscribers: func(req *carillonv1.SubscribersRequest) (*carillonv1.SubscribersResponse, error) {
			return pages[req.GetPageToken()], nil
		},
	}))

	var seen []string
	var last error
	for each, err := range client.Subscribers(t.Context(), carillon.Stream("chat")) {
		if err != nil {
			last = err
			continue
		}
		seen = append(seen, each.SessionID)
	}

	if !slices.Equal(seen, []string{"a", "b"}) || !errors.Is(last, carillon.ErrPartial) {
		t.Errorf("saw %v, %v", seen, last)
	}
	requireCode(t, last, codes.Unavailable)
}

func TestTheTokenAndThePositionArePassedOn(t *testing.T) {
	var sent []string
	client := newClient(t, serve(t, &fake{
		broadcastStream: func(ctx context.Context, _ *carillonv1.BroadcastStreamRequest) (*carillonv1.BroadcastStreamResponse, error) {
			sent = metadata.ValueFromIncomingContext(ctx, "authorization")
			return &carillonv1.BroadcastStreamResponse{Receipt: &carillonv1.Receipt{
				MessageId: "m", Sessions: 3, Position: &carillonv1.Position{Epoch: "e1", Offset: 7},
			}}, nil
		},
	}), carillon.WithToken("secret"))

	receipt, err := client.BroadcastStream(t.Context(), "chat", carillon.Event{Name: "said"})
	if err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(sent, []string{"Bearer secret"}) {
		t.Errorf("authorization %q", sent)
	}
	if receipt.Position == nil || *receipt.Position != (carillon.Position{Epoch: "e1", Offset: 7}) {
		t.Errorf("receipt %+v", receipt)
	}
}

func TestDataThatJSONCannotHoldIsNotSent(t *testing.T) {
	client := newClient(t, "127.0.0.1:1")

	_, err := client.BroadcastStream(t.Context(), "chat", carillon.Event{Name: "said", Data: math.NaN()})

	requireCode(t, err, codes.InvalidArgument)
}

func TestATargetThatIsNilIsRefused(t *testing.T) {
	client := newClient(t, "127.0.0.1:1")
	ctx := t.Context()
	of := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"Kick":             of(client.Kick(ctx, nil)),
		"CountSubscribers": of(client.CountSubscribers(ctx, nil)),
		"LogPosition":      of(client.LogPosition(ctx, nil)),
		"ClearMessages":    of(client.ClearMessages(ctx, nil)),
		"RevokeTokens":     of(client.RevokeTokens(ctx, nil)),
		"Drain":            of(client.Drain(ctx, nil)),
		"Subscribers":      failure(t, client.Subscribers(ctx, nil)),
		"ListMessages":     failure(t, client.ListMessages(ctx, nil)),
		"Tail":             failure(t, client.Tail(ctx, nil)),
	} {
		failed := requireCode(t, err, codes.InvalidArgument)
		if len(failed.Violations) != 1 || failed.Violations[0].Field != "target" || !strings.Contains(failed.Message, "give a") {
			t.Errorf("%s: %+v", name, failed)
		}
	}
}

func TestACanceledContextIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := newClient(t, "127.0.0.1:1").CountSubscribers(ctx, carillon.Everyone{})

	requireCode(t, err, codes.Canceled)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCloseMayBeCalledAgainAndEndsTheClient(t *testing.T) {
	client := newClient(t, "127.0.0.1:1")

	if err := errors.Join(client.Close(), client.Close()); err != nil {
		t.Error(err)
	}

	_, err := client.CountSubscribers(t.Context(), carillon.Everyone{})
	requireCode(t, err, codes.Canceled)
}

func TestAMalformedAddressIsRefused(t *testing.T) {
	_, err := carillon.New("%zz")

	requireCode(t, err, codes.InvalidArgument)
}
