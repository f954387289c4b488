package main

import (
	"context"

	carillon "carillon.dev/clients/go"
)

// Notification is what a user is told.
type Notification struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	IsRead  bool   `json:"is_read"`
}

// Notifications tells a user's open tabs how their notifications change, by the five events that ShellCN's front end
// knows. Call it when the database has been written: tabs that are told load nothing anew.
type Notifications struct{ client *carillon.Client }

// payload is the data of all five. The id stands alone where the notification is gone, or only its mark changes.
type payload struct {
	Notification   *Notification `json:"notification,omitempty"`
	NotificationID string        `json:"notification_id,omitempty"`
}

// Created tells of a new notification.
func (s Notifications) Created(ctx context.Context, user string, n Notification) error {
	return s.tell(ctx, user, "created", payload{Notification: &n, NotificationID: n.ID})
}

// Updated tells what a notification says now.
func (s Notifications) Updated(ctx context.Context, user string, n Notification) error {
	return s.tell(ctx, user, "updated", payload{Notification: &n, NotificationID: n.ID})
}

// Read tells that one was read, perhaps in another tab.
func (s Notifications) Read(ctx context.Context, user, id string) error {
	return s.tell(ctx, user, "read", payload{NotificationID: id})
}

// Deleted tells that one is gone.
func (s Notifications) Deleted(ctx context.Context, user, id string) error {
	return s.tell(ctx, user, "deleted", payload{NotificationID: id})
}

// ReadAll tells that all were read.
func (s Notifications) ReadAll(ctx context.Context, user string) error {
	return s.tell(ctx, user, "read_all", payload{})
}

func (s Notifications) tell(ctx context.Context, user, what string, data payload) error {
	_, err := s.client.BroadcastToUser(ctx, user, carillon.Event{Name: "notification." + what, Data: data},
		carillon.OnStream("notifications"))
	return err
}
