package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"strings"

	"google.golang.org/grpc"

	"carillon.dev/clients/go/hooks"
)

// row is what a scenario's backend answers to what.
type row struct {
	Asks   string
	Of     any
	Answer struct {
		User *struct {
			UserID  string `json:"user_id"`
			Name    string
			Info    any
			Roles   []string
			Labels  map[string]string
			Streams []string
			TokenID string `json:"token_id"`
		}
		Allow  *bool
		Accept *struct {
			Event string
			Data  json.RawMessage
		}
		Answer json.RawMessage
		Refuse *string
	}
}

// serve begins to answer as the table says, at unix:PATH.
func serve(listen, key string, rows []row) (*grpc.Server, error) {
	listener, err := net.Listen("unix", strings.TrimPrefix(listen, "unix:"))
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	if err := hooks.Register(server, table(rows).handler(), hooks.WithKey(key)); err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

type table []row

func (t table) handler() hooks.Handler {
	return hooks.Handler{
		Authenticate: func(_ context.Context, c hooks.Credentials) (hooks.User, error) {
			found, err := t.find("Authenticate", map[string]any{
				"app": c.App, "endpoint": c.Endpoint, "address": c.Address, "origin": c.Origin, "token": c.Token,
				"cookies": mapOf(c.Cookies), "headers": mapOf(c.Headers), "query": mapOf(c.Query), "handshake": c.Handshake,
			})
			if err != nil {
				return hooks.User{}, err
			}
			user := found.Answer.User
			return hooks.User{
				ID: user.UserID, Name: user.Name, Info: user.Info, Roles: user.Roles, Labels: user.Labels,
				Streams: user.Streams, TokenID: user.TokenID,
			}, nil
		},
		AuthorizeSubscribe: func(_ context.Context, s hooks.Subscription) error {
			found, err := t.find("AuthorizeSubscribe", map[string]any{"session": plainAsking(s.Session), "stream": s.Stream})
			if err == nil && !*found.Answer.Allow {
				return hooks.Refuse("")
			}
			return err
		},
		AuthorizePublish: func(_ context.Context, p hooks.Publication) (hooks.Accept, error) {
			found, err := t.find("AuthorizePublish", map[string]any{
				"session": plainAsking(p.Session), "stream": p.Stream, "event": p.Event, "data": p.Data,
			})
			if err != nil {
				return hooks.Accept{}, err
			}
			return found.accept(), nil
		},
		OnClientEvent: func(_ context.Context, e hooks.ClientEvent) (hooks.Outcome, error) {
			found, err := t.find("OnClientEvent", map[string]any{
				"session": plainAsking(e.Session), "event": e.Event, "data": e.Data,
			})
			if err != nil {
				return nil, err
			}
			if found.Answer.Accept != nil {
				return found.accept(), nil
			}
			return hooks.Answer{Data: found.Answer.Answer}, nil
		},
	}
}

func (r row) accept() hooks.Accept {
	said := hooks.Accept{Event: r.Answer.Accept.Event}
	if r.Answer.Accept.Data != nil {
		said.Data = r.Answer.Accept.Data
	}
	return said
}

// find returns the first row that fits. Its refusal is an error, as where there is none.
func (t table) find(method string, asked map[string]any) (row, error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return row{}, err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return row{}, err
	}
	for _, each := range t {
		if each.Asks == method && (each.Of == nil || fits(each.Of, plain)) {
			if each.Answer.Refuse != nil {
				return row{}, hooks.Refuse(*each.Answer.Refuse)
			}
			return each, nil
		}
	}
	return row{}, errors.New("the scenario has no answer")
}

// fits compares, of objects, only the keys of the pattern, unless it has none.
func fits(pattern, asked any) bool {
	wanted, isObject := pattern.(map[string]any)
	object, areObjects := asked.(map[string]any)
	if !isObject || !areObjects || len(wanted) == 0 {
		return reflect.DeepEqual(pattern, asked)
	}
	for key, value := range wanted {
		if said, ok := object[key]; !ok || !fits(value, said) {
			return false
		}
	}
	return true
}

func plainAsking(s hooks.Session) map[string]any {
	return map[string]any{
		"app": s.App, "session_id": s.ID, "user_id": s.UserID, "name": s.Name, "roles": listOf(s.Roles),
		"labels": mapOf(s.Labels),
	}
}
