"""Every call of carillon.v1.SchemaService, as calls.py has those of ControlService. Each may be done twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message as ProtobufMessage

from carillon_client._pb import schema_pb2
from carillon_client.calls import Call, Listing, time_of
from carillon_client.options import make_event
from carillon_client.schema_results import Binding, DescriptorSet, Registered, Schemas, SchemaType, Validation, Violation

_SERVICE = "SchemaService"


def descriptors_of(*types: type[ProtobufMessage]) -> bytes:
    """The files of message classes, and all that they import: what register_descriptors() takes."""
    files = FileDescriptorSet()
    seen: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for imported in file.dependencies:
            add(imported)
        file.CopyToProto(files.file.add())

    for each in types:
        add(each.DESCRIPTOR.file)
    return bytes(files.SerializeToString())


def register_descriptors(name: str, descriptor_set: bytes, *, timeout: float | None = None) -> Call[Registered]:
    """Registers a set of descriptors, or puts it in the place of the set of that name: all or nothing.

    descriptor_set  A FileDescriptorSet with its imports, as protoc --include_imports --descriptor_set_out writes it, or
                    descriptors_of() message classes. b"" takes the set away.

    Raises InvalidArgument where it does not link, and FailedPrecondition where a binding would lose its type (reason
    SCHEMA_IN_USE), the configuration has a set of that name (SCHEMA_CONFIGURED), or it is too much (SCHEMA_LIMIT). It
    lives in the gateway's memory: register it again when your service starts. Verb: admin, and a key for all streams.
    """
    request = schema_pb2.RegisterDescriptorsRequest(name=name, descriptor_set=descriptor_set)
    return Call("RegisterDescriptors", request, _registered_of, timeout, service=_SERVICE)


def bind_stream(stream: str, event: str, type: str, *, timeout: float | None = None) -> Call[bool]:
    """Binds streams (a pattern: * ? [a-z]) and events (a name, or the beginning of names and a *) to a message type by its
    full name; "" takes the binding away. The answer is whether there was one. It lives in the gateway's memory.

    Raises FailedPrecondition where no set has the type (reason TYPE_UNKNOWN), the configuration has the binding
    (SCHEMA_CONFIGURED), or there are too many (SCHEMA_LIMIT). Verb: admin, and a key for all streams.
    """
    request = schema_pb2.BindStreamRequest(stream=stream, event=event, type=type)
    return Call("BindStream", request, _replaced_of, timeout, service=_SERVICE)


def list_schemas(*, page_size: int = 0, timeout: float | None = None) -> Listing[SchemaType, Schemas]:
    """Lists the message types that there are, in the order of their names; head() has the sets and the bindings.

    Pages hold at most page_size types (0: 100; at most 1,000). Verb: read, and a key for all streams.
    """
    request = schema_pb2.ListSchemasRequest(page_size=page_size)
    return Listing("ListSchemas", request, _types_of, _schemas_of, timeout, _SERVICE)


def validate(stream: str, *, event: str, data: object = None, timeout: float | None = None) -> Call[Validation]:
    """Checks an event as a publish to the stream would, and publishes nothing. Verb: read."""
    request = schema_pb2.ValidateRequest(stream=stream, event=make_event(event, data, None))
    return Call("Validate", request, _validation_of, timeout, service=_SERVICE)


# --- Reading responses ------------------------------------------------------------------------------------------------


def _registered_of(response: schema_pb2.RegisterDescriptorsResponse) -> Registered:
    return Registered(response.types, response.replaced)


def _replaced_of(response: schema_pb2.BindStreamResponse) -> bool:
    return response.replaced


def _types_of(response: Any) -> Iterable[SchemaType]:
    for each in response.types:
        yield SchemaType(each.type, each.set)


def _schemas_of(response: schema_pb2.ListSchemasResponse) -> Schemas:
    return Schemas(
        tuple(
            DescriptorSet(each.name, each.configured, each.types, each.bytes, time_of(each.register_time))
            for each in response.sets
        ),
        tuple(
            Binding(each.stream, each.event, each.type, each.configured, each.type_missing) for each in response.bindings
        ),
    )


def _validation_of(response: schema_pb2.ValidateResponse) -> Validation:
    violations = tuple(Violation(each.field, each.description) for each in response.violations)
    return Validation(response.type, violations, response.json)
