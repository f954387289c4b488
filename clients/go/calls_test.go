package carillon_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillontest"
	"carillon.dev/clients/go/carillonv1"
	"carillon.dev/clients/go/internal/browser"
)

// collect fails the test where the sequence has an error.
func collect[T any](t *testing.T, sequence iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for each, err := range sequence {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, each)
	}
	return all
}

// failure returns what ends a sequence, which must have no items.
func failure[T any](t *testing.T, sequence iter.Seq2[T, error]) (last error) {
	t.Helper()
	for each, err := range sequence {
		if err == nil {
			t.Errorf("unexpected %+v", each)
		}
		last = err
	}
	return last
}

func publishNumbers(t *testing.T, client *carillon.Client, stream string, count int) {
	t.Helper()
	for i := range count {
		if _, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "n", Data: i + 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPresenceListsUsersPageByPage(t *testing.T) {
	client, stream := connected(t), fresh("presence-room")
	ann, bob := fresh("a-ann"), fresh("b-bob")
	connect(t, ann, stream, map[string]any{"name": "Ann"})
	connect(t, ann, stream, map[string]any{"name": "Ann"})
	tab := connect(t, bob, stream, nil)
	tab.Send(map[string]any{"action": "presence", "status": "away", "text": "lunch", "id": 1})
	for tab.Receive().Event != "presence" {
	}

	members := collect(t, client.GetPresence(t.Context(), stream, carillon.PageSize(1)))

	if len(members) != 2 || members[0].UserID != ann || members[1].UserID != bob {
		t.Fatalf("members %+v", members)
	}
	if got := members[0]; got.Name != "Ann" || got.Sessions != 2 || got.Status != carillon.StatusOnline || got.Info != nil {
		t.Errorf("member %+v", got)
	}
	if got := members[1]; got.Status != carillon.StatusAway || got.Text != "lunch" || got.JoinTime.IsZero() {
		t.Errorf("member %+v", got)
	}
	count, err := client.CountPresence(t.Context(), stream)
	if err != nil || count != (carillon.PresenceCount{Users: 2}) {
		t.Errorf("count %+v, %v", count, err)
	}
}

func TestPresenceThatIsNotKeptIsAFailedPrecondition(t *testing.T) {
	client, stream := connected(t), fresh("chat")

	failed := requireCode(t, failure(t, client.GetPresence(t.Context(), stream)), codes.FailedPrecondition)

	if failed.Reason != "NO_PRESENCE" {
		t.Errorf("reason %q", failed.Reason)
	}
	_, err := client.CountPresence(t.Context(), stream)
	requireCode(t, err, codes.FailedPrecondition)
}

func TestListMessagesGoesThroughTheLog(t *testing.T) {
	client, stream := connected(t), fresh("log")
	publishNumbers(t, client, stream, 5)
	receipt, err := client.BroadcastStream(t.Context(), stream, carillon.Event{
		Name: "bytes", Data: []byte{0, 255}, Meta: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}

	var top carillon.Position
	messages := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream), carillon.PageSize(2), carillon.TopTo(&top)))

	if len(messages) != 6 || top != *receipt.Position || top.Offset != 6 {
		t.Fatalf("%d messages, top %+v, receipt %+v", len(messages), top, receipt)
	}
	for i, got := range messages[:5] {
		if string(got.Data) != fmt.Sprint(i+1) || got.Event != "n" || got.Stream != stream || got.Binary != nil ||
			got.Position != (carillon.Position{Epoch: top.Epoch, Offset: uint64(i + 1)}) {
			t.Errorf("message %+v", got)
		}
	}
	last := messages[5]
	if !slices.Equal(last.Binary, []byte{0, 255}) || last.Data != nil || last.ID != receipt.MessageID ||
		!maps.Equal(last.Meta, map[string]string{"k": "v"}) || time.Since(last.Time) > time.Minute {
		t.Errorf("message %+v", last)
	}
	later := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream), carillon.After(messages[3].Position)))
	if len(later) != 2 || later[0].Position.Offset != 5 {
		t.Errorf("later %+v", later)
	}
}

func TestALogsPositionIsKnownAlsoWhereItIsEmpty(t *testing.T) {
	client, stream := connected(t), fresh("log")

	var top carillon.Position
	none := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream), carillon.TopTo(&top)))
	at, err := client.LogPosition(t.Context(), carillon.Stream(stream))

	if err != nil || len(none) != 0 || at != top || at.Epoch == "" || at.Offset != 0 {
		t.Errorf("%v, top %+v, position %+v, %v", none, top, at, err)
	}
	failed := requireCode(t, failure(t, client.ListMessages(t.Context(), carillon.Stream(fresh("chat")))),
		codes.FailedPrecondition)
	if failed.Reason != "NO_LOG" {
		t.Errorf("reason %q", failed.Reason)
	}
}

func TestClearMessagesBeginsAnew(t *testing.T) {
	client, stream := connected(t), fresh("log")
	publishNumbers(t, client, stream, 3)
	before, err := client.LogPosition(t.Context(), carillon.Stream(stream))
	if err != nil {
		t.Fatal(err)
	}

	cleared, err := client.ClearMessages(t.Context(), carillon.Stream(stream))

	if err != nil || cleared.Messages != 3 || cleared.Position.Offset != 0 || cleared.Position.Epoch == before.Epoch {
		t.Errorf("cleared %+v, %v; before %+v", cleared, err, before)
	}
	requireCode(t, failure(t, client.ListMessages(t.Context(), carillon.Stream(stream), carillon.After(before))), codes.Aborted)
}

func TestAUsersInboxIsALog(t *testing.T) {
	client := ownGateway(t, carillontest.Config(map[string]any{"inbox": map[string]any{"mode": "log"}})).Client(t)

	receipt, err := client.BroadcastToUser(t.Context(), "alice", carillon.Event{Name: "note", Data: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	messages := collect(t, client.ListMessages(t.Context(), carillon.User("alice")))

	if len(messages) != 1 || string(messages[0].Data) != `"hello"` || messages[0].Position != *receipt.Position {
		t.Errorf("messages %+v, receipt %+v", messages, receipt)
	}
	cleared, err := client.ClearMessages(t.Context(), carillon.User("alice"))
	if err != nil || cleared.Messages != 1 {
		t.Errorf("cleared %+v, %v", cleared, err)
	}
}

func TestRevokedTokensCloseTheirSessions(t *testing.T) {
	client, alice, id := connected(t), fresh("alice"), fresh("token")
	one := connect(t, alice, "", map[string]any{"jti": id, "iat": time.Now().Add(-time.Minute).Unix()})
	two := connect(t, alice, "", map[string]any{"iat": time.Now().Add(-time.Minute).Unix()})
	new := connect(t, alice, "", map[string]any{"iat": time.Now().Unix()})

	closed, err := client.RevokeTokens(t.Context(), carillon.TokenID(id))
	if err != nil || closed != (carillon.Closed{Sessions: 1}) {
		t.Errorf("closed %+v, %v", closed, err)
	}
	if code, _ := one.ReceiveClose(); code != 4001 {
		t.Errorf("closed with %d", code)
	}

	closed, err = client.RevokeTokens(t.Context(), carillon.User(alice),
		carillon.IssuedBefore(time.Now().Add(-30*time.Second)))
	if err != nil || closed.Sessions != 1 {
		t.Errorf("closed %+v, %v", closed, err)
	}
	two.ReceiveClose()

	closed, err = client.RevokeTokens(t.Context(), carillon.User(alice))
	if err != nil || closed.Sessions != 1 {
		t.Errorf("closed %+v, %v", closed, err)
	}
	new.ReceiveClose()
}

func TestABlockedUserStaysOut(t *testing.T) {
	client, alice, bob := connected(t), fresh("blocked-a"), fresh("blocked-b")
	tab := connect(t, alice, "", nil)

	closed, err := client.BlockUser(t.Context(), alice, carillon.Reason("spam"), carillon.BlockFor(time.Hour))
	if err != nil || closed.Sessions != 1 {
		t.Fatalf("closed %+v, %v", closed, err)
	}
	if code, reason := tab.ReceiveClose(); code != 4003 || reason != "spam" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, err := client.BlockUser(t.Context(), bob); err != nil {
		t.Fatal(err)
	}

	blocked := map[string]carillon.BlockedUser{}
	for _, each := range collect(t, client.BlockedUsers(t.Context(), carillon.PageSize(1))) {
		blocked[each.UserID] = each
	}
	if got := blocked[alice]; got.Reason != "spam" || time.Until(got.ExpireTime) < 50*time.Minute {
		t.Errorf("blocked %+v", got)
	}
	if got, found := blocked[bob]; !found || !got.ExpireTime.IsZero() {
		t.Errorf("blocked %+v, %v", got, found)
	}

	for _, want := range []bool{true, false} {
		if was, err := client.UnblockUser(t.Context(), alice); err != nil || was != want {
			t.Errorf("was blocked: %v, %v", was, err)
		}
	}
	connect(t, alice, "", nil)
}

func TestARequestIDPublishesOnce(t *testing.T) {
	client, stream, id := connected(t), fresh("log"), fresh("request")
	event := carillon.Event{Name: "said", Data: "hello"}

	first, err := client.BroadcastStream(t.Context(), stream, event, carillon.RequestID(id))
	if err != nil || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := client.BroadcastStream(t.Context(), stream, event, carillon.RequestID(id))

	if err != nil || !second.Duplicate || second.MessageID != first.MessageID || *second.Position != *first.Position {
		t.Errorf("first %+v, second %+v, %v", first, second, err)
	}
	_, err = client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "other"}, carillon.RequestID(id))
	if failed := requireCode(t, err, codes.AlreadyExists); failed.Reason != "REQUEST_ID_REUSED" {
		t.Errorf("reason %q", failed.Reason)
	}
}

func TestExpectedPositionIsHeldTo(t *testing.T) {
	client, stream := connected(t), fresh("log")
	at, err := client.LogPosition(t.Context(), carillon.Stream(stream))
	if err != nil {
		t.Fatal(err)
	}

	receipt, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "n"}, carillon.ExpectedPosition(at))
	if err != nil || receipt.Position.Offset != 1 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	_, err = client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "n"}, carillon.ExpectedPosition(at))

	if failed := requireCode(t, err, codes.Aborted); failed.Reason != "POSITION_MISMATCH" {
		t.Errorf("error %+v", failed)
	}
}

func TestSelectorsAndExclusionsChooseSessions(t *testing.T) {
	client, stream := connected(t), fresh("chat")
	ann, bob := fresh("ann"), fresh("bob")
	labelled := connect(t, ann, stream, map[string]any{"labels": map[string]string{"team": "red"}})
	agent := connect(t, bob, stream, map[string]any{"roles": []string{"agent"}})

	for _, each := range []struct {
		name   string
		option carillon.PublishOption
		queued []*browser.Browser
	}{
		{"labels", carillon.OnlyLabels(map[string]string{"team": "red"}), []*browser.Browser{labelled}},
		{"roles", carillon.OnlyRoles("agent"), []*browser.Browser{agent}},
		{"users", carillon.OnlyUsers(ann, bob), []*browser.Browser{labelled, agent}},
		{"not sessions", carillon.ExcludeSessions(labelled.Session), []*browser.Browser{agent}},
		{"not users", carillon.ExcludeUsers(bob), []*browser.Browser{labelled}},
	} {
		receipt, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: each.name}, each.option, carillon.Report())
		if err != nil {
			t.Fatal(err)
		}
		want := carillon.DeliveryReport{Queued: len(each.queued), Filtered: 2 - len(each.queued)}
		if receipt.Report == nil || *receipt.Report != want {
			t.Errorf("%s: report %+v, want %+v", each.name, receipt.Report, want)
		}
		for _, tab := range each.queued {
			if got := tab.Receive(); got.Event != each.name {
				t.Errorf("%s: message %+v", each.name, got)
			}
		}
	}
	// The parts of a selector hold together.
	receipt, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "both"},
		carillon.OnlyUsers(ann), carillon.OnlyRoles("agent"), carillon.Report())
	if err != nil || receipt.Report.Queued != 0 {
		t.Errorf("report %+v, %v", receipt.Report, err)
	}
}

func TestOptionsOfTimeAndHistoryArePassedOn(t *testing.T) {
	client, stream := connected(t), fresh("log")

	skipped, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "typing"}, carillon.SkipHistory())
	if err != nil || skipped.Position != nil {
		t.Errorf("%+v, %v", skipped, err)
	}
	kept, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said"},
		carillon.TTL(time.Hour), carillon.DeliverWithin(time.Minute), carillon.ConflationKey("k"))
	if err != nil || kept.Position == nil {
		t.Errorf("%+v, %v", kept, err)
	}
	for option, field := range map[*carillon.PublishOption]string{
		ptr(carillon.TTL(31 * 24 * time.Hour)):                "ttl",
		ptr(carillon.DeliverWithin(-time.Second)):             "deliver_within",
		ptr(carillon.ConflationKey(strings.Repeat("k", 129))): "conflation_key",
	} {
		_, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said"}, *option)
		failed := requireCode(t, err, codes.InvalidArgument)
		if len(failed.Violations) != 1 || !strings.Contains(failed.Violations[0].Field, field) {
			t.Errorf("violations %+v, want %s", failed.Violations, field)
		}
	}
}

func ptr[T any](value T) *T { return &value }

func TestATypedMessageGoesAsAny(t *testing.T) {
	client, stream := connected(t), fresh("log")

	_, err := client.BroadcastStream(t.Context(), stream, carillon.Event{
		Name: "typed", Data: structpb.NewStringValue("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, unknown := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "typed", Data: &carillonv1.Event{}})

	messages := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream)))
	if len(messages) != 1 || string(messages[0].Data) != `"hello"` {
		t.Errorf("%+v", messages)
	}
	if failed := requireCode(t, unknown, codes.FailedPrecondition); failed.Reason != "TYPE_UNKNOWN" {
		t.Errorf("%+v", failed)
	}
}

func TestRawJSONGoesAsItIs(t *testing.T) {
	client, stream := connected(t), fresh("log")
	const text = `{ "a" : [1.50, "<b>"] }`

	for _, data := range []json.RawMessage{json.RawMessage(text), nil} {
		if _, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said", Data: data}); err != nil {
			t.Fatal(err)
		}
	}

	messages := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream)))
	if got := []string{string(messages[0].Data), string(messages[1].Data)}; !reflect.DeepEqual(got, []string{text, "null"}) {
		t.Errorf("data %q", got)
	}
	_, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said", Data: json.RawMessage("{")})
	requireCode(t, err, codes.InvalidArgument)
}
