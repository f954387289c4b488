package carillon_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
)

func TestUsersAreSubscribedAndUnsubscribed(t *testing.T) {
	client, ann, room := connected(t), fresh("ann"), fresh("room")
	first, second := connect(t, ann, "", nil), connect(t, ann, "", nil)

	one, err := client.SubscribeUser(t.Context(), ann, room, carillon.OnlySession(first.Session))
	if err != nil || one != (carillon.UserSubscribed{Sessions: 1}) {
		t.Errorf("%+v, %v", one, err)
	}
	if told := first.Receive(); told.Event != "subscribed" {
		t.Errorf("told %+v", told)
	}
	all, err := client.SubscribeUser(t.Context(), ann, room)
	if err != nil || all != (carillon.UserSubscribed{Sessions: 2}) {
		t.Errorf("%+v, %v", all, err)
	}
	if told := second.Receive(); told.Event != "subscribed" {
		t.Errorf("told %+v", told)
	}

	taken, err := client.UnsubscribeUser(t.Context(), ann, room, carillon.OnlySession(second.Session))
	if err != nil || taken != (carillon.UserUnsubscribed{Sessions: 1}) {
		t.Errorf("%+v, %v", taken, err)
	}
	if told := second.Receive(); told.Event != "unsubscribed" {
		t.Errorf("told %+v", told)
	}
	if taken, err = client.UnsubscribeUser(t.Context(), ann, room); err != nil || taken.Sessions != 1 {
		t.Errorf("%+v, %v", taken, err)
	}

	_, err = client.SubscribeUser(t.Context(), "", room)
	if failed := requireCode(t, err, codes.InvalidArgument); failed.Violations[0].Field != "user_id" {
		t.Errorf("error %+v", failed)
	}
}
