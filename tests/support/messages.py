"""The few public messages that Debian packages no Python stubs for: google.rpc error details, gRPC health and
reflection. Built here, in a pool of their own, with the fields that the tests look at."""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {"string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "int32": _Field.TYPE_INT32}

_pool = descriptor_pool.DescriptorPool()
for _known in (any_pb2, duration_pb2):
    _pool.AddSerializedFile(_known.DESCRIPTOR.serialized_pb)


def _define(package: str, schema: dict[str, list[str]]) -> list[Any]:
    """The classes of a package's messages. A field is written "type name number", a list as "type* name number"."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend(["google/protobuf/any.proto", "google/protobuf/duration.proto"])
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for line in fields:
            kind, field_name, number = line.split()
            field = message.field.add(name=field_name, number=int(number))
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{kind}" if "." in kind else f".{package}.{kind}"
    _pool.Add(file)
    factory = message_factory.MessageFactory(_pool)
    return [factory.GetPrototype(_pool.FindMessageTypeByName(f"{package}.{name}")) for name in schema]


Status, ErrorInfo, RetryInfo, _, BadRequest = _define(
    "google.rpc",
    {
        "Status": ["int32 code 1", "string message 2", "google.protobuf.Any* details 3"],
        "ErrorInfo": ["string reason 1", "string domain 2"],
        "RetryInfo": ["google.protobuf.Duration retry_delay 1"],
        "FieldViolation": ["string field 1", "string description 2"],
        "BadRequest": ["FieldViolation* field_violations 1"],
    },
)

HEALTH = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}

HealthRequest, HealthResponse = _define(
    "grpc.health.v1", {"HealthCheckRequest": ["string service 1"], "HealthCheckResponse": ["int32 status 1"]}
)

# Both versions of reflection are the same on the wire.
ReflectionRequest, _, _, _, _, ReflectionResponse = _define(
    "grpc.reflection",
    {
        "ServerReflectionRequest": [
            "string host 1",
            "string file_by_filename 3",
            "string file_containing_symbol 4",
            "string all_extension_numbers_of_type 6",
            "string list_services 7",
        ],
        "Files": ["bytes* file_descriptor_proto 1"],
        "Service": ["string name 1"],
        "Services": ["Service* service 1"],
        "Error": ["int32 error_code 1", "string error_message 2"],
        "ServerReflectionResponse": [
            "Files file_descriptor_response 4",
            "Services list_services_response 6",
            "Error error_response 7",
        ],
    },
)
