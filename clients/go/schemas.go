package carillon

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"carillon.dev/clients/go/carillonv1"
)

// Registered is what became of a set of descriptors.
type Registered struct {
	// Types is how many message types it has. 0: it was taken away.
	Types int

	// Replaced is true where there was a set of that name.
	Replaced bool
}

// Schemas is what a gateway knows of typed events.
type Schemas struct {
	// Sets in the order in which they count.
	Sets []DescriptorSet

	// Bindings in the order in which they count.
	Bindings []Binding

	// Types in the order of their names.
	Types []SchemaType
}

// DescriptorSet is a set of descriptors.
type DescriptorSet struct {
	// Name is what it is called.
	Name string

	// Configured is true where the gateway's configuration has it.
	Configured bool

	// Types is how many message types it has.
	Types int

	// Bytes is its size.
	Bytes uint64

	// RegisterTime is when it was registered or loaded, by the gateway's clock.
	RegisterTime time.Time
}

// Binding is what streams and events are bound to.
type Binding struct {
	// Stream is a pattern: "*" stands for any characters, "?" for one, [a-z] for a set.
	Stream string

	// Event is a name, or the beginning of names and a "*".
	Event string

	// Type is the full name of the message type.
	Type string

	// Configured is true where the gateway's configuration has it.
	Configured bool

	// TypeMissing is true where no set has the type (any more): every publish there is refused until one has.
	TypeMissing bool
}

// SchemaType is a message type.
type SchemaType struct {
	// Type is its full name.
	Type string

	// Set is the set that it is taken from.
	Set string
}

// Validation is what would become of an event.
type Validation struct {
	// Type is what it is checked as. Empty: nothing, any JSON is good.
	Type string

	// Violations are what is wrong, at most 16. Empty: it would be published.
	Violations []FieldViolation

	// JSON is the payload as subscribers would get it. Empty where something is wrong.
	JSON string
}

// DescriptorsOf returns the files of the messages' types, and all that they import: what [Client.RegisterDescriptors]
// takes.
func DescriptorsOf(messages ...proto.Message) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, message := range messages {
		add(message.ProtoReflect().Descriptor().ParentFile())
	}
	return set
}

// RegisterDescriptors registers a set of descriptors, or puts it in the place of the set of that name: all or nothing.
// Nil takes the set away. It lives in the gateway's memory: register it again when your service starts.
//
// codes.InvalidArgument where it does not link; codes.FailedPrecondition where a binding would lose its type (reason
// SCHEMA_IN_USE), the gateway's configuration has a set of that name (SCHEMA_CONFIGURED), or it is too much
// (SCHEMA_LIMIT). Verb: admin, and a key for all streams.
func (c *Client) RegisterDescriptors(
	ctx context.Context, name string, files *descriptorpb.FileDescriptorSet,
) (Registered, error) {
	bytes, err := proto.Marshal(files)
	if err != nil {
		return Registered{}, invalid("files", err.Error(), err)
	}
	req := &carillonv1.RegisterDescriptorsRequest{Name: name, DescriptorSet: bytes}
	resp, err := call(ctx, c, repeatable, c.schemas.RegisterDescriptors, req)
	return Registered{Types: int(resp.GetTypes()), Replaced: resp.GetReplaced()}, err
}

// BindStream binds streams (a pattern, as in [Binding]) and events (a name, or the beginning of names and a "*") to a
// message type by its full name; an empty one takes the binding away. The answer is whether there was one. It lives in
// the gateway's memory.
//
// codes.FailedPrecondition where no set has the type (reason TYPE_UNKNOWN), the gateway's configuration has the binding
// (SCHEMA_CONFIGURED), or there are too many (SCHEMA_LIMIT). Verb: admin, and a key for all streams.
func (c *Client) BindStream(ctx context.Context, stream, event, messageType string) (replaced bool, err error) {
	req := &carillonv1.BindStreamRequest{Stream: stream, Event: event, Type: messageType}
	resp, err := call(ctx, c, repeatable, c.schemas.BindStream, req)
	return resp.GetReplaced(), err
}

// ListSchemas returns the sets, the bindings and the types that there are. It asks for pages as [PageSize] says. Verb:
// read, and a key for all streams.
func (c *Client) ListSchemas(ctx context.Context, opts ...ListOption) (Schemas, error) {
	var result Schemas
	types := list(ctx, c, c.schemas.ListSchemas,
		func() *carillonv1.ListSchemasRequest {
			return &carillonv1.ListSchemasRequest{PageSize: pageSizeOf(opts)}
		},
		func(req *carillonv1.ListSchemasRequest, token string) { req.PageToken = token },
		func(resp *carillonv1.ListSchemasResponse, yield func(SchemaType) bool) (string, bool) {
			for _, s := range resp.GetSets() {
				result.Sets = append(result.Sets, descriptorSet(s))
			}
			for _, b := range resp.GetBindings() {
				result.Bindings = append(result.Bindings, binding(b))
			}
			return resp.GetNextPageToken(), each(resp.GetTypes(), schemaType, yield)
		}, nil)
	for each, err := range types {
		if err != nil {
			return Schemas{}, err
		}
		result.Types = append(result.Types, each)
	}
	return result, nil
}

// Validate checks an event as a publish to the stream would, and publishes nothing. Verb: read.
func (c *Client) Validate(ctx context.Context, stream string, event Event) (Validation, error) {
	message, err := encode(event)
	if err != nil {
		return Validation{}, err
	}
	req := &carillonv1.ValidateRequest{Stream: stream, Event: message}
	resp, err := call(ctx, c, repeatable, c.schemas.Validate, req)
	result := Validation{Type: resp.GetType(), JSON: resp.GetJson()}
	for _, v := range resp.GetViolations() {
		result.Violations = append(result.Violations, FieldViolation{v.GetField(), v.GetDescription()})
	}
	return result, err
}

func descriptorSet(s *carillonv1.SchemaSet) DescriptorSet {
	return DescriptorSet{
		Name: s.GetName(), Configured: s.GetConfigured(), Types: int(s.GetTypes()), Bytes: s.GetBytes(),
		RegisterTime: s.GetRegisterTime().AsTime(),
	}
}

func binding(b *carillonv1.SchemaBinding) Binding {
	return Binding{
		Stream: b.GetStream(), Event: b.GetEvent(), Type: b.GetType(), Configured: b.GetConfigured(),
		TypeMissing: b.GetTypeMissing(),
	}
}

func schemaType(t *carillonv1.SchemaType) SchemaType {
	return SchemaType{Type: t.GetType(), Set: t.GetSet()}
}
