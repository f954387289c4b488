from . import envelope_pb2 as _envelope_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BindStreamRequest(_message.Message):
    __slots__ = ["app", "event", "stream", "type"]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    app: str
    event: str
    stream: str
    type: str
    def __init__(self, app: _Optional[str] = ..., stream: _Optional[str] = ..., event: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class BindStreamResponse(_message.Message):
    __slots__ = ["replaced"]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    replaced: bool
    def __init__(self, replaced: bool = ...) -> None: ...

class ListSchemasRequest(_message.Message):
    __slots__ = ["app", "page_size", "page_token"]
    APP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    app: str
    page_size: int
    page_token: str
    def __init__(self, app: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSchemasResponse(_message.Message):
    __slots__ = ["bindings", "next_page_token", "sets", "types"]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[SchemaBinding]
    next_page_token: str
    sets: _containers.RepeatedCompositeFieldContainer[SchemaSet]
    types: _containers.RepeatedCompositeFieldContainer[SchemaType]
    def __init__(self, sets: _Optional[_Iterable[_Union[SchemaSet, _Mapping]]] = ..., bindings: _Optional[_Iterable[_Union[SchemaBinding, _Mapping]]] = ..., types: _Optional[_Iterable[_Union[SchemaType, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RegisterDescriptorsRequest(_message.Message):
    __slots__ = ["app", "descriptor_set", "name"]
    APP_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    app: str
    descriptor_set: bytes
    name: str
    def __init__(self, app: _Optional[str] = ..., name: _Optional[str] = ..., descriptor_set: _Optional[bytes] = ...) -> None: ...

class RegisterDescriptorsResponse(_message.Message):
    __slots__ = ["replaced", "types"]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    replaced: bool
    types: int
    def __init__(self, types: _Optional[int] = ..., replaced: bool = ...) -> None: ...

class SchemaBinding(_message.Message):
    __slots__ = ["configured", "event", "stream", "type", "type_missing"]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_MISSING_FIELD_NUMBER: _ClassVar[int]
    configured: bool
    event: str
    stream: str
    type: str
    type_missing: bool
    def __init__(self, stream: _Optional[str] = ..., event: _Optional[str] = ..., type: _Optional[str] = ..., configured: bool = ..., type_missing: bool = ...) -> None: ...

class SchemaSet(_message.Message):
    __slots__ = ["bytes", "configured", "name", "register_time", "types"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGISTER_TIME_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    configured: bool
    name: str
    register_time: _timestamp_pb2.Timestamp
    types: int
    def __init__(self, name: _Optional[str] = ..., configured: bool = ..., types: _Optional[int] = ..., bytes: _Optional[int] = ..., register_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SchemaType(_message.Message):
    __slots__ = ["set", "type"]
    SET_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    set: str
    type: str
    def __init__(self, type: _Optional[str] = ..., set: _Optional[str] = ...) -> None: ...

class SchemaViolation(_message.Message):
    __slots__ = ["description", "field"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    description: str
    field: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ["app", "event", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    event: _envelope_pb2.Event
    stream: str
    def __init__(self, app: _Optional[str] = ..., stream: _Optional[str] = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ["json", "type", "violations"]
    JSON_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    json: str
    type: str
    violations: _containers.RepeatedCompositeFieldContainer[SchemaViolation]
    def __init__(self, type: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[SchemaViolation, _Mapping]]] = ..., json: _Optional[str] = ...) -> None: ...
