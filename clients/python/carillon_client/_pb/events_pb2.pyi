from . import envelope_pb2 as _envelope_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
EVENT_KIND_CLIENT_EVENT: EventKind
EVENT_KIND_DRAIN: EventKind
EVENT_KIND_LIMIT_CROSSED: EventKind
EVENT_KIND_MEMBER_JOINED: EventKind
EVENT_KIND_MEMBER_LEFT: EventKind
EVENT_KIND_SESSION_CLOSED: EventKind
EVENT_KIND_SESSION_IDENTIFIED: EventKind
EVENT_KIND_SESSION_OPENED: EventKind
EVENT_KIND_SLOW_CONSUMER: EventKind
EVENT_KIND_STREAM_OCCUPIED: EventKind
EVENT_KIND_STREAM_VACATED: EventKind
EVENT_KIND_SUBSCRIBED: EventKind
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_UNSUBSCRIBED: EventKind

class ClientSaid(_message.Message):
    __slots__ = ["event", "json", "message_id"]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    event: str
    json: str
    message_id: str
    def __init__(self, event: _Optional[str] = ..., json: _Optional[str] = ..., message_id: _Optional[str] = ...) -> None: ...

class DrainNotice(_message.Message):
    __slots__ = ["app_name", "endpoint", "exit", "node", "undone"]
    APP_NAME_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    app_name: str
    endpoint: str
    exit: bool
    node: bool
    undone: bool
    def __init__(self, node: bool = ..., app_name: _Optional[str] = ..., endpoint: _Optional[str] = ..., exit: bool = ..., undone: bool = ...) -> None: ...

class EventFilter(_message.Message):
    __slots__ = ["client_events", "kinds", "streams", "user_ids"]
    CLIENT_EVENTS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    client_events: _containers.RepeatedScalarFieldContainer[str]
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    streams: _containers.RepeatedScalarFieldContainer[str]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., streams: _Optional[_Iterable[str]] = ..., user_ids: _Optional[_Iterable[str]] = ..., client_events: _Optional[_Iterable[str]] = ...) -> None: ...

class EventsLost(_message.Message):
    __slots__ = ["lost_from", "lost_to"]
    LOST_FROM_FIELD_NUMBER: _ClassVar[int]
    LOST_TO_FIELD_NUMBER: _ClassVar[int]
    lost_from: int
    lost_to: int
    def __init__(self, lost_from: _Optional[int] = ..., lost_to: _Optional[int] = ...) -> None: ...

class FeedEvent(_message.Message):
    __slots__ = ["client", "closed", "drain", "kind", "limit", "member", "offset", "opened", "session_id", "slow", "stream", "time", "user_id"]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    client: ClientSaid
    closed: SessionClosed
    drain: DrainNotice
    kind: EventKind
    limit: LimitCrossed
    member: MemberChange
    offset: int
    opened: SessionOpened
    session_id: str
    slow: SlowConsumer
    stream: str
    time: _timestamp_pb2.Timestamp
    user_id: str
    def __init__(self, kind: _Optional[_Union[EventKind, str]] = ..., offset: _Optional[int] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., stream: _Optional[str] = ..., opened: _Optional[_Union[SessionOpened, _Mapping]] = ..., closed: _Optional[_Union[SessionClosed, _Mapping]] = ..., member: _Optional[_Union[MemberChange, _Mapping]] = ..., limit: _Optional[_Union[LimitCrossed, _Mapping]] = ..., slow: _Optional[_Union[SlowConsumer, _Mapping]] = ..., client: _Optional[_Union[ClientSaid, _Mapping]] = ..., drain: _Optional[_Union[DrainNotice, _Mapping]] = ...) -> None: ...

class LimitCrossed(_message.Message):
    __slots__ = ["limit", "most", "setting", "used", "who"]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    SETTING_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    WHO_FIELD_NUMBER: _ClassVar[int]
    limit: str
    most: int
    setting: str
    used: int
    who: str
    def __init__(self, limit: _Optional[str] = ..., used: _Optional[int] = ..., most: _Optional[int] = ..., who: _Optional[str] = ..., setting: _Optional[str] = ...) -> None: ...

class MemberChange(_message.Message):
    __slots__ = ["count", "name"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    count: int
    name: str
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SessionClosed(_message.Message):
    __slots__ = ["cause", "code", "lasted_ms", "messages_lost"]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    LASTED_MS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_LOST_FIELD_NUMBER: _ClassVar[int]
    cause: str
    code: int
    lasted_ms: int
    messages_lost: int
    def __init__(self, code: _Optional[int] = ..., cause: _Optional[str] = ..., lasted_ms: _Optional[int] = ..., messages_lost: _Optional[int] = ...) -> None: ...

class SessionOpened(_message.Message):
    __slots__ = ["labels", "name", "resumes", "roles"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESUMES_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    name: str
    resumes: _containers.RepeatedScalarFieldContainer[str]
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., roles: _Optional[_Iterable[str]] = ..., resumes: _Optional[_Iterable[str]] = ...) -> None: ...

class SlowConsumer(_message.Message):
    __slots__ = ["closed", "messages_lost"]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_LOST_FIELD_NUMBER: _ClassVar[int]
    closed: bool
    messages_lost: int
    def __init__(self, closed: bool = ..., messages_lost: _Optional[int] = ...) -> None: ...

class WatchAck(_message.Message):
    __slots__ = ["epoch", "offset", "partition"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    offset: int
    partition: int
    def __init__(self, partition: _Optional[int] = ..., offset: _Optional[int] = ..., epoch: _Optional[str] = ...) -> None: ...

class WatchAssignment(_message.Message):
    __slots__ = ["partitions"]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, partitions: _Optional[_Iterable[int]] = ...) -> None: ...

class WatchBegin(_message.Message):
    __slots__ = ["app", "filter", "from_oldest", "group", "max_unacknowledged", "partitions", "resume"]
    APP_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FROM_OLDEST_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_UNACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    app: str
    filter: EventFilter
    from_oldest: bool
    group: str
    max_unacknowledged: int
    partitions: int
    resume: _envelope_pb2.Position
    def __init__(self, app: _Optional[str] = ..., group: _Optional[str] = ..., partitions: _Optional[int] = ..., resume: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., from_oldest: bool = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., max_unacknowledged: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ["ack", "begin"]
    ACK_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    ack: WatchAck
    begin: WatchBegin
    def __init__(self, begin: _Optional[_Union[WatchBegin, _Mapping]] = ..., ack: _Optional[_Union[WatchAck, _Mapping]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ["assignment", "events", "lost", "partition", "scanned_to"]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    SCANNED_TO_FIELD_NUMBER: _ClassVar[int]
    assignment: WatchAssignment
    events: _containers.RepeatedCompositeFieldContainer[FeedEvent]
    lost: EventsLost
    partition: int
    scanned_to: _envelope_pb2.Position
    def __init__(self, partition: _Optional[int] = ..., lost: _Optional[_Union[EventsLost, _Mapping]] = ..., events: _Optional[_Iterable[_Union[FeedEvent, _Mapping]]] = ..., scanned_to: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., assignment: _Optional[_Union[WatchAssignment, _Mapping]] = ...) -> None: ...

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
