// Speaker is the Go side of tests/scenarios: it reads one thing to do a line, as JSON, does it with the client, and answers
// with one line. tests/scenarios/speaker.py says how.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"regexp"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	carillon "carillon.dev/clients/go"
)

// order is one thing to do.
type order struct {
	Do      string
	Address string
	Key     string
	App     string
	Call    string
	Name    string // of a watch
	With    arguments
	Listen  string // of a backend
	Answers []row
}

// place is where a client is connected, and as whom.
type place struct{ address, key, app string }

// speaker is what is open.
type speaker struct {
	clients map[place]*carillon.Client
	watches map[string]*watch
	backend *grpc.Server // nil: it is not asked
}

func main() {
	s := speaker{clients: map[place]*carillon.Client{}, watches: map[string]*watch{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var o order
		orders := json.NewDecoder(strings.NewReader(lines.Text()))
		orders.DisallowUnknownFields()
		if err := orders.Decode(&o); err != nil {
			log.Fatal(err)
		}
		result, err := s.do(context.Background(), o)
		answer := map[string]any{"ok": result}
		if failed := (*carillon.Error)(nil); errors.As(err, &failed) {
			answer = map[string]any{"refused": refusal(failed)}
		} else if err != nil {
			log.Fatal(err)
		}
		text, err := json.Marshal(answer)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(text))
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func (s *speaker) do(ctx context.Context, o order) (any, error) {
	switch o.Do {
	case "call":
		run, ok := calls[o.Call]
		if !ok {
			return nil, fmt.Errorf("there is no call %q", o.Call)
		}
		client, err := s.client(o)
		if err != nil {
			return nil, err
		}
		return run(ctx, client, o.With)
	case "watch":
		client, err := s.client(o)
		if err != nil {
			return nil, err
		}
		begun, err := begin(client, o.With)
		if err != nil {
			return nil, err
		}
		s.watches[o.Name] = begun
	case "event":
		return s.watches[o.Name].event()
	case "unwatch":
		s.watches[o.Name].leave()
		delete(s.watches, o.Name)
	case "answer":
		var err error
		s.backend, err = serve(o.Listen, o.Key, o.Answers)
		if err != nil {
			return nil, err
		}
	case "reset":
		if s.backend != nil {
			s.backend.Stop()
			s.backend = nil
		}
		for name, open := range s.watches {
			open.leave()
			delete(s.watches, name)
		}
		for where, client := range s.clients {
			_ = client.Close()
			delete(s.clients, where)
		}
	default:
		return nil, fmt.Errorf("there is nothing like %q to do", o.Do)
	}
	return map[string]any{}, nil
}

func (s *speaker) client(o order) (*carillon.Client, error) {
	where := place{o.Address, o.Key, o.App}
	if client, ok := s.clients[where]; ok {
		return client, nil
	}
	client, err := carillon.New(o.Address, carillon.WithToken(o.Key), carillon.WithApp(o.App))
	if err == nil {
		s.clients[where] = client
	}
	return client, err
}

var inner = regexp.MustCompile("([a-z])([A-Z])")

func refusal(failed *carillon.Error) map[string]any {
	fields := []string{}
	for _, violation := range failed.Violations {
		fields = append(fields, violation.Field)
	}
	return map[string]any{
		"code":    codeName(failed.Code),
		"reason":  failed.Reason,
		"fields":  fields,
		"message": failed.Message,
	}
}

// codeName is what the protocol calls a code: INVALID_ARGUMENT.
func codeName(code codes.Code) string {
	return strings.ToUpper(inner.ReplaceAllString(code.String(), "${1}_$2"))
}
