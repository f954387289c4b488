package carillon

import (
	"encoding/json"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"carillon.dev/clients/go/carillonv1"
)

// Event is what clients receive.
type Event struct {
	// Name is what clients dispatch on: 1 to 128 bytes.
	Name string

	// Data is one of
	//
	//	nil                arrives as null
	//	json.RawMessage    ready JSON, checked by the gateway and sent byte for byte
	//	[]byte             JSON clients receive a base64 string
	//	proto.Message      a message of a type that the gateway knows: protobuf's own, and see
	//	                   [Client.RegisterDescriptors]; of others codes.FailedPrecondition, reason TYPE_UNKNOWN
	//	anything else      goes through json.Marshal
	//
	// At most 512 KiB of text, unless the gateway is configured otherwise. Where the same data goes out many times,
	// marshal it once and give the json.RawMessage.
	Data any

	// Meta reaches clients in "meta": at most 32 entries, with keys of at most 64 bytes of [A-Za-z0-9._-], and values of
	// at most 1,024 bytes. The keys id, ts, offset, epoch and log are refused.
	Meta map[string]string
}

// Position is where a message stands in its log, or an event in its feed. Offsets of different epochs cannot be
// compared.
type Position struct {
	// Epoch is the life of the log: made anew whenever the log is lost or cleared.
	Epoch string

	// Offset is the message's number, from 1. 0 is before the first.
	Offset uint64
}

func (p Position) proto() *carillonv1.Position {
	return &carillonv1.Position{Epoch: p.Epoch, Offset: p.Offset}
}

func position(p *carillonv1.Position) Position {
	return Position{Epoch: p.GetEpoch(), Offset: p.GetOffset()}
}

func optionalPosition(p *carillonv1.Position) *Position {
	if p == nil {
		return nil
	}
	result := position(p)
	return &result
}

func encode(event Event) (*carillonv1.Event, error) {
	message := &carillonv1.Event{Name: event.Name, Meta: event.Meta}
	switch data := event.Data.(type) {
	case nil:
	case []byte:
		message.Payload = &carillonv1.Event_Binary{Binary: data}
	case json.RawMessage:
		if data == nil { // as json.Marshal has it
			data = json.RawMessage("null")
		}
		message.Payload = &carillonv1.Event_Json{Json: string(data)}
	case proto.Message:
		typed, err := anypb.New(data)
		if err != nil {
			return nil, invalid("event.data", err.Error(), err)
		}
		message.Payload = &carillonv1.Event_Message{Message: typed}
	default:
		text, err := json.Marshal(data)
		if err != nil {
			return nil, invalid("event.data", err.Error(), err)
		}
		message.Payload = &carillonv1.Event_Json{Json: string(text)}
	}
	return message, nil
}
