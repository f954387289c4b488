package carillon_test

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	carillon "carillon.dev/clients/go"
	"carillon.dev/clients/go/carillonv1"
)

// What the gateway learns, the client learns too.
func TestEveryCallHasAMethod(t *testing.T) {
	others := map[protoreflect.Name]string{"PublishStream": "NewBatcher", "ListBlockedUsers": "BlockedUsers"}
	client := reflect.TypeFor[*carillon.Client]()
	for _, file := range []protoreflect.FileDescriptor{
		carillonv1.File_carillon_v1_control_proto, carillonv1.File_carillon_v1_admin_proto,
		carillonv1.File_carillon_v1_events_proto, carillonv1.File_carillon_v1_schema_proto,
	} {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			name := string(methods.Get(i).Name())
			if other, ok := others[methods.Get(i).Name()]; ok {
				name = other
			}
			if _, ok := client.MethodByName(name); !ok {
				t.Errorf("%s has no method", methods.Get(i).FullName())
			}
		}
	}
}
