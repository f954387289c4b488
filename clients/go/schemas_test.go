package carillon_test

import (
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillonv1"
)

func TestTypesThatTheGatewayKnows(t *testing.T) {
	client, stream := connected(t), fresh("log")
	publish := func(data proto.Message) error {
		_, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "said", Data: data})
		return err
	}

	if err := publish(durationpb.New(1500 * time.Millisecond)); err != nil { // nobody has registered it
		t.Error(err)
	}
	if failed := requireCode(t, publish(&carillonv1.Position{}), codes.FailedPrecondition); failed.Reason != "TYPE_UNKNOWN" {
		t.Errorf("%+v", failed)
	}

	messages := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream)))
	if len(messages) != 1 || string(messages[0].Data) != `"1.500s"` {
		t.Errorf("%+v", messages)
	}
}

// The type is Carillon's own: any would do.
func TestWhatIsBoundIsCheckedAndArrivesAsItsJSON(t *testing.T) {
	client, stream, set := connected(t), fresh("log"), fresh("set")
	const position = "carillon.v1.Position"

	registered, err := client.RegisterDescriptors(t.Context(), set, carillon.DescriptorsOf(&carillonv1.Position{}))
	if err != nil || registered.Types < 3 || registered.Replaced {
		t.Fatalf("%+v, %v", registered, err)
	}
	for _, want := range []bool{false, true} {
		if replaced, err := client.BindStream(t.Context(), stream, "moved", position); err != nil || replaced != want {
			t.Fatalf("%v, %v", replaced, err)
		}
	}
	publish := func(data any) error {
		_, err := client.BroadcastStream(t.Context(), stream, carillon.Event{Name: "moved", Data: data})
		return err
	}
	if err := publish(&carillonv1.Position{Epoch: "e", Offset: math.MaxUint64}); err != nil {
		t.Fatal(err)
	}
	failed := requireCode(t, publish(map[string]any{"offset": -1}), codes.InvalidArgument)
	if failed.Reason != "SCHEMA_MISMATCH" || failed.Violations[0].Field != "event.json.offset" {
		t.Errorf("%+v", failed)
	}
	messages := collect(t, client.ListMessages(t.Context(), carillon.Stream(stream)))
	if len(messages) != 1 || string(messages[0].Data) != `{"epoch":"e","offset":"18446744073709551615"}` {
		t.Errorf("%+v", messages)
	}

	good, err := client.Validate(t.Context(), stream, carillon.Event{Name: "moved", Data: map[string]any{"offset": 5}})
	if err != nil || good.Type != position || good.JSON != `{"epoch":"","offset":"5"}` || good.Violations != nil {
		t.Errorf("%+v, %v", good, err)
	}
	bad, err := client.Validate(t.Context(), stream, carillon.Event{Name: "moved", Data: map[string]any{"x": 5}})
	if err != nil || len(bad.Violations) != 1 || bad.Violations[0].Field != "event.json.x" {
		t.Errorf("%+v, %v", bad, err)
	}

	schemas, err := client.ListSchemas(t.Context(), carillon.PageSize(2))
	if err != nil || len(schemas.Types) < registered.Types {
		t.Errorf("%+v, %v", schemas, err)
	}
	found := false
	for _, b := range schemas.Bindings {
		found = found || b == carillon.Binding{Stream: stream, Event: "moved", Type: position}
	}
	for _, s := range schemas.Sets {
		if s.Name == set && (s.Types != registered.Types || s.Configured || s.Bytes == 0 || s.RegisterTime.IsZero()) {
			t.Errorf("%+v", s)
		}
	}
	if !found {
		t.Errorf("%+v", schemas.Bindings)
	}

	_, err = client.RegisterDescriptors(t.Context(), set, nil)
	if failed := requireCode(t, err, codes.FailedPrecondition); failed.Reason != "SCHEMA_IN_USE" {
		t.Errorf("%+v", failed)
	}
	if replaced, err := client.BindStream(t.Context(), stream, "moved", ""); err != nil || !replaced {
		t.Errorf("%v, %v", replaced, err)
	}
	if gone, err := client.RegisterDescriptors(t.Context(), set, nil); err != nil || !gone.Replaced || gone.Types != 0 {
		t.Errorf("%+v, %v", gone, err)
	}
}
