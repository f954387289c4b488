package carillon_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/internal/browser"
)

func idsOf(sessions []carillon.SessionInfo) (ids []string) {
	for _, session := range sessions {
		ids = append(ids, session.SessionID)
	}
	return ids
}

func TestSessionsAreListedPageByPage(t *testing.T) {
	client, ann, team := connected(t), fresh("ann"), fresh("team")
	claims := map[string]any{"name": "Ann", "roles": []string{"lead"}, "labels": map[string]string{"team": team}}
	var ids []string
	for range 5 {
		ids = append(ids, connect(t, ann, "chat", claims).Session)
	}
	slices.Sort(ids)
	connect(t, fresh("bob"), "chat", nil)

	listed := collect(t, client.ListSessions(t.Context(), carillon.OfUser(ann), carillon.PageSize(2)))

	if !slices.Equal(idsOf(listed), ids) {
		t.Errorf("listed %v, not %v", listed, ids)
	}
	labelled := collect(t, client.ListSessions(t.Context(), carillon.WithLabels(map[string]string{"team": team})))
	if !slices.Equal(idsOf(labelled), ids) {
		t.Errorf("listed %v, not %v", labelled, ids)
	}
	if all := collect(t, client.ListSessions(t.Context())); len(all) < 6 {
		t.Errorf("listed %v", all)
	}
	first := listed[0]
	if first.UserID != ann || first.Name != "Ann" || !slices.Equal(first.Roles, []string{"lead"}) ||
		!maps.Equal(first.Labels, map[string]string{"team": team}) || first.Address != "127.0.0.1" ||
		first.Endpoint != "/ws" || first.Streams != 1 || first.Backlog != (carillon.Backlog{}) {
		t.Errorf("session %+v", first)
	}
	if time.Since(first.ConnectedTime) > time.Minute || first.Age > time.Minute || time.Until(first.TokenExpireTime) <= 0 {
		t.Errorf("times of %+v", first)
	}
}

func TestOneSessionWithItsStreamsAndRates(t *testing.T) {
	client, streams := connected(t), []string{fresh("a"), fresh("b")}
	tab := connect(t, fresh("ann"), streams[0]+","+streams[1], nil)
	tab.Send(map[string]any{"action": "ping", "id": 1})
	tab.Receive()

	session, err := client.GetSession(t.Context(), tab.Session)

	if err != nil || session.SessionID != tab.Session || !slices.Equal(session.StreamNames, streams) ||
		session.Streams != 2 || session.MessagesQueued != 2 || session.MessagesSaid != 1 || session.Rates != nil {
		t.Errorf("%+v, %v", session, err)
	}
	// The timeout counts from after the measuring.
	hasty := requireGateway(t).Client(t, carillon.WithTimeout(500*time.Millisecond))
	session, err = hasty.GetSession(t.Context(), tab.Session, carillon.MeasureFor(600*time.Millisecond))
	if err != nil || session.Rates == nil || session.Rates.Measured < 500*time.Millisecond || session.Rates.Said != 0 {
		t.Errorf("%+v, %v", session, err)
	}
	_, err = client.GetSession(t.Context(), "00000000000000000000")
	requireCode(t, err, codes.NotFound)
	_, err = client.GetSession(t.Context(), tab.Session, carillon.MeasureFor(11*time.Second))
	if failed := requireCode(t, err, codes.InvalidArgument); failed.Violations[0].Field != "measure_for" {
		t.Errorf("error %+v", failed)
	}
}

func TestNobodyIsSlow(t *testing.T) {
	gateway := ownGateway(t)
	browser.Connect(t, gateway.WebSocketURL("ann", "chat"))

	slowest, err := gateway.Client(t).TopSlow(t.Context(), 3)

	if err != nil || len(slowest.Sessions) != 0 || slowest.Partial {
		t.Errorf("%+v, %v", slowest, err)
	}
}

func TestStreamsAreListedPageByPage(t *testing.T) {
	client, prefix := connected(t), fresh("s")
	connect(t, fresh("ann"), prefix+"-0,"+prefix+"-1,"+prefix+"-2", nil)
	connect(t, fresh("bob"), prefix+"-1", nil)

	listed := collect(t, client.ListStreams(t.Context(), carillon.MatchingName(prefix+"-*"), carillon.PageSize(2)))
	if !slices.Equal(listed, []carillon.StreamInfo{{prefix + "-0", 1}, {prefix + "-1", 2}, {prefix + "-2", 1}}) {
		t.Errorf("listed %v", listed)
	}
	listed = collect(t, client.ListStreams(t.Context(), carillon.MatchingName(prefix+"-*"), carillon.MinSessions(2)))
	if !slices.Equal(listed, []carillon.StreamInfo{{prefix + "-1", 2}}) {
		t.Errorf("listed %v", listed)
	}
}

func TestOneStreamWithItsRuleAndItsLog(t *testing.T) {
	client, log, room := connected(t), fresh("log"), fresh("presence-room")
	publishNumbers(t, client, log, 3)
	connect(t, fresh("ann"), room, nil)

	kept, err := client.GetStream(t.Context(), log)
	if err != nil || kept.Stream != log || kept.Sessions != 0 || kept.Rule != "log-*" ||
		kept.Description != "kept for a while" || kept.Members != nil || kept.Log == nil || kept.Partial {
		t.Fatalf("%+v, %v", kept, err)
	}
	if kept.Log.Top.Offset != 3 || kept.Log.OldestOffset != 1 || time.Since(kept.Log.OldestTime) > time.Minute {
		t.Errorf("log %+v", kept.Log)
	}
	here, err := client.GetStream(t.Context(), room)
	if err != nil || here.Sessions != 1 || here.Members == nil || *here.Members != 1 || here.Log != nil {
		t.Errorf("%+v, %v", here, err)
	}
}

func TestTheConfiguration(t *testing.T) {
	gateway := requireGateway(t)
	client := gateway.Client(t)

	reloaded, err := client.Reload(t.Context())
	if err != nil || len(reloaded.Changed)+len(reloaded.NeedRestart) > 0 {
		t.Errorf("%+v, %v", reloaded, err)
	}
	yaml, err := client.GetConfig(t.Context())
	if err != nil || !strings.Contains(yaml, "log-*") || strings.Contains(yaml, gateway.Key) {
		t.Errorf("%s, %v", yaml, err)
	}
}

func TestNodes(t *testing.T) {
	gateway := requireGateway(t)
	connect(t, fresh("ann"), "", nil)

	// This call alone names no app.
	answer, err := gateway.Client(t, carillon.WithApp("default")).ListNodes(t.Context())

	if err != nil || len(answer.Nodes) != 1 || answer.Partial {
		t.Fatalf("%+v, %v", answer, err)
	}
	node := answer.Nodes[0]
	if node.NodeID == "" || node.Version == "" || node.Shards < 1 || node.Sessions < 1 || node.Draining ||
		time.Since(node.StartedTime) < 0 {
		t.Errorf("node %+v", node)
	}
}

func TestADrainAndBack(t *testing.T) {
	client := ownGateway(t).Client(t)

	begun, err := client.Drain(t.Context(), carillon.App("default"), carillon.DrainWindow(time.Second),
		carillon.DrainDelay(time.Minute))
	if err != nil || !begun.Changed || begun.Target != carillon.App("default") || begun.State != carillon.Draining ||
		begun.Exit || begun.Partial || time.Since(begun.BeginTime) > time.Minute {
		t.Errorf("%+v, %v", begun, err)
	}
	again, err := client.Drain(t.Context(), carillon.App("default"))
	if err != nil || again.Changed {
		t.Errorf("%+v, %v", again, err)
	}
	nodes, err := client.ListNodes(t.Context())
	if err != nil || nodes.Nodes[0].Draining || len(nodes.Nodes[0].Drains) != 1 {
		t.Errorf("%+v, %v", nodes, err)
	}
	back, err := client.Drain(t.Context(), carillon.App("default"), carillon.Undo())
	if err != nil || !back.Changed || back.State != carillon.Serving || !back.BeginTime.IsZero() {
		t.Errorf("%+v, %v", back, err)
	}
	gateway, err := client.Drain(t.Context(), carillon.Gateway{}, carillon.Undo())
	if err != nil || gateway.Changed || gateway.Target != (carillon.Gateway{}) {
		t.Errorf("%+v, %v", gateway, err)
	}
	_, err = client.Drain(t.Context(), carillon.Endpoint("/nope"), carillon.Exit())
	requireCode(t, err, codes.InvalidArgument)
	_, err = client.Drain(t.Context(), carillon.Endpoint("/nope"))
	requireCode(t, err, codes.NotFound)
}

func TestWhatGoesByASession(t *testing.T) {
	client, chat := connected(t), fresh("chat")
	ann := connect(t, fresh("ann"), chat, nil)
	var state carillon.TailState
	begun := func(now carillon.TailState) {
		if !state.Begun {
			mustBroadcast(t, client, chat)
		}
		state = now
	}

	for frame, err := range client.Tail(t.Context(), carillon.Session(ann.Session), carillon.Payloads(4), carillon.OnTailState(begun)) {
		if err != nil {
			t.Fatal(err)
		}
		if frame.Incoming || frame.SessionID != ann.Session || frame.Stream != chat || frame.Event != "news" ||
			frame.Payload != `{"a"` || !frame.PayloadCut || frame.PayloadBytes != 7 || frame.PayloadType != "object" ||
			!slices.Equal(frame.Fields, []carillon.TailField{{"a", "number"}}) || time.Since(frame.Time) > time.Minute {
			t.Errorf("%+v", frame)
		}
		break
	}
	if state.Sessions != 1 || time.Until(state.EndTime) < time.Minute || state.End != "" {
		t.Errorf("%+v", state)
	}
}

func mustBroadcast(t *testing.T, client *carillon.Client, stream string) {
	t.Helper()
	event := carillon.Event{Name: "news", Data: map[string]int{"a": 1}}
	if _, err := client.BroadcastStream(t.Context(), stream, event); err != nil {
		t.Fatal(err)
	}
}

func TestTheEndOfATail(t *testing.T) {
	client := connected(t)
	var state carillon.TailState
	tell := func(now carillon.TailState) { state = now }
	for frame, err := range client.Tail(t.Context(), carillon.Stream(fresh("chat")), carillon.MaxAge(time.Second), carillon.OnTailState(tell)) {
		t.Errorf("%+v, %v", frame, err)
	}
	if state.End != carillon.MaxAgeOver {
		t.Errorf("%+v", state)
	}
	for _, err := range client.Tail(t.Context(), carillon.Session("0000"+strings.Repeat("0", 16))) {
		requireCode(t, err, codes.NotFound)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := carillon.OnTailState(func(carillon.TailState) { cancel() })
	for _, err := range client.Tail(ctx, carillon.User(fresh("ann")), stop) {
		requireCode(t, err, codes.Canceled)
	}
}
