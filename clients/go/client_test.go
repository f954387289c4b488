package carillon_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillonv1"
	"carillon.dev/clients/go/internal/browser"
)

// requireCode fails the test unless err is an *Error of this code, for this package and for gRPC's.
func requireCode(t *testing.T, err error, code codes.Code) *carillon.Error {
	t.Helper()
	var failed *carillon.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no *carillon.Error", err)
	}
	if s, ok := status.FromError(err); !ok || failed.Code != code || s.Code() != code {
		t.Fatalf("got %v, status %v (%v); want %v", failed, s, ok, code)
	}
	return failed
}

func TestBroadcastToUserReachesEveryTab(t *testing.T) {
	client, alice := connected(t), fresh("alice")
	tabs := []*browser.Browser{connect(t, alice, "", nil), connect(t, alice, "", nil)}

	receipt, err := client.BroadcastToUser(t.Context(), alice, carillon.Event{
		Name: "note", Data: map[string]any{"id": 1}, Meta: map[string]string{"trace": "abc"},
	})
	if err != nil {
		t.Fatal(err)
	}

	if receipt.Sessions != 2 || receipt.MessageID == "" {
		t.Errorf("receipt %+v", receipt)
	}
	for _, tab := range tabs {
		got := tab.Receive()
		if got.Stream != "@user" || got.Event != "note" || !reflect.DeepEqual(got.Data, map[string]any{"id": 1.0}) {
			t.Errorf("message %+v", got)
		}
		if got.Meta["id"] != receipt.MessageID || got.Meta["trace"] != "abc" {
			t.Errorf("meta %v, message id %s", got.Meta, receipt.MessageID)
		}
	}
}

func TestBroadcastToNobodyIsACountOfZero(t *testing.T) {
	receipt, err := connected(t).BroadcastToUser(t.Context(), fresh("nobody"), carillon.Event{Name: "note"})
	if err != nil || receipt.Sessions != 0 {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
}

func TestAnySessionReachesTabsThatDoNotSubscribe(t *testing.T) {
	client, alice, stream := connected(t), fresh("alice"), fresh("chat")
	elsewhere := connect(t, alice, fresh("other"), nil)

	_, err := client.BroadcastToUser(t.Context(), alice, carillon.Event{Name: "first"}, carillon.OnStream(stream))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.BroadcastToUser(t.Context(), alice, carillon.Event{Name: "second"},
		carillon.OnStream(stream), carillon.AnySession())
	if err != nil {
		t.Fatal(err)
	}

	if got := elsewhere.Receive(); got.Stream != stream || got.Event != "second" {
		t.Errorf("message %+v", got)
	}
}

func TestBroadcastToUsersCountsUsers(t *testing.T) {
	client, alice, bob := connected(t), fresh("alice"), fresh("bob")
	tabs := []*browser.Browser{connect(t, alice, "", nil), connect(t, alice, "", nil), connect(t, bob, "", nil)}

	receipt, err := client.BroadcastToUsers(t.Context(), []string{alice, bob, fresh("nobody")},
		carillon.Event{Name: "note", Data: "hello"})
	if err != nil {
		t.Fatal(err)
	}

	if receipt.Users != 2 || receipt.Sessions != 3 {
		t.Errorf("receipt %+v", receipt)
	}
	for _, tab := range tabs {
		if got := tab.Receive(); got.Data != "hello" {
			t.Errorf("message %+v", got)
		}
	}
}

func TestBroadcastStreamCarriesData(t *testing.T) {
	client, stream := connected(t), fresh("chat")
	b := connect(t, fresh("alice"), stream, nil)

	for _, each := range []struct{ data, arrives any }{
		{nil, nil},
		{true, true},
		{7.5, 7.5},
		{"grüße <🔔>", "grüße <🔔>"},
		{[]any{1, []int{2}}, []any{1.0, []any{2.0}}},
		{json.RawMessage(`{"a": {"b": null}}`), map[string]any{"a": map[string]any{"b": nil}}},
		{[]byte{0, 255}, "AP8="},
	} {
		receipt, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said", Data: each.data})
		if err != nil || receipt.Sessions != 1 {
			t.Fatalf("%v: receipt %+v, %v", each.data, receipt, err)
		}
		got := b.Receive()
		if got.Stream != stream || got.Event != "said" || !reflect.DeepEqual(got.Data, each.arrives) {
			t.Errorf("%v: message %+v", each.data, got)
		}
	}
}

func TestBroadcastAllReachesEveryone(t *testing.T) {
	client := connected(t)
	b := connect(t, fresh("alice"), "", nil)

	receipt, err := client.BroadcastAll(t.Context(), carillon.Event{Name: "first"})
	if err != nil || receipt.Sessions < 1 {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	if _, err := client.BroadcastAll(t.Context(), carillon.Event{Name: "second"}, carillon.OnStream("news")); err != nil {
		t.Fatal(err)
	}

	if got := b.Receive(); got.Stream != "@all" || got.Event != "first" {
		t.Errorf("message %+v", got)
	}
	if got := b.Receive(); got.Stream != "news" || got.Event != "second" {
		t.Errorf("message %+v", got)
	}
}

func TestSendToSessionReachesThatSessionAlone(t *testing.T) {
	client, alice := connected(t), fresh("alice")
	wanted, other := connect(t, alice, "", nil), connect(t, alice, "", nil)

	receipt, err := client.SendToSession(t.Context(), wanted.Session, carillon.Event{Name: "first"})
	if err != nil || receipt.Sessions != 1 {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	if _, err := client.BroadcastToUser(t.Context(), alice, carillon.Event{Name: "second"}); err != nil {
		t.Fatal(err)
	}

	if got := wanted.Receive(); got.Stream != "@session" || got.Event != "first" {
		t.Errorf("message %+v", got)
	}
	if got := other.Receive(); got.Event != "second" {
		t.Errorf("message %+v", got)
	}
}

func TestKickClosesASession(t *testing.T) {
	client := connected(t)
	b := connect(t, fresh("alice"), "", nil)

	result, err := client.Kick(t.Context(), carillon.Session(b.Session), carillon.CloseCode(4999),
		carillon.Reason("moved away"))
	if err != nil || result.Sessions != 1 || result.Partial {
		t.Fatalf("result %+v, %v", result, err)
	}

	if code, reason := b.ReceiveClose(); code != 4999 || reason != "moved away" {
		t.Errorf("closed with %d %q", code, reason)
	}
	receipt, err := client.SendToSession(t.Context(), b.Session, carillon.Event{Name: "late"})
	if err != nil || receipt.Sessions != 0 {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
}

func TestKickClosesAllOfAUsersSessions(t *testing.T) {
	client, alice := connected(t), fresh("alice")
	tabs := []*browser.Browser{connect(t, alice, "", nil), connect(t, alice, "", nil)}

	result, err := client.Kick(t.Context(), carillon.User(alice))
	if err != nil || result.Sessions != 2 {
		t.Fatalf("result %+v, %v", result, err)
	}

	for _, tab := range tabs {
		if code, reason := tab.ReceiveClose(); code != 4005 || reason != "kicked" {
			t.Errorf("closed with %d %q", code, reason)
		}
	}
}

func TestKickClosesAStreamsSessions(t *testing.T) {
	client, stream := connected(t), fresh("chat")
	b := connect(t, fresh("alice"), stream, nil)

	result, err := client.Kick(t.Context(), carillon.Stream(stream))
	if err != nil || result.Sessions != 1 {
		t.Fatalf("result %+v, %v", result, err)
	}

	if code, _ := b.ReceiveClose(); code != 4005 {
		t.Errorf("closed with %d", code)
	}
}

func TestSubscribersGoesThroughAllPages(t *testing.T) {
	client, stream := connected(t), fresh("chat")
	want := map[string]string{}
	labels := map[string]map[string]string{
		fresh("alice"): {"team": "a"}, fresh("bob"): nil, fresh("carol"): {"team": "b", "role": "lead"},
	}
	for user, labels := range labels {
		want[connect(t, user, stream, map[string]any{"labels": labels}).Session] = user
	}
	listed := client.Subscribers(t.Context(), carillon.Stream(stream), carillon.PageSize(1))

	for range 2 { // The sequence may be ranged over again.
		got := map[string]string{}
		for each, err := range listed {
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := got[each.SessionID]; ok {
				t.Errorf("%s is listed twice", each.SessionID)
			}
			got[each.SessionID] = each.UserID
			if !maps.Equal(each.Labels, labels[each.UserID]) {
				t.Errorf("%s has labels %v", each.UserID, each.Labels)
			}
			if age := time.Since(each.ConnectedTime); age < -time.Minute || age > time.Minute {
				t.Errorf("%s connected at %v", each.UserID, each.ConnectedTime)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestSubscribersStopsWithItsLoop(t *testing.T) {
	client, alice := connected(t), fresh("alice")
	connect(t, alice, "", nil)
	connect(t, alice, "", nil)

	seen := 0
	for _, err := range client.Subscribers(t.Context(), carillon.User(alice)) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		break
	}

	if seen != 1 {
		t.Errorf("saw %d", seen)
	}
}

func TestCountSubscribers(t *testing.T) {
	client, alice, stream := connected(t), fresh("alice"), fresh("chat")
	connect(t, alice, stream, nil)
	connect(t, alice, "", nil)

	for _, each := range []struct {
		target carillon.CountTarget
		least  int
		most   int
	}{
		{carillon.Stream(stream), 1, 1},
		{carillon.User(alice), 2, 2},
		{carillon.User(fresh("nobody")), 0, 0},
		{carillon.Everyone{}, 2, 1000},
	} {
		count, err := client.CountSubscribers(t.Context(), each.target)
		if err != nil || count < each.least || count > each.most {
			t.Errorf("%#v: %d, %v", each.target, count, err)
		}
	}
}

func TestABadFieldIsNamed(t *testing.T) {
	client := connected(t)

	_, err := client.BroadcastStream(t.Context(), "no spaces allowed", carillon.Event{Name: "said"})
	if failed := requireCode(t, err, codes.InvalidArgument); !strings.Contains(failed.Message, "stream") {
		t.Errorf("message %q", failed.Message)
	}

	_, err = client.BroadcastStream(t.Context(), fresh("chat"), carillon.Event{})
	if failed := requireCode(t, err, codes.InvalidArgument); !strings.Contains(failed.Message, "name") {
		t.Errorf("message %q", failed.Message)
	}

	for _, err := range client.Subscribers(t.Context(), carillon.Stream(fresh("chat")), carillon.PageSize(-1)) {
		requireCode(t, err, codes.InvalidArgument)
	}
}

func TestARequestThatIsTooLargeHasNoReason(t *testing.T) {
	event := carillon.Event{Name: "said", Data: strings.Repeat("x", 1<<20)}

	_, err := connected(t).BroadcastStream(t.Context(), fresh("chat"), event)

	failed := requireCode(t, err, codes.ResourceExhausted)
	if failed.Reason != "" || failed.RetryAfter != 0 {
		t.Errorf("error %+v", failed)
	}
}

func TestAWrongOrMissingTokenIsUnauthenticated(t *testing.T) {
	g := requireGateway(t)

	_, err := newClient(t, g.Control, carillon.WithToken("not-the-key-but-as-long")).
		CountSubscribers(t.Context(), carillon.Everyone{})
	requireCode(t, err, codes.Unauthenticated)

	_, err = newClient(t, g.Control).CountSubscribers(t.Context(), carillon.Everyone{})
	requireCode(t, err, codes.Unauthenticated)
}

func TestAKeyWithoutTheVerbIsDenied(t *testing.T) {
	reader := requireGateway(t).Client(t, carillon.WithToken(readKey))

	if _, err := reader.CountSubscribers(t.Context(), carillon.Everyone{}); err != nil {
		t.Error(err)
	}
	_, err := reader.BroadcastAll(t.Context(), carillon.Event{Name: "note"})
	requireCode(t, err, codes.PermissionDenied)
	_, err = reader.Kick(t.Context(), carillon.User(fresh("alice")))
	requireCode(t, err, codes.PermissionDenied)
}

func TestRawPublishesAStream(t *testing.T) {
	client, stream := connected(t), fresh("chat")
	b := connect(t, fresh("alice"), stream, nil)
	ctx := patient(t)

	publishing, err := client.Raw().PublishStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = publishing.Send(&carillonv1.PublishStreamRequest{Seq: 1, Items: []*carillonv1.PublishItem{{
		Target: &carillonv1.PublishItem_BroadcastStream{BroadcastStream: &carillonv1.BroadcastStreamRequest{
			Stream: stream, Event: &carillonv1.Event{Name: "said"},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := publishing.Recv()
	if err != nil || resp.GetAckedTo() != 1 || len(resp.GetFailures()) != 0 {
		t.Errorf("answer %v, %v", resp, err)
	}

	if got := b.Receive(); got.Event != "said" {
		t.Errorf("message %+v", got)
	}
}

func TestAGatewayThatIsNotThereIsUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()

	_, err = newClient(t, addr).CountSubscribers(t.Context(), carillon.Everyone{})

	requireCode(t, err, codes.Unavailable)
}
