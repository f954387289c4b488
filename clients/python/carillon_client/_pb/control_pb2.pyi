from . import envelope_pb2 as _envelope_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
PRESENCE_STATUS_AWAY: PresenceStatus
PRESENCE_STATUS_BUSY: PresenceStatus
PRESENCE_STATUS_ONLINE: PresenceStatus
PRESENCE_STATUS_UNSPECIFIED: PresenceStatus

class BlockUserRequest(_message.Message):
    __slots__ = ["app", "duration", "reason", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    duration: _duration_pb2.Duration
    reason: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class BlockUserResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class BlockedUser(_message.Message):
    __slots__ = ["expire_time", "reason", "user_id"]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    expire_time: _timestamp_pb2.Timestamp
    reason: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., reason: _Optional[str] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BroadcastAllRequest(_message.Message):
    __slots__ = ["app", "event", "options", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    event: _envelope_pb2.Event
    options: PublishOptions
    stream: str
    def __init__(self, stream: _Optional[str] = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ..., options: _Optional[_Union[PublishOptions, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class BroadcastAllResponse(_message.Message):
    __slots__ = ["receipt"]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class BroadcastStreamRequest(_message.Message):
    __slots__ = ["app", "event", "options", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    event: _envelope_pb2.Event
    options: PublishOptions
    stream: str
    def __init__(self, stream: _Optional[str] = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ..., options: _Optional[_Union[PublishOptions, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class BroadcastStreamResponse(_message.Message):
    __slots__ = ["receipt"]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class BroadcastToUserRequest(_message.Message):
    __slots__ = ["any_session", "app", "event", "options", "stream", "user_id"]
    ANY_SESSION_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    any_session: bool
    app: str
    event: _envelope_pb2.Event
    options: PublishOptions
    stream: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., stream: _Optional[str] = ..., any_session: bool = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ..., options: _Optional[_Union[PublishOptions, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class BroadcastToUserResponse(_message.Message):
    __slots__ = ["receipt"]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class BroadcastToUsersRequest(_message.Message):
    __slots__ = ["any_session", "app", "event", "options", "stream", "user_ids"]
    ANY_SESSION_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    any_session: bool
    app: str
    event: _envelope_pb2.Event
    options: PublishOptions
    stream: str
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_ids: _Optional[_Iterable[str]] = ..., stream: _Optional[str] = ..., any_session: bool = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ..., options: _Optional[_Union[PublishOptions, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class BroadcastToUsersResponse(_message.Message):
    __slots__ = ["receipt", "users"]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    users: int
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ..., users: _Optional[int] = ...) -> None: ...

class ClearMessagesRequest(_message.Message):
    __slots__ = ["app", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    stream: str
    user_id: str
    def __init__(self, stream: _Optional[str] = ..., user_id: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class ClearMessagesResponse(_message.Message):
    __slots__ = ["messages", "position"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    messages: int
    position: _envelope_pb2.Position
    def __init__(self, messages: _Optional[int] = ..., position: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ...) -> None: ...

class CountSubscribersRequest(_message.Message):
    __slots__ = ["app", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    stream: str
    user_id: str
    def __init__(self, stream: _Optional[str] = ..., user_id: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class CountSubscribersResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class DeliveryReport(_message.Message):
    __slots__ = ["dropped", "filtered", "partial", "queued", "replaying"]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    FILTERED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    REPLAYING_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    filtered: int
    partial: bool
    queued: int
    replaying: int
    def __init__(self, queued: _Optional[int] = ..., filtered: _Optional[int] = ..., dropped: _Optional[int] = ..., replaying: _Optional[int] = ..., partial: bool = ...) -> None: ...

class GetPresenceRequest(_message.Message):
    __slots__ = ["app", "count_only", "page_size", "page_token", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    COUNT_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    count_only: bool
    page_size: int
    page_token: str
    stream: str
    def __init__(self, stream: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., count_only: bool = ..., app: _Optional[str] = ...) -> None: ...

class GetPresenceResponse(_message.Message):
    __slots__ = ["count", "counts_only", "members", "next_page_token", "nodes_answered", "nodes_expected", "partial"]
    COUNTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    count: int
    counts_only: bool
    members: _containers.RepeatedCompositeFieldContainer[PresenceMember]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    def __init__(self, members: _Optional[_Iterable[_Union[PresenceMember, _Mapping]]] = ..., count: _Optional[int] = ..., next_page_token: _Optional[str] = ..., counts_only: bool = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class KickRequest(_message.Message):
    __slots__ = ["app", "code", "reason", "session_id", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    code: int
    reason: str
    session_id: str
    stream: str
    user_id: str
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., stream: _Optional[str] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class KickResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class ListBlockedUsersRequest(_message.Message):
    __slots__ = ["app", "page_size", "page_token"]
    APP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    app: str
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class ListBlockedUsersResponse(_message.Message):
    __slots__ = ["next_page_token", "nodes_answered", "nodes_expected", "partial", "users"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    users: _containers.RepeatedCompositeFieldContainer[BlockedUser]
    def __init__(self, users: _Optional[_Iterable[_Union[BlockedUser, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ["after", "app", "page_size", "page_token", "stream", "user_id"]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    after: _envelope_pb2.Position
    app: str
    page_size: int
    page_token: str
    stream: str
    user_id: str
    def __init__(self, stream: _Optional[str] = ..., user_id: _Optional[str] = ..., after: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ["messages", "next_page_token", "nodes_answered", "nodes_expected", "partial", "position"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_envelope_pb2.Envelope]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    position: _envelope_pb2.Position
    def __init__(self, messages: _Optional[_Iterable[_Union[_envelope_pb2.Envelope, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class PresenceMember(_message.Message):
    __slots__ = ["info", "join_time", "name", "sessions", "status", "text", "user_id"]
    INFO_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    info: str
    join_time: _timestamp_pb2.Timestamp
    name: str
    sessions: int
    status: PresenceStatus
    text: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., name: _Optional[str] = ..., info: _Optional[str] = ..., status: _Optional[_Union[PresenceStatus, str]] = ..., text: _Optional[str] = ..., join_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., sessions: _Optional[int] = ...) -> None: ...

class PublishItem(_message.Message):
    __slots__ = ["broadcast_all", "broadcast_stream", "broadcast_to_user", "broadcast_to_users", "send_to_session"]
    BROADCAST_ALL_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_STREAM_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_TO_USERS_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_TO_USER_FIELD_NUMBER: _ClassVar[int]
    SEND_TO_SESSION_FIELD_NUMBER: _ClassVar[int]
    broadcast_all: BroadcastAllRequest
    broadcast_stream: BroadcastStreamRequest
    broadcast_to_user: BroadcastToUserRequest
    broadcast_to_users: BroadcastToUsersRequest
    send_to_session: SendToSessionRequest
    def __init__(self, broadcast_stream: _Optional[_Union[BroadcastStreamRequest, _Mapping]] = ..., broadcast_to_user: _Optional[_Union[BroadcastToUserRequest, _Mapping]] = ..., broadcast_to_users: _Optional[_Union[BroadcastToUsersRequest, _Mapping]] = ..., broadcast_all: _Optional[_Union[BroadcastAllRequest, _Mapping]] = ..., send_to_session: _Optional[_Union[SendToSessionRequest, _Mapping]] = ...) -> None: ...

class PublishOptions(_message.Message):
    __slots__ = ["conflation_key", "deliver_within", "exclude_sessions", "exclude_users", "expected_position", "report", "request_id", "selector", "skip_history", "ttl"]
    CONFLATION_KEY_FIELD_NUMBER: _ClassVar[int]
    DELIVER_WITHIN_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_USERS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_POSITION_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    SKIP_HISTORY_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    conflation_key: str
    deliver_within: _duration_pb2.Duration
    exclude_sessions: _containers.RepeatedScalarFieldContainer[str]
    exclude_users: _containers.RepeatedScalarFieldContainer[str]
    expected_position: _envelope_pb2.Position
    report: bool
    request_id: str
    selector: Selector
    skip_history: bool
    ttl: _duration_pb2.Duration
    def __init__(self, request_id: _Optional[str] = ..., ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., deliver_within: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., conflation_key: _Optional[str] = ..., skip_history: bool = ..., expected_position: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., selector: _Optional[_Union[Selector, _Mapping]] = ..., exclude_sessions: _Optional[_Iterable[str]] = ..., exclude_users: _Optional[_Iterable[str]] = ..., report: bool = ...) -> None: ...

class PublishStreamRequest(_message.Message):
    __slots__ = ["items", "seq"]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[PublishItem]
    seq: int
    def __init__(self, seq: _Optional[int] = ..., items: _Optional[_Iterable[_Union[PublishItem, _Mapping]]] = ...) -> None: ...

class PublishStreamResponse(_message.Message):
    __slots__ = ["acked_to", "failures"]
    class Failure(_message.Message):
        __slots__ = ["code", "field", "message", "reason", "seq"]
        CODE_FIELD_NUMBER: _ClassVar[int]
        FIELD_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        SEQ_FIELD_NUMBER: _ClassVar[int]
        code: int
        field: str
        message: str
        reason: str
        seq: int
        def __init__(self, seq: _Optional[int] = ..., code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...
    ACKED_TO_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    acked_to: int
    failures: _containers.RepeatedCompositeFieldContainer[PublishStreamResponse.Failure]
    def __init__(self, acked_to: _Optional[int] = ..., failures: _Optional[_Iterable[_Union[PublishStreamResponse.Failure, _Mapping]]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ["duplicate", "message_id", "position", "report", "sessions"]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    duplicate: bool
    message_id: str
    position: _envelope_pb2.Position
    report: DeliveryReport
    sessions: int
    def __init__(self, message_id: _Optional[str] = ..., sessions: _Optional[int] = ..., position: _Optional[_Union[_envelope_pb2.Position, _Mapping]] = ..., duplicate: bool = ..., report: _Optional[_Union[DeliveryReport, _Mapping]] = ...) -> None: ...

class RevokeTokensRequest(_message.Message):
    __slots__ = ["app", "issued_before", "token_id", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    ISSUED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    issued_before: _timestamp_pb2.Timestamp
    token_id: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., token_id: _Optional[str] = ..., issued_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class RevokeTokensResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ["labels", "roles", "user_ids"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    roles: _containers.RepeatedScalarFieldContainer[str]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ..., user_ids: _Optional[_Iterable[str]] = ..., roles: _Optional[_Iterable[str]] = ...) -> None: ...

class SendToSessionRequest(_message.Message):
    __slots__ = ["app", "event", "options", "session_id", "stream"]
    APP_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    app: str
    event: _envelope_pb2.Event
    options: PublishOptions
    session_id: str
    stream: str
    def __init__(self, session_id: _Optional[str] = ..., stream: _Optional[str] = ..., event: _Optional[_Union[_envelope_pb2.Event, _Mapping]] = ..., options: _Optional[_Union[PublishOptions, _Mapping]] = ..., app: _Optional[str] = ...) -> None: ...

class SendToSessionResponse(_message.Message):
    __slots__ = ["receipt"]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class SubscribeUserRequest(_message.Message):
    __slots__ = ["app", "session_id", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    session_id: str
    stream: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., stream: _Optional[str] = ..., session_id: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class SubscribeUserResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "refused", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    refused: int
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., refused: _Optional[int] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class Subscriber(_message.Message):
    __slots__ = ["connected_time", "labels", "session_id", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONNECTED_TIME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    connected_time: _timestamp_pb2.Timestamp
    labels: _containers.ScalarMap[str, str]
    session_id: str
    user_id: str
    def __init__(self, session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., connected_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SubscribersRequest(_message.Message):
    __slots__ = ["app", "page_size", "page_token", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    page_size: int
    page_token: str
    stream: str
    user_id: str
    def __init__(self, stream: _Optional[str] = ..., user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class SubscribersResponse(_message.Message):
    __slots__ = ["next_page_token", "nodes_answered", "nodes_expected", "partial", "subscribers"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBERS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    nodes_answered: int
    nodes_expected: int
    partial: bool
    subscribers: _containers.RepeatedCompositeFieldContainer[Subscriber]
    def __init__(self, subscribers: _Optional[_Iterable[_Union[Subscriber, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class UnblockUserRequest(_message.Message):
    __slots__ = ["app", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class UnblockUserResponse(_message.Message):
    __slots__ = ["was_blocked"]
    WAS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    was_blocked: bool
    def __init__(self, was_blocked: bool = ...) -> None: ...

class UnsubscribeUserRequest(_message.Message):
    __slots__ = ["app", "session_id", "stream", "user_id"]
    APP_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    app: str
    session_id: str
    stream: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., stream: _Optional[str] = ..., session_id: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class UnsubscribeUserResponse(_message.Message):
    __slots__ = ["nodes_answered", "nodes_expected", "partial", "sessions"]
    NODES_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODES_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    nodes_answered: int
    nodes_expected: int
    partial: bool
    sessions: int
    def __init__(self, sessions: _Optional[int] = ..., partial: bool = ..., nodes_expected: _Optional[int] = ..., nodes_answered: _Optional[int] = ...) -> None: ...

class PresenceStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
