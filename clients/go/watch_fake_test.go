package carillon_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillonv1"
)

// fakeFeed plays one script for each connection, the last again and again, and notes what was asked.
type fakeFeed struct {
	carillonv1.UnimplementedEventServiceServer
	scripts []func(grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error

	mu     sync.Mutex
	begins []*carillonv1.WatchBegin
	acks   []*carillonv1.WatchAck
}

func (f *fakeFeed) Watch(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.begins = append(f.begins, first.GetBegin())
	script := f.scripts[min(len(f.begins), len(f.scripts))-1]
	f.mu.Unlock()
	return script(stream)
}

// takeAcks until the member leaves.
func (f *fakeFeed) takeAcks(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		f.mu.Lock()
		f.acks = append(f.acks, request.GetAck())
		f.mu.Unlock()
	}
}

func (f *fakeFeed) acknowledged() (acks []*carillonv1.WatchAck) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.acks)
}

func serveFeed(t *testing.T, f *fakeFeed) *carillon.Client {
	t.Helper()
	return newClient(t, serve(t, &fake{feed: f}))
}

func ends(code codes.Code) func(grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
	return func(grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
		return status.Error(code, "as the script says")
	}
}

// says events first to last of a part.
func says(epoch string, part uint32, first, last uint64) *carillonv1.WatchResponse {
	response := &carillonv1.WatchResponse{
		Partition: part, ScannedTo: &carillonv1.Position{Epoch: epoch, Offset: last},
	}
	for offset := first; offset <= last; offset++ {
		response.Events = append(response.Events, &carillonv1.FeedEvent{
			Kind: carillonv1.EventKind_EVENT_KIND_DRAIN, Offset: offset,
		})
	}
	return response
}

func TestOnlyWhatTheLoopHasFinishedWithIsAcknowledged(t *testing.T) {
	f := &fakeFeed{}
	f.scripts = append(f.scripts, func(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
		for part := range uint32(2) {
			for first := uint64(1); first <= 500; first += 100 {
				if err := stream.Send(says("e1", part, first, first+99)); err != nil {
					return err
				}
			}
		}
		return f.takeAcks(stream)
	})
	client := serveFeed(t, f)

	for event, err := range client.Watch(patient(t), carillon.InGroup("workers"), carillon.Partitions(2)) {
		if err != nil {
			t.Fatal(err)
		}
		for _, ack := range f.acknowledged() {
			if ack.GetPartition() == uint32(event.Partition) && ack.GetOffset() >= event.Position.Offset {
				t.Fatalf("%v is acknowledged during %+v", ack, event.Position)
			}
		}
		if event.Partition == 1 && event.Position.Offset == 450 {
			break
		}
	}

	// The watch waits until the fake has heard everything.
	acks := f.acknowledged()
	last := map[uint32]uint64{}
	for _, ack := range acks {
		if ack.GetEpoch() != "e1" || ack.GetOffset() <= last[ack.GetPartition()] {
			t.Errorf("acknowledged %v after %v", ack, last)
		}
		last[ack.GetPartition()] = ack.GetOffset()
	}
	if last[0] != 500 || last[1] != 449 {
		t.Errorf("acknowledged up to %v", last)
	}
	if len(acks) > 100 {
		t.Errorf("%d acknowledgements are no batches", len(acks))
	}
}

func TestAWatchAloneResumesAfterWhatItHasFinishedWith(t *testing.T) {
	f := &fakeFeed{}
	breaks := func(responses ...*carillonv1.WatchResponse) {
		f.scripts = append(f.scripts, func(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
			for _, response := range responses {
				if err := stream.Send(response); err != nil {
					return err
				}
			}
			return status.Error(codes.Unavailable, "as the script says")
		})
	}
	breaks()
	breaks(says("e1", 0, 8, 7))
	breaks(says("e1", 0, 8, 9), says("e1", 0, 10, 12))
	breaks(&carillonv1.WatchResponse{ScannedTo: &carillonv1.Position{Epoch: "e1", Offset: 40}})
	breaks(&carillonv1.WatchResponse{
		Lost: &carillonv1.EventsLost{LostFrom: 41}, ScannedTo: &carillonv1.Position{Epoch: "e2"},
	})
	f.scripts = append(f.scripts, ends(codes.ResourceExhausted), ends(codes.Unauthenticated))
	client := serveFeed(t, f)

	var offsets []uint64
	var lost *carillon.LostError
	var last error
	for event, err := range client.Watch(patient(t), carillon.FromOldest()) {
		if err != nil {
			errors.As(err, &lost)
			last = err
			continue
		}
		offsets = append(offsets, event.Position.Offset)
	}

	requireCode(t, last, codes.Unauthenticated)
	if !slices.Equal(offsets, []uint64{8, 9, 10, 11, 12}) || lost == nil || lost.From != 41 {
		t.Errorf("offsets %v, lost %+v", offsets, lost)
	}
	var resumed []string
	for _, begin := range f.begins {
		resumed = append(resumed, begin.GetResume().String())
		if !begin.GetFromOldest() {
			t.Errorf("begin %v", begin)
		}
	}
	at := func(epoch string, offset uint64) string {
		return (&carillonv1.Position{Epoch: epoch, Offset: offset}).String()
	}
	none := (*carillonv1.Position)(nil).String()
	if want := []string{none, none, at("e1", 7), at("e1", 12), at("e1", 40), at("e2", 0), at("e2", 0)}; !slices.Equal(resumed, want) {
		t.Errorf("resumed %q, not %q", resumed, want)
	}
}

// A gateway that has forgotten a group asks the first member that comes where the group was, for all parts.
func TestAMemberOfSeveralPartitionsDoesNotGuessWhereTheOthersAre(t *testing.T) {
	for _, each := range []struct {
		name    string
		epoch   string
		known   []uint32
		resume  uint64
		isSaid  bool
		lostOne bool
	}{
		{name: "all parts were this member's", epoch: "e1", known: []uint32{0, 1}, resume: 5, isSaid: true},
		{name: "one is another's", epoch: "e1", known: []uint32{0}},
		{name: "and the feed is another", epoch: "e2", known: []uint32{0}, lostOne: true},
	} {
		f := &fakeFeed{}
		f.scripts = append(f.scripts,
			func(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
				for _, part := range each.known {
					if err := stream.Send(says("e1", part, 1, 5+uint64(part))); err != nil {
						return err
					}
				}
				return status.Error(codes.Unavailable, "as the script says")
			},
			func(stream grpc.BidiStreamingServer[carillonv1.WatchRequest, carillonv1.WatchResponse]) error {
				if err := stream.Send(says(each.epoch, 0, 1, 1)); err != nil {
					return err
				}
				return status.Error(codes.NotFound, "as the script says")
			})

		var lost *carillon.LostError
		for _, err := range serveFeed(t, f).Watch(patient(t), carillon.InGroup("workers"), carillon.Partitions(2)) {
			if err != nil && !errors.As(err, &lost) {
				requireCode(t, err, codes.NotFound)
			}
		}

		again := f.begins[1]
		if (again.Resume != nil) != each.isSaid || again.GetResume().GetOffset() != each.resume ||
			again.GetFromOldest() == each.isSaid {
			t.Errorf("%s: begin %v", each.name, again)
		}
		if (lost != nil) != each.lostOne {
			t.Errorf("%s: lost %+v", each.name, lost)
		}
	}
}

func TestABatchersRequestsAreAsTheProtocolWantsThem(t *testing.T) {
	var (
		mu       sync.Mutex
		ids      = map[string]bool{}
		requests int
		wrong    []string
	)
	f := &fake{publishStream: func(stream grpc.BidiStreamingServer[carillonv1.PublishStreamRequest, carillonv1.PublishStreamResponse]) error {
		next := uint64(1)
		for {
			req, err := stream.Recv()
			if err != nil {
				return nil
			}
			mu.Lock()
			if req.GetSeq() != next || len(req.GetItems()) < 1 || len(req.GetItems()) > 64 {
				wrong = append(wrong, req.String())
			}
			for _, item := range req.GetItems() {
				ids[item.GetBroadcastStream().GetOptions().GetRequestId()] = true
			}
			requests++
			breaks := requests%10 == 0
			mu.Unlock()
			next += uint64(len(req.GetItems()))
			if breaks {
				return status.Error(codes.Unavailable, "as the script says")
			}
			if err := stream.Send(&carillonv1.PublishStreamResponse{AckedTo: next - 1}); err != nil {
				return err
			}
		}
	}}
	b := newBatcher(t, newClient(t, serve(t, f)))
	ctx := patient(t)

	const count = 2000
	for i := range count {
		if err := b.BroadcastStream(ctx, "chat", number(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(ctx); err != nil {
		t.Fatal(err)
	}

	mu.Lock()
	defer mu.Unlock()
	if len(wrong) > 0 || len(ids) != count || ids[""] {
		t.Errorf("%d ids, wrong: %q", len(ids), wrong)
	}
}
