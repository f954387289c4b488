package carillon_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

// newBatcher closes it when the test ends.
func newBatcher(t *testing.T, client *carillon.Client, opts ...carillon.BatcherOption) *carillon.Batcher {
	t.Helper()
	b := client.NewBatcher(opts...)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func number(i int) carillon.Event { return carillon.Event{Name: "n", Data: i} }

// numbersOf reads a log of numbers.
func numbersOf(t *testing.T, client *carillon.Client, stream string) (all []int) {
	t.Helper()
	for _, each := range collect(t, client.ListMessages(patient(t), carillon.Stream(stream), carillon.PageSize(1000))) {
		i, err := strconv.Atoi(string(each.Data))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	return all
}

// requireRun fails the test unless these are the numbers from first to last, each once and in order.
func requireRun(t *testing.T, numbers []int, first, last int) {
	t.Helper()
	if len(numbers) != last-first+1 {
		t.Errorf("%d numbers, of %d", len(numbers), last-first+1)
	}
	for i, got := range numbers {
		if got != first+i {
			t.Fatalf("number %d is %d, after %v", first+i, got, numbers[max(i-3, 0):i])
		}
	}
}

func TestABatcherReachesEveryKindOfTarget(t *testing.T) {
	gateway := ownGateway(t)
	b := newBatcher(t, gateway.Client(t))
	tab := browser.Connect(t, gateway.WebSocketURL("alice", "chat"))
	ctx := patient(t)

	if err := errors.Join(
		b.BroadcastToUser(ctx, "alice", number(1), carillon.OnStream("chat")),
		b.BroadcastToUsers(ctx, []string{"alice", "bob"}, number(2), carillon.OnStream("other"), carillon.AnySession()),
		b.BroadcastStream(ctx, "chat", number(3), carillon.RequestID("three")),
		b.BroadcastStream(ctx, "chat", number(3), carillon.RequestID("three")),
		b.BroadcastAll(ctx, number(4)),
		b.SendToSession(ctx, tab.Session, number(5)),
		b.Flush(ctx),
	); err != nil {
		t.Fatal(err)
	}

	for i, stream := range []string{"chat", "other", "chat", "@all", "@session"} {
		if got := tab.Receive(); got.Stream != stream || got.Data != float64(i+1) {
			t.Errorf("message %+v, not %d on %s", got, i+1, stream)
		}
	}
}

func TestABatcherTellsWhichItemsFailed(t *testing.T) {
	client, stream := connected(t), fresh("log")
	var told []carillon.ItemFailure
	b := newBatcher(t, client, carillon.OnFailure(func(f carillon.ItemFailure) { told = append(told, f) }))
	ctx := patient(t)

	for i := range 300 {
		to := stream
		if i%100 == 50 {
			to = "not a stream"
		}
		if err := b.BroadcastStream(ctx, to, number(i), carillon.RequestID(fmt.Sprint("item-", stream, i))); err != nil {
			t.Fatal(err)
		}
	}
	var failed *carillon.BatchError
	if err := b.Flush(ctx); !errors.As(err, &failed) || failed.Failed != 3 || len(failed.Failures) != 3 || len(told) != 3 {
		t.Fatalf("flush: %v, told %+v", err, told)
	}

	for i, failure := range failed.Failures {
		if failure.RequestID != fmt.Sprint("item-", stream, i*100+50) || failure.Err.Code != codes.InvalidArgument ||
			!strings.Contains(failure.Err.Message, "stream") || told[i].RequestID != failure.RequestID ||
			failure.Item.GetBroadcastStream().GetEvent().GetJson() != fmt.Sprint(i*100+50) {
			t.Errorf("failure %+v", failure)
		}
	}
	requireCode(t, failed, codes.InvalidArgument)
	if err := b.Flush(ctx); err != nil {
		t.Errorf("told again: %v", err)
	}
	if got := len(numbersOf(t, client, stream)); got != 297 {
		t.Errorf("%d messages", got)
	}
}

func TestABatcherPublishesOnceOverConnectionsThatBreak(t *testing.T) {
	gateway, stream := requireGateway(t), fresh("log")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	proxy := newProxy(t, gateway.Control)
	b := newBatcher(t, newClient(t, proxy.Addr, carillon.WithToken(gateway.Key)), carillon.MaxOutstanding(500))
	const count = 20000
	ctx := patient(t)

	for i := range count {
		if err := b.BroadcastStream(ctx, stream, number(i+1)); err != nil {
			t.Fatal(err)
		}
		if random.IntN(1000) == 0 {
			proxy.Cut()
		}
	}
	if err := b.Flush(ctx); err != nil {
		t.Fatal(err)
	}

	requireRun(t, numbersOf(t, connected(t), stream), 1, count)
}

func TestABatcherKeepsEveryMessageWhileTheGatewayRestarts(t *testing.T) {
	gateway := ownGateway(t, carillontest.Snapshot())
	client := gateway.Client(t)
	b := newBatcher(t, client)
	const count = 20000
	ctx := patient(t)

	published, restarted := make(chan error, 1), make(chan error, 1)
	half := make(chan struct{})
	go func() {
		for i := range count {
			if i == count/2 {
				close(half)
			}
			if err := b.BroadcastStream(ctx, "log-restart", number(i+1)); err != nil {
				published <- err
				return
			}
		}
		published <- b.Flush(ctx)
	}()
	<-half
	go func() { restarted <- gateway.Restart() }()
	if err := errors.Join(<-restarted, <-published); err != nil {
		t.Fatal(err)
	}

	requireRun(t, numbersOf(t, client, "log-restart"), 1, count)
}

func TestABatcherGoesOnAfterACrash(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	b := newBatcher(t, client)
	const count = 20000
	ctx := patient(t)

	published, half := make(chan error, 1), make(chan struct{})
	go func() {
		for i := range count {
			if i == count/2 {
				close(half)
			}
			if err := b.BroadcastStream(ctx, "log-crash", number(i+1)); err != nil {
				published <- err
				return
			}
		}
		published <- b.Flush(ctx)
	}()
	<-half
	gateway.Kill()
	if err := errors.Join(gateway.Restart(), <-published); err != nil {
		t.Fatal(err)
	}

	// What the first gateway had is gone with it; what it did not acknowledge, and all that followed, is here.
	numbers := numbersOf(t, client, "log-crash")
	if len(numbers) == 0 {
		t.Fatal("nothing came after the crash")
	}
	requireRun(t, numbers, numbers[0], count)
}

func TestABatcherThatIsFullBlocks(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	b := newBatcher(t, client, carillon.MaxOutstanding(10))
	if err := gateway.Stop(); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := b.BroadcastStream(patient(t), "log-full", number(i+1)); err != nil {
			t.Fatal(err)
		}
	}

	ctx, cancel := context.WithCancelCause(patient(t))
	why := errors.New("no more time")
	blocked := make(chan error)
	go func() { blocked <- b.BroadcastStream(ctx, "log-full", number(11)) }()
	cancel(why)
	err := <-blocked
	requireCode(t, err, codes.Canceled)
	if !errors.Is(err, why) {
		t.Error(err)
	}
	requireCode(t, b.Flush(ctx), codes.Canceled)

	go func() { blocked <- b.BroadcastStream(patient(t), "log-full", number(11)) }()
	if err := errors.Join(gateway.Restart(), <-blocked, b.Flush(patient(t))); err != nil {
		t.Fatal(err)
	}
	requireRun(t, numbersOf(t, client, "log-full"), 1, 11)
}

func TestABatcherEndsWhereItCannotHeal(t *testing.T) {
	reader := requireGateway(t).Client(t, carillon.WithToken(readKey))
	b := newBatcher(t, reader)

	if err := b.BroadcastAll(patient(t), number(1)); err != nil {
		t.Fatal(err)
	}

	var failed *carillon.BatchError
	if err := b.Flush(patient(t)); !errors.As(err, &failed) || failed.Failed != 1 {
		t.Fatal(err)
	}
	requireCode(t, failed, codes.PermissionDenied)
	requireCode(t, b.BroadcastAll(patient(t), number(2)), codes.PermissionDenied)
}

func TestWhatIsTooLargeIsNotTaken(t *testing.T) {
	client, stream := connected(t), fresh("log")
	b := newBatcher(t, client)
	ctx := patient(t)

	err := b.BroadcastStream(ctx, stream, carillon.Event{Name: "n", Data: make([]byte, 1<<20)})
	requireCode(t, err, codes.InvalidArgument)
	requireCode(t, b.BroadcastStream(ctx, stream, carillon.Event{Data: make(chan int)}), codes.InvalidArgument)

	// Many large ones do not fit into one request, and need not.
	for range 20 {
		if err := b.BroadcastStream(ctx, stream, carillon.Event{Name: "n", Data: make([]byte, 300<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if at, err := client.LogPosition(ctx, carillon.Stream(stream)); err != nil || at.Offset != 20 {
		t.Errorf("position %+v, %v", at, err)
	}
}

func TestClosingABatcher(t *testing.T) {
	gateway, stream := requireGateway(t), fresh("log")
	client := gateway.Client(t)
	ctx := patient(t)
	b := client.NewBatcher()
	for i := range 1000 {
		if err := b.BroadcastStream(ctx, stream, number(i+1)); err != nil {
			t.Fatal(err)
		}
	}

	if err := errors.Join(b.Close(ctx), b.Close(ctx)); err != nil { // it flushes
		t.Fatal(err)
	}
	requireRun(t, numbersOf(t, client, stream), 1, 1000)
	requireCode(t, b.BroadcastStream(ctx, stream, number(1)), codes.Canceled)

	nobody := newClient(t, "127.0.0.1:1").NewBatcher()
	if err := nobody.BroadcastAll(ctx, number(1)); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var failed *carillon.BatchError
	if err := nobody.Close(ended); !errors.As(err, &failed) || failed.Failed != 1 {
		t.Fatal(err)
	}
	requireCode(t, failed, codes.Canceled)

	abandoned := newClient(t, "127.0.0.1:1")
	b = abandoned.NewBatcher()
	if err := errors.Join(b.BroadcastAll(ctx, number(1)), abandoned.Close()); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(ctx); !errors.As(err, &failed) {
		t.Fatal(err)
	}
	requireNoGoroutines(t, "carillon.(*Batcher)")
}
