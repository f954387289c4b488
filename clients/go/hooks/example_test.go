package hooks_test

import (
	"context"
	"encoding/json"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	"carillon.dev/clients/go/hooks"
)

// Text is what people say to each other.
type Text struct {
	From string `json:"from"`
	Text string `json:"text"`
}

func Example() {
	sessions := map[string]hooks.User{"s3cret": {ID: "alice", Name: "Alice", Roles: []string{"staff"}}}
	handler := hooks.Handler{
		Authenticate: func(ctx context.Context, shown hooks.Credentials) (hooks.User, error) {
			user, ok := sessions[shown.Cookies["sid"]]
			if !ok {
				return hooks.User{}, hooks.Refuse("please log in")
			}
			return user, nil
		},
		AuthorizeSubscribe: func(ctx context.Context, asked hooks.Subscription) error {
			if asked.Session.HasRole("staff") {
				return nil
			}
			return hooks.Refuse("for staff alone")
		},
		AuthorizePublish: func(ctx context.Context, asked hooks.Publication) (hooks.Accept, error) {
			var said Text
			if err := json.Unmarshal(asked.Data, &said); err != nil {
				return hooks.Accept{}, hooks.Refuse("say it with text")
			}
			said.From = asked.Session.Name
			return hooks.Accept{Data: said}, nil
		},
		OnClientEvent: func(ctx context.Context, asked hooks.ClientEvent) (hooks.Outcome, error) {
			if asked.Event == "quiz.guess" {
				return hooks.Answer{Data: string(asked.Data) == "42"}, nil
			}
			return hooks.Accept{}, nil
		},
	}

	server := grpc.NewServer()
	if err := hooks.Register(server, handler, hooks.WithKey(os.Getenv("HOOKS_KEY"))); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:9000")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Serve(listener))
}
