from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthenticateRequest(_message.Message):
    __slots__ = ["address", "app", "cookies", "endpoint", "handshake_json", "headers", "origin", "query", "token"]
    class CookiesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeadersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class QueryEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    COOKIES_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    HANDSHAKE_JSON_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    address: str
    app: str
    cookies: _containers.ScalarMap[str, str]
    endpoint: str
    handshake_json: str
    headers: _containers.ScalarMap[str, str]
    origin: str
    query: _containers.ScalarMap[str, str]
    token: str
    def __init__(self, app: _Optional[str] = ..., endpoint: _Optional[str] = ..., address: _Optional[str] = ..., origin: _Optional[str] = ..., token: _Optional[str] = ..., cookies: _Optional[_Mapping[str, str]] = ..., headers: _Optional[_Mapping[str, str]] = ..., query: _Optional[_Mapping[str, str]] = ..., handshake_json: _Optional[str] = ...) -> None: ...

class AuthenticateResponse(_message.Message):
    __slots__ = ["refusal", "user"]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    refusal: HookRefusal
    user: HookUser
    def __init__(self, user: _Optional[_Union[HookUser, _Mapping]] = ..., refusal: _Optional[_Union[HookRefusal, _Mapping]] = ...) -> None: ...

class AuthorizePublishRequest(_message.Message):
    __slots__ = ["event", "json", "session", "stream"]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    event: str
    json: str
    session: HookSession
    stream: str
    def __init__(self, session: _Optional[_Union[HookSession, _Mapping]] = ..., stream: _Optional[str] = ..., event: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class AuthorizePublishResponse(_message.Message):
    __slots__ = ["accept", "refusal"]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    accept: HookAccept
    refusal: HookRefusal
    def __init__(self, accept: _Optional[_Union[HookAccept, _Mapping]] = ..., refusal: _Optional[_Union[HookRefusal, _Mapping]] = ...) -> None: ...

class AuthorizeSubscribeRequest(_message.Message):
    __slots__ = ["session", "stream"]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    session: HookSession
    stream: str
    def __init__(self, session: _Optional[_Union[HookSession, _Mapping]] = ..., stream: _Optional[str] = ...) -> None: ...

class AuthorizeSubscribeResponse(_message.Message):
    __slots__ = ["allowed", "message"]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    message: str
    def __init__(self, allowed: bool = ..., message: _Optional[str] = ...) -> None: ...

class HookAccept(_message.Message):
    __slots__ = ["event", "json"]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    event: str
    json: str
    def __init__(self, event: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class HookAnswer(_message.Message):
    __slots__ = ["json"]
    JSON_FIELD_NUMBER: _ClassVar[int]
    json: str
    def __init__(self, json: _Optional[str] = ...) -> None: ...

class HookRefusal(_message.Message):
    __slots__ = ["message"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class HookSession(_message.Message):
    __slots__ = ["app", "labels", "name", "roles", "session_id", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    APP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    labels: _containers.ScalarMap[str, str]
    name: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    user_id: str
    def __init__(self, app: _Optional[str] = ..., session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., name: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class HookUser(_message.Message):
    __slots__ = ["expires_at", "info_json", "labels", "name", "roles", "streams", "token_id", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    INFO_JSON_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    expires_at: _timestamp_pb2.Timestamp
    info_json: str
    labels: _containers.ScalarMap[str, str]
    name: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    streams: _containers.RepeatedScalarFieldContainer[str]
    token_id: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., name: _Optional[str] = ..., info_json: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., streams: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., token_id: _Optional[str] = ...) -> None: ...

class OnClientEventRequest(_message.Message):
    __slots__ = ["event", "json", "session"]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    event: str
    json: str
    session: HookSession
    def __init__(self, session: _Optional[_Union[HookSession, _Mapping]] = ..., event: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class OnClientEventResponse(_message.Message):
    __slots__ = ["accept", "answer", "refusal"]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    accept: HookAccept
    answer: HookAnswer
    refusal: HookRefusal
    def __init__(self, accept: _Optional[_Union[HookAccept, _Mapping]] = ..., refusal: _Optional[_Union[HookRefusal, _Mapping]] = ..., answer: _Optional[_Union[HookAnswer, _Mapping]] = ...) -> None: ...
