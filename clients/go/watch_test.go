package carillon_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/internal/browser"
)

// watcher pulls events one by one, as a loop would. Asking for the next one finishes the one before.
type watcher struct {
	t     *testing.T
	next  func() (carillon.FeedEvent, error, bool)
	stop  func()
	begun chan struct{}
}

// watching returns when the watch has begun: what happens from here on is in it.
func watching(t *testing.T, client *carillon.Client, opts ...carillon.WatchOption) *watcher {
	t.Helper()
	w := &watcher{t: t, begun: make(chan struct{})}
	var once sync.Once
	opts = append(opts, carillon.OnPosition(func(int, carillon.Position) { once.Do(func() { close(w.begun) }) }))
	// The loop has to run to begin. It hands over what comes, and waits for the next wish.
	type item struct {
		event carillon.FeedEvent
		err   error
	}
	items, wishes, ended := make(chan item), make(chan bool), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(items)
		for event, err := range client.Watch(patient(t), opts...) {
			select {
			case items <- item{event, err}:
			case <-wishes:
				return
			}
			if stop := <-wishes; stop {
				return
			}
		}
	}()
	first, stopped := true, false
	w.next = func() (carillon.FeedEvent, error, bool) {
		if !first {
			select {
			case wishes <- false:
			case <-ended:
			}
		}
		first = false
		got, open := <-items
		return got.event, got.err, open
	}
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		for {
			select {
			case wishes <- true:
			case <-ended:
				return
			}
		}
	}
	t.Cleanup(w.stop)
	select {
	case <-w.begun:
	case <-ended:
		t.Fatal("the watch has ended")
	}
	return w
}

func (w *watcher) event() carillon.FeedEvent {
	w.t.Helper()
	event, err, open := w.next()
	if err != nil || !open {
		w.t.Fatalf("%v (%v)", err, open)
	}
	return event
}

// until returns events up to the first that is wanted.
func (w *watcher) until(wanted func(carillon.FeedEvent) bool) (all []carillon.FeedEvent) {
	w.t.Helper()
	for {
		all = append(all, w.event())
		if wanted(all[len(all)-1]) {
			return all
		}
	}
}

func opened(session string) func(carillon.FeedEvent) bool {
	return func(e carillon.FeedEvent) bool { return e.Kind == carillon.SessionOpened && e.SessionID == session }
}

func TestWatchTellsWhatHappens(t *testing.T) {
	gateway := ownGateway(t)
	w := watching(t, gateway.Client(t))
	url := "ws://" + gateway.Edge + "/ws?streams=chat&token=" +
		gateway.Token("alice", map[string]any{"name": "Alice", "roles": []string{"lead"}})

	tab := browser.Connect(t, url)
	tab.Close()
	events := w.until(func(e carillon.FeedEvent) bool { return e.Kind == carillon.SessionClosed })

	var kinds []carillon.EventKind
	for i, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Position.Offset != uint64(i+1) || e.Position.Epoch != events[0].Position.Epoch || e.Partition != 0 ||
			time.Since(e.Time) > time.Minute {
			t.Errorf("event %+v", e)
		}
	}
	if !slices.Contains(kinds, carillon.StreamOccupied) || !slices.Contains(kinds, carillon.Subscribed) {
		t.Errorf("kinds %v", kinds)
	}
	first, last := events[0], events[len(events)-1]
	if first.Kind != carillon.SessionOpened || first.SessionID != tab.Session || first.UserID != "alice" ||
		first.Opened.GetName() != "Alice" || !slices.Equal(first.Opened.GetRoles(), []string{"lead"}) {
		t.Errorf("event %+v", first)
	}
	if last.Closed.GetCause() != "normal" || last.Opened.GetName() != "" {
		t.Errorf("event %+v", last)
	}
}

func TestAFilterChoosesEvents(t *testing.T) {
	gateway := ownGateway(t)
	w := watching(t, gateway.Client(t), carillon.Matching(carillon.Filter{
		Kinds: []carillon.EventKind{carillon.Subscribed}, Streams: []string{"chat*"}, UserIDs: []string{"bob", "carol"},
	}))

	browser.Connect(t, gateway.WebSocketURL("alice", "chat"))
	browser.Connect(t, gateway.WebSocketURL("bob", "other", "chat-1"))
	browser.Connect(t, gateway.WebSocketURL("carol", "chat-2"))

	if e := w.event(); e.UserID != "bob" || e.Stream != "chat-1" {
		t.Errorf("event %+v", e)
	}
	if e := w.event(); e.UserID != "carol" || e.Stream != "chat-2" {
		t.Errorf("event %+v", e)
	}
}

func TestWhatClientsSayToBackends(t *testing.T) {
	ann := fresh("ann")
	w := watching(t, connected(t), carillon.Matching(carillon.Filter{
		Kinds: []carillon.EventKind{carillon.ClientEvent}, UserIDs: []string{ann}, ClientEvents: []string{"cart.*"},
	}))

	tab := connect(t, ann, "", nil)
	tab.Send(map[string]any{"action": "publish", "event": "search", "data": "shoes"})
	tab.Send(map[string]any{"action": "publish", "event": "cart.add", "data": map[string]any{"sku": 7}, "id": 1})

	e := w.event()
	if e.Kind != carillon.ClientEvent || e.UserID != ann || e.SessionID != tab.Session ||
		e.Client.GetEvent() != "cart.add" || e.Client.GetJson() != `{"sku":7}` {
		t.Errorf("event %+v", e)
	}
	told := tab.Receive() // what had no id has no answer
	if id := told.Data.(map[string]any)["message_id"]; id != e.Client.GetMessageId() {
		t.Errorf("the client was told %v", told)
	}
}

func TestAWatchBeginsWhereItIsTold(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	first := watching(t, client)
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	events := first.until(opened(b.Session))

	if e := watching(t, client, carillon.FromOldest()).event(); e.SessionID != a.Session {
		t.Errorf("the oldest is %+v", e)
	}
	if e := watching(t, client, carillon.After(events[0].Position)).event(); e.SessionID != b.Session {
		t.Errorf("after the first is %+v", e)
	}
	resumed := carillon.ResumeFrom(func(context.Context) (carillon.Position, error) { return events[0].Position, nil })
	if e := watching(t, client, resumed).event(); e.SessionID != b.Session {
		t.Errorf("after the first is %+v", e)
	}
	nothing := carillon.ResumeFrom(func(context.Context) (carillon.Position, error) { return carillon.Position{}, nil })
	if e := watching(t, client, nothing, carillon.FromOldest()).event(); e.SessionID != a.Session {
		t.Errorf("the oldest is %+v", e)
	}
	broken := errors.New("no database")
	failing := carillon.ResumeFrom(func(context.Context) (carillon.Position, error) { return carillon.Position{}, broken })
	if err := failure(t, client.Watch(patient(t), failing)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestAWatchGoesOnAcrossARestartWithASnapshot(t *testing.T) {
	gateway := ownGateway(t, carillontest.Snapshot())
	w := watching(t, gateway.Client(t))
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	events := w.until(opened(a.Session))

	if err := gateway.Restart(); err != nil {
		t.Fatal(err)
	}
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	events = append(events, w.until(opened(b.Session))...)

	for i, e := range events {
		if e.Position != (carillon.Position{Epoch: events[0].Position.Epoch, Offset: uint64(i + 1)}) {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
}

func TestARestartWithoutASnapshotIsSaid(t *testing.T) {
	gateway := ownGateway(t)
	w := watching(t, gateway.Client(t))
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	last := w.until(opened(a.Session))[0].Position

	if err := gateway.Restart(); err != nil {
		t.Fatal(err)
	}
	var lost *carillon.LostError
	for lost == nil { // before it come the events of the end
		event, err, _ := w.next()
		if err != nil && !errors.As(err, &lost) {
			t.Fatal(err)
		}
		if err == nil {
			last = event.Position
		}
	}
	if lost.From != last.Offset+1 || lost.To != 0 {
		t.Errorf("lost %+v, last was %+v", lost, last)
	}
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	if e := w.event(); e.SessionID != b.Session || e.Position.Offset != 1 || e.Position.Epoch == last.Epoch {
		t.Errorf("event %+v", e)
	}
}

func TestWhatWasForgottenIsSaid(t *testing.T) {
	gateway := ownGateway(t, carillontest.Config(map[string]any{"events": map[string]any{"messages": 4}}))
	client := gateway.Client(t)
	w := watching(t, client)
	var last *browser.Browser
	for range 10 {
		last = browser.Connect(t, gateway.WebSocketURL("a"))
	}
	first, err, _ := w.next()
	for err != nil { // it may be too slow itself
		first, err, _ = w.next()
	}
	w.stop()

	var lost *carillon.LostError
	next, stop := iter.Pull2(client.Watch(patient(t), carillon.After(carillon.Position{Epoch: first.Position.Epoch})))
	defer stop()
	for {
		event, err, _ := next()
		if err == nil && opened(last.Session)(event) {
			break
		}
		if err != nil && !errors.As(err, &lost) {
			t.Fatal(err)
		}
	}

	if lost == nil || lost.From != 1 || lost.To != 6 {
		t.Errorf("lost %+v", lost)
	}
}

func TestAGroupGoesOnWhereAMemberBroke(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	watching(t, client) // so that there is a feed, of which a group sees everything
	for range 10 {
		browser.Connect(t, gateway.WebSocketURL("a"))
	}
	group := []carillon.WatchOption{carillon.InGroup("workers"), carillon.FromOldest()}

	seen := 0
	for event, err := range client.Watch(patient(t), group...) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Position.Offset == 4 {
			break // not finished with
		}
		seen++
	}
	next := watching(t, client, group...).event()

	if seen != 3 || next.Position.Offset != 4 {
		t.Errorf("saw %d, then %+v", seen, next)
	}
}

func TestAGroupHearsAgainWhatADeadMemberHadNotFinished(t *testing.T) {
	gateway := ownGateway(t)
	watching(t, gateway.Client(t))
	for range 10 {
		browser.Connect(t, gateway.WebSocketURL("a"))
	}
	group := []carillon.WatchOption{carillon.InGroup("workers"), carillon.FromOldest()}

	mortal := gateway.Client(t)
	var last error
	for event, err := range mortal.Watch(patient(t), group...) {
		if err == nil && event.Position.Offset == 5 {
			_ = mortal.Close() // in the middle of its work
		}
		last = err
	}
	requireCode(t, last, codes.Canceled)
	next := watching(t, gateway.Client(t), group...).event()

	if next.Position.Offset > 6 {
		t.Errorf("event %+v", next)
	}
}

func TestAStandbyTakesOver(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	first := watching(t, client, carillon.InGroup("workers"))
	standby := watching(t, client, carillon.InGroup("workers"))
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	if e := first.event(); e.SessionID != a.Session {
		t.Errorf("event %+v", e)
	}

	first.stop() // with a's event unfinished

	if e := standby.event(); e.SessionID != a.Session {
		t.Errorf("event %+v", e)
	}
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	if e := standby.event(); e.SessionID != b.Session {
		t.Errorf("event %+v", e)
	}
}

func TestAGroupGoesOnAcrossARestartWithASnapshot(t *testing.T) {
	gateway := ownGateway(t, carillontest.Snapshot())
	w := watching(t, gateway.Client(t), carillon.InGroup("workers"))
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	first := w.until(opened(a.Session))[0].Position

	// a's event is not finished with while the gateway ends.
	if err := gateway.Restart(); err != nil {
		t.Fatal(err)
	}
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	offsets := map[uint64]bool{first.Offset: true}
	var last uint64
	for _, e := range w.until(opened(b.Session)) {
		offsets[e.Position.Offset], last = true, e.Position.Offset
		if e.Position.Epoch != first.Epoch {
			t.Errorf("event %+v", e)
		}
	}

	for offset := range last {
		if !offsets[offset+1] {
			t.Errorf("event %d is missing", offset+1)
		}
	}
}

func TestPartitionsAreOfGroupsAlone(t *testing.T) {
	failed := requireCode(t, failure(t, connected(t).Watch(patient(t), carillon.Partitions(3))), codes.InvalidArgument)
	if len(failed.Violations) != 1 || failed.Violations[0].Field != "begin.partitions" {
		t.Errorf("%+v", failed)
	}
}

// Not the member but the snapshot knows where the group was: the one that comes back has never been there.
func TestASnapshotKeepsThePlacesOfGroups(t *testing.T) {
	gateway := ownGateway(t, carillontest.Snapshot())
	inGroup := []carillon.WatchOption{
		carillon.InGroup("workers"), carillon.Partitions(2),
		carillon.Matching(carillon.Filter{Kinds: []carillon.EventKind{carillon.SessionOpened}}),
	}
	w := watching(t, gateway.Client(t), inGroup...)
	a := browser.Connect(t, gateway.WebSocketURL("a"))
	w.until(opened(a.Session))
	b := browser.Connect(t, gateway.WebSocketURL("b"))
	w.until(opened(b.Session))
	w.stop() // in the middle of b's event

	if err := gateway.Restart(); err != nil {
		t.Fatal(err)
	}
	again := watching(t, gateway.Client(t), inGroup...).until(opened(b.Session))

	if len(again) != 1 {
		t.Errorf("events %+v", again)
	}
}

// Members come and go at random while sessions do: every event must be finished with by somebody, and the events of a
// session begun in order.
func TestAGroupMissesNothingWhileMembersComeAndGo(t *testing.T) {
	gateway := ownGateway(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	watching(t, gateway.Client(t))
	const members, sessions, partitions = 4, 150, 3
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()

	var mu sync.Mutex
	finished := map[string]bool{} // "kind session"
	complete := make(chan struct{})
	var group sync.WaitGroup
	for member := range members {
		group.Add(1)
		go func() {
			defer group.Done()
			random := rand.New(rand.NewPCG(seed, uint64(member)))
			for ctx.Err() == nil {
				client, err := carillon.New(gateway.Control, carillon.WithToken(gateway.Key))
				if err != nil {
					t.Error(err)
					return
				}
				for event, err := range client.Watch(ctx, carillon.InGroup("workers"), carillon.Partitions(partitions),
					carillon.FromOldest(), carillon.MaxUnacknowledged(1+random.IntN(50))) {
					if err != nil {
						if ctx.Err() == nil {
							t.Error(err)
						}
						break
					}
					if dies := random.IntN(20) == 0; dies {
						if random.IntN(2) == 0 {
							_ = client.Close()
						}
						break
					}
					mu.Lock()
					finished[fmt.Sprint(event.Kind, " ", event.SessionID)] = true
					all := len(finished) == 2*sessions
					mu.Unlock()
					if all {
						close(complete)
						cancel()
						break
					}
				}
				_ = client.Close()
			}
		}()
	}
	for range sessions {
		browser.Connect(t, gateway.WebSocketURL("a")).Close()
	}
	select {
	case <-complete:
	case <-ctx.Done():
	}
	cancel()
	group.Wait()

	if len(finished) != 2*sessions {
		t.Errorf("%d of %d events were finished with", len(finished), 2*sessions)
	}
}

func TestWhatCannotHealEndsAWatch(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)
	watching(t, client, carillon.InGroup("workers"), carillon.Partitions(2))

	wrong := gateway.Client(t, carillon.WithToken("not-the-key-but-as-long"))
	requireCode(t, failure(t, wrong.Watch(patient(t))), codes.Unauthenticated)
	elsewhere := gateway.Client(t, carillon.WithApp("nowhere"))
	requireCode(t, failure(t, elsewhere.Watch(patient(t))), codes.PermissionDenied)
	requireCode(t, failure(t, client.Watch(patient(t), carillon.InGroup("workers"))), codes.FailedPrecondition)
	bad := carillon.Matching(carillon.Filter{Kinds: []carillon.EventKind{"no such kind"}})
	requireCode(t, failure(t, client.Watch(patient(t), bad)), codes.InvalidArgument)
}

func TestAWatchEndsWithItsContextAndWithTheClient(t *testing.T) {
	gateway := ownGateway(t)
	client := gateway.Client(t)

	ctx, cancel := context.WithCancel(patient(t))
	err := failure(t, client.Watch(ctx, carillon.OnPosition(func(int, carillon.Position) { cancel() })))
	requireCode(t, err, codes.Canceled)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	ctx, cancel = context.WithDeadline(patient(t), time.Now())
	defer cancel()
	err = failure(t, client.Watch(ctx))
	requireCode(t, err, codes.DeadlineExceeded)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}

	err = failure(t, client.Watch(patient(t), carillon.InGroup("workers"),
		carillon.OnPosition(func(int, carillon.Position) { _ = client.Close() })))
	requireCode(t, err, codes.Canceled)
	requireCode(t, failure(t, client.Watch(patient(t))), codes.Canceled)
}

func TestAWatchLeavesNoGoroutines(t *testing.T) {
	gateway := ownGateway(t, carillontest.Snapshot())
	client, err := carillon.New(gateway.Control, carillon.WithToken(gateway.Key))
	if err != nil {
		t.Fatal(err)
	}

	for i := range 20 {
		opts := []carillon.WatchOption{carillon.FromOldest()}
		if i%2 == 1 {
			opts = append(opts, carillon.InGroup("workers"))
		}
		ctx, cancel := context.WithCancel(patient(t))
		begun := carillon.OnPosition(func(int, carillon.Position) {
			if i%4 < 2 {
				cancel()
				return
			}
			browser.Connect(t, gateway.WebSocketURL("a"))
		})
		for range client.Watch(ctx, append(opts, begun)...) {
			break
		}
		cancel()
	}

	requireNoGoroutines(t, "carillon.(*watch)")
	_ = client.Close()
	requireNoGoroutines(t, "google.golang.org/grpc.newClientStream")
}
