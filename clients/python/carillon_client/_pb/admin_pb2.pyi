from . import envelope_pb2 as _envelope_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DRAIN_STATE_DRAINED: DrainState
DRAIN_STATE_DRAINING: DrainState
DRAIN_STATE_SERVING: DrainState
DRAIN_STATE_UNSPECIFIED: DrainState
HOOK_BREAKER_CLOSED: HookBreaker
HOOK_BREAKER_OPEN: HookBreaker
HOOK_BREAKER_PROBING: HookBreaker
HOOK_BREAKER_UNSPECIFIED: HookBreaker
TAIL_DIRECTION_IN: TailDirection
TAIL_DIRECTION_OUT: TailDirection
TAIL_DIRECTION_UNSPECIFIED: TailDirection
TAIL_END_MAX_AGE: TailEnd
TAIL_END_SESSION_GONE: TailEnd
TAIL_END_UNSPECIFIED: TailEnd

class Backlog(_message.Message):
    __slots__ = ["age", "bytes", "messages", "messages_lost"]
    AGE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_LOST_FIELD_NUMBER: _ClassVar[int]
    age: _duration_pb2.Duration
    bytes: int
    messages: int
    messages_lost: int
    def __init__(self, messages: _Optional[int] = ..., bytes: _Optional[int] = ..., age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., messages_lost: _Optional[int] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ["app_name", "delay", "endpoint", "exit", "node", "undo", "window"]
    APP_NAME_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    app_name: str
    delay: _duration_pb2.Duration
    endpoint: str
    exit: bool
    node: bool
    undo: bool
    window: _duration_pb2.Duration
    def __init__(self, node: bool = ..., app_name: _Optional[str] = ..., endpoint: _Optional[str] = ..., undo: bool = ..., exit: bool = ..., window: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ["changed", "nodes_answered", "nodes_expected", "partial", "status"]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    nodes_answered: int
    nodes_expected: int
    partial: bool
    status: DrainStatus
    def __init__(self, status: _Optional[_Union[DrainStatus, _Mapping]] = ..., changed: bool = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class DrainStatus(_message.Message):
    __slots__ = ["app_name", "asked_by", "begin_time", "endpoint", "exit", "node", "sessions", "state"]
    APP_NAME_FIELD_NUMBER: _ClassVar[int]
    ASKED_BY_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    app_name: str
    asked_by: str
    begin_time: _timestamp_pb2.Timestamp
    endpoint: str
    exit: bool
    node: bool
    sessions: int
    state: DrainState
    def __init__(self, node: bool = ..., app_name: _Optional[str] = ..., endpoint: _Optional[str] = ..., state: _Optional[_Union[DrainState, str]] = ..., sessions: _Optional[int] = ..., begin_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., asked_by: _Optional[str] = ..., exit: bool = ...) -> None: ...

class GetConfigRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetConfigResponse(_message.Message):
    __slots__ = ["yaml"]
    YAML_FIELD_NUMBER: _ClassVar[int]
    yaml: str
    def __init__(self, yaml: _Optional[str] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ["app", "measure_for", "session_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FOR_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    measure_for: _duration_pb2.Duration
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., measure_for: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ["rates", "session", "streams"]
    RATES_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    rates: SessionRates
    session: Session
    streams: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., streams: _Optional[_Iterable[str]] = ..., rates: _Optional[_Union[SessionRates, _Mapping]] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ["app", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    stream: str
    def __init__(self, stream: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class GetStreamResponse(_message.Message):
    __slots__ = ["description", "log", "members", "nodes_answered", "nodes_expected", "rule", "stream"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    description: str
    log: StreamLog
    members: int
    nodes_answered: int
    nodes_expected: int
    rule: str
    stream: Stream
    def __init__(self, stream: _Optional[_Union[Stream, _Mapping]] = ..., rule: _Optional[str] = ..., description: _Optional[str] = ..., members: _Optional[int] = ..., log: _Optional[_Union[StreamLog, _Mapping]] = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class HookStatus(_message.Message):
    __slots__ = ["address", "answered", "breaker", "name", "pending", "shed", "unanswered"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SHED_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    address: str
    answered: int
    breaker: HookBreaker
    name: str
    pending: int
    shed: int
    unanswered: int
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., breaker: _Optional[_Union[HookBreaker, str]] = ..., pending: _Optional[int] = ..., answered: _Optional[int] = ..., unanswered: _Optional[int] = ..., shed: _Optional[int] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ["nodes", "nodes_answered", "nodes_expected"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    nodes_answered: int
    nodes_expected: int
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ["app", "labels", "page_size", "page_token", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    APP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    labels: _containers.ScalarMap[str, str]
    page_size: int
    page_token: str
    user_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., user_id: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., app: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ["next_page_token", "nodes_answered", "nodes_expected", "partial", "sessions"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ["app", "min_sessions", "page_size", "page_token", "pattern"]
    APP_FIELD_NUMBER: _ClassVar[int]
    MIN_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    app: str
    min_sessions: int
    page_size: int
    page_token: str
    pattern: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., pattern: _Optional[str] = ..., min_sessions: _Optional[int] = ..., app: _Optional[str] = ...) -> None: ...

class ListStreamsResponse(_message.Message):
    __slots__ = ["next_page_token", "nodes_answered", "nodes_expected", "partial", "streams"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    streams: _containers.RepeatedCompositeFieldContainer[Stream]
    def __init__(self, streams: _Optional[_Iterable[_Union[Stream, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ["draining", "drains", "hooks", "node_id", "sessions", "shards", "started_time", "version"]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    DRAINS_FIELD_NUMBER: _ClassVar[int]
    HOOKS_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    STARTED_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    drains: _containers.RepeatedCompositeFieldContainer[DrainStatus]
    hooks: _containers.RepeatedCompositeFieldContainer[HookStatus]
    node_id: str
    sessions: int
    shards: int
    started_time: _timestamp_pb2.Timestamp
    version: str
    def __init__(self, node_id: _Optional[str] = ..., version: _Optional[str] = ..., started_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., sessions: _Optional[int] = ..., shards: _Optional[int] = ..., draining: bool = ..., drains: _Optional[_Iterable[_Union[DrainStatus, _Mapping]]] = ..., hooks: _Optional[_Iterable[_Union[HookStatus, _Mapping]]] = ...) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ["changed", "need_restart"]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    NEED_RESTART_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedCompositeFieldContainer[SettingChange]
    need_restart: _containers.RepeatedCompositeFieldContainer[SettingChange]
    def __init__(self, changed: _Optional[_Iterable[_Union[SettingChange, _Mapping]]] = ..., need_restart: _Optional[_Iterable[_Union[SettingChange, _Mapping]]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ["address", "age", "backlog", "connected_time", "endpoint", "labels", "messages_queued", "messages_said", "name", "roles", "session_id", "streams", "token_expire_time", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_TIME_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_QUEUED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_SAID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    address: str
    age: _duration_pb2.Duration
    backlog: Backlog
    connected_time: _timestamp_pb2.Timestamp
    endpoint: str
    labels: _containers.ScalarMap[str, str]
    messages_queued: int
    messages_said: int
    name: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    streams: int
    token_expire_time: _timestamp_pb2.Timestamp
    user_id: str
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., name: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., address: _Optional[str] = ..., endpoint: _Optional[str] = ..., connected_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., streams: _Optional[int] = ..., backlog: _Optional[_Union[Backlog, _Mapping]] = ..., messages_queued: _Optional[int] = ..., messages_said: _Optional[int] = ..., token_expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SessionRates(_message.Message):
    __slots__ = ["measured", "queued", "said"]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    SAID_FIELD_NUMBER: _ClassVar[int]
    measured: _duration_pb2.Duration
    queued: float
    said: float
    def __init__(self, queued: _Optional[float] = ..., said: _Optional[float] = ..., measured: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SettingChange(_message.Message):
    __slots__ = ["setting", "to"]
    FROM_FIELD_NUMBER: _ClassVar[int]
    SETTING_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    setting: str
    to: str
    def __init__(self, setting: _Optional[str] = ..., to: _Optional[str] = ..., **kwargs) -> None: ...

class Stream(_message.Message):
    __slots__ = ["sessions", "stream"]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    stream: str
    def __init__(self, stream: _Optional[str] = ..., sessions: _Optional[int] = ...) -> None: ...

class StreamLog(_message.Message):
    __slots__ = ["oldest_offset", "oldest_time", "top"]
    OLDEST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    oldest_offset: int
    oldest_time: _timestamp_pb2.Timestamp
    top: _envelope_pb2.Position
    def __init__(self, top: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., oldest_offset: _Optional[int] = ..., oldest_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TailBegun(_message.Message):
    __slots__ = ["end_time", "sessions"]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    end_time: _timestamp_pb2.Timestamp
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TailField(_message.Message):
    __slots__ = ["name", "type"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class TailFrame(_message.Message):
    __slots__ = ["action", "bytes", "direction", "event", "fields", "meta", "payload", "payload_bytes", "payload_cut", "payload_type", "secret", "session_id", "stream", "time"]
    class MetaEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    META_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_CUT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_TYPE_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    action: str
    bytes: int
    direction: TailDirection
    event: str
    fields: _containers.RepeatedCompositeFieldContainer[TailField]
    meta: _containers.ScalarMap[str, str]
    payload: str
    payload_bytes: int
    payload_cut: bool
    payload_type: str
    secret: bool
    session_id: str
    stream: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., direction: _Optional[_Union[TailDirection, str]] = ..., session_id: _Optional[str] = ..., action: _Optional[str] = ..., stream: _Optional[str] = ..., event: _Optional[str] = ..., meta: _Optional[_Mapping[str, str]] = ..., bytes: _Optional[int] = ..., payload_type: _Optional[str] = ..., payload_bytes: _Optional[int] = ..., fields: _Optional[_Iterable[_Union[TailField, _Mapping]]] = ..., payload: _Optional[str] = ..., payload_cut: bool = ..., secret: bool = ...) -> None: ...

class TailRequest(_message.Message):
    __slots__ = ["app", "max_age", "max_payload_bytes", "max_per_second", "payloads", "sample_every", "session_id", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_EVERY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    max_age: _duration_pb2.Duration
    max_payload_bytes: int
    max_per_second: int
    payloads: bool
    sample_every: int
    session_id: str
    stream: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., session_id: _Optional[str] = ..., stream: _Optional[str] = ..., payloads: bool = ..., max_payload_bytes: _Optional[int] = ..., sample_every: _Optional[int] = ..., max_per_second: _Optional[int] = ..., max_age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class TailResponse(_message.Message):
    __slots__ = ["begun", "end", "frames", "left_out", "lost"]
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    begun: TailBegun
    end: TailEnd
    frames: _containers.RepeatedCompositeFieldContainer[TailFrame]
    left_out: int
    lost: int
    def __init__(self, frames: _Optional[_Iterable[_Union[TailFrame, _Mapping]]] = ..., left_out: _Optional[int] = ..., lost: _Optional[int] = ..., begun: _Optional[_Union[TailBegun, _Mapping]] = ..., end: _Optional[_Union[TailEnd, str]] = ...) -> None: ...

class TopSlowRequest(_message.Message):
    __slots__ = ["app", "limit"]
    APP_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    app: str
    limit: int
    def __init__(self, limit: _Optional[int] = ..., app: _Optional[str] = ...) -> None: ...

class TopSlowResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class HookBreaker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DrainState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TailEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TailDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
