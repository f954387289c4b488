"""Publish to browsers through a Carillon gateway, and watch what happens there.

with Client() as client:
    client.broadcast_to_user("alice", event="order.shipped", data={"order": 42})

AsyncClient is the same for asyncio.
"""

from carillon_client.admin_results import (
    Backlog,
    Drained,
    DrainState,
    DrainStatus,
    HookBreaker,
    HookStatus,
    Node,
    Nodes,
    Reloaded,
    SessionDetails,
    SessionInfo,
    SessionRates,
    SettingChange,
    Slowest,
    StreamDetails,
    StreamInfo,
    StreamLog,
)
from carillon_client.aio import AsyncClient
from carillon_client.aio_batcher import AsyncBatcher
from carillon_client.aio_tail import AsyncTail
from carillon_client.aio_watch import AsyncWatch
from carillon_client.batcher import Batcher
from carillon_client.client import Client
from carillon_client.error_details import FieldViolation
from carillon_client.errors import (
    Aborted,
    AlreadyExists,
    CarillonError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PartialResult,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from carillon_client.events import (
    ClientSaid,
    DrainNotice,
    Ended,
    Event,
    EventKind,
    LimitCrossed,
    Lost,
    MemberChange,
    Opened,
    SlowConsumer,
)
from carillon_client.options import Json, Options, Selector
from carillon_client.pages import AsyncPages, Pages
from carillon_client.results import (
    BlockedUser,
    Cleared,
    Closed,
    DeliveryReport,
    Member,
    Message,
    Position,
    Presence,
    PresenceStatus,
    Receipt,
    Subscribed,
    Subscriber,
    Unsubscribed,
    UsersReceipt,
)
from carillon_client.schema_calls import descriptors_of
from carillon_client.schema_results import (
    Binding,
    DescriptorSet,
    Registered,
    Schemas,
    SchemaType,
    Validation,
    Violation,
)
from carillon_client.tail import Tail
from carillon_client.tailing import TailBegun, TailEnd, TailFrame
from carillon_client.watch import Watch

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AsyncBatcher",
    "AsyncClient",
    "AsyncPages",
    "AsyncTail",
    "AsyncWatch",
    "Backlog",
    "Batcher",
    "Binding",
    "BlockedUser",
    "CarillonError",
    "Cleared",
    "Client",
    "ClientSaid",
    "Closed",
    "DeadlineExceeded",
    "DeliveryReport",
    "DescriptorSet",
    "DrainNotice",
    "DrainState",
    "DrainStatus",
    "Drained",
    "Ended",
    "Event",
    "EventKind",
    "FailedPrecondition",
    "FieldViolation",
    "HookBreaker",
    "HookStatus",
    "InvalidArgument",
    "Json",
    "LimitCrossed",
    "Lost",
    "Member",
    "MemberChange",
    "Message",
    "Node",
    "Nodes",
    "NotFound",
    "Opened",
    "Options",
    "Pages",
    "PartialResult",
    "PermissionDenied",
    "Position",
    "Presence",
    "PresenceStatus",
    "Receipt",
    "Registered",
    "Reloaded",
    "ResourceExhausted",
    "SchemaType",
    "Schemas",
    "Selector",
    "SessionDetails",
    "SessionInfo",
    "SessionRates",
    "SettingChange",
    "SlowConsumer",
    "Slowest",
    "StreamDetails",
    "StreamInfo",
    "StreamLog",
    "Subscribed",
    "Subscriber",
    "Tail",
    "TailBegun",
    "TailEnd",
    "TailFrame",
    "Unauthenticated",
    "Unavailable",
    "Unsubscribed",
    "UsersReceipt",
    "Validation",
    "Violation",
    "Watch",
    "descriptors_of",
]
