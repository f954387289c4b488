"""Every call of carillon.v1.ControlService: how its request is built, how its response is read, and whether it may be
tried again. Both clients, and both batchers, take their methods from here, names and arguments and all.

To add a call, write a function here (of AdminService in admin_calls.py, of SchemaService in schema_calls.py) that returns a Call (or a Listing, where the gateway answers in pages), and name it
once in client.py and once in aio.py.

A call may be tried again when that cannot do anything twice: because it only reads, because its request_id makes the
gateway notice, or because doing it twice is the same as doing it once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from carillon_client._pb import control_pb2, envelope_pb2
from carillon_client.arguments import exactly_one
from carillon_client.options import Options, make_duration, make_event, make_options, make_position, several
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

R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H")


@dataclass(frozen=True)
class Call(Generic[R]):
    """One call that is about to be made."""

    method: str
    request: Any
    read: Callable[[Any], R]
    timeout: float | None
    may_retry: bool = True
    service: str = "ControlService"
    #: How many seconds the gateway was asked to take, which the client's timeout does not count.
    takes: float = 0.0


@dataclass(frozen=True)
class Publish(Call[R]):
    """A call that publishes a message."""

    #: What the message is called among the targets of a PublishItem.
    arm: str = ""


@dataclass(frozen=True)
class Listing(Generic[T, H]):
    """A call whose answer comes in pages."""

    method: str
    request: Any
    items: Callable[[Any], Iterable[T]]
    #: What the first page says of the whole.
    head: Callable[[Any], H]
    timeout: float | None
    service: str = "ControlService"


# --- Publishing -------------------------------------------------------------------------------------------------------


def broadcast_to_user(
    user_id: str,
    *,
    event: str,
    data: object = None,
    stream: str = "",
    meta: Mapping[str, str] | None = None,
    any_session: bool = False,
    options: Options | None = None,
    timeout: float | None = None,
) -> Publish[Receipt]:
    """Sends to a user's sessions: every open tab. Verb: publish.

    With a stream, clients see the message on it, and only those of the sessions receive it that subscribe to it;
    any_session reaches the others too. user_id has 1 to 256 bytes.
    """
    request = control_pb2.BroadcastToUserRequest(
        user_id=user_id,
        stream=stream,
        any_session=any_session,
        event=make_event(event, data, meta),
        options=make_options(options),
    )
    return Publish("BroadcastToUser", request, _receipt_of, timeout, arm="broadcast_to_user")


def broadcast_to_users(
    user_ids: Iterable[str],
    *,
    event: str,
    data: object = None,
    stream: str = "",
    meta: Mapping[str, str] | None = None,
    any_session: bool = False,
    options: Options | None = None,
    timeout: float | None = None,
) -> Publish[UsersReceipt]:
    """Sends the same message to 1 to 1,000 users. Verb: publish.

    Users that are named twice are served once. ResourceExhausted may leave the first of them served: its message says
    with whom to go on.
    """
    request = control_pb2.BroadcastToUsersRequest(
        user_ids=several(user_ids, "user_ids"),
        stream=stream,
        any_session=any_session,
        event=make_event(event, data, meta),
        options=make_options(options),
    )
    return Publish("BroadcastToUsers", request, _users_receipt_of, timeout, arm="broadcast_to_users")


def broadcast_stream(
    stream: str,
    *,
    event: str,
    data: object = None,
    meta: Mapping[str, str] | None = None,
    options: Options | None = None,
    timeout: float | None = None,
) -> Publish[Receipt]:
    """Sends to everyone who subscribes to a stream: 1 to 128 bytes of [A-Za-z0-9._:-], not "system". Verb: publish."""
    request = control_pb2.BroadcastStreamRequest(
        stream=stream, event=make_event(event, data, meta), options=make_options(options)
    )
    return Publish("BroadcastStream", request, _receipt_of, timeout, arm="broadcast_stream")


def broadcast_all(
    *,
    event: str,
    data: object = None,
    stream: str = "",
    meta: Mapping[str, str] | None = None,
    options: Options | None = None,
    timeout: float | None = None,
) -> Publish[Receipt]:
    """Sends to every session, whatever it subscribes to. Clients see it on the stream, or on "@all". Verb: publish."""
    request = control_pb2.BroadcastAllRequest(
        stream=stream, event=make_event(event, data, meta), options=make_options(options)
    )
    return Publish("BroadcastAll", request, _receipt_of, timeout, arm="broadcast_all")


def send_to_session(
    session_id: str,
    *,
    event: str,
    data: object = None,
    stream: str = "",
    meta: Mapping[str, str] | None = None,
    options: Options | None = None,
    timeout: float | None = None,
) -> Publish[Receipt]:
    """Sends to one session. The client sees it on the stream, or on "@session". Verb: publish."""
    request = control_pb2.SendToSessionRequest(
        session_id=session_id, stream=stream, event=make_event(event, data, meta), options=make_options(options)
    )
    return Publish("SendToSession", request, _receipt_of, timeout, arm="send_to_session")


# --- Sessions ---------------------------------------------------------------------------------------------------------


def kick(
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    stream: str | None = None,
    code: int = 0,
    reason: str = "",
    timeout: float | None = None,
) -> Call[Closed]:
    """Closes one session, all of a user's, or all that subscribe to a stream: exactly one of the three. Verb: admin.

    code    The WebSocket close code: 1000, 1008 or 3000 to 4999. 0: 4005 (kicked). 4000 to 4099 tell clients to
            stay away, 4100 to 4199 to back off first, 4200 to 4299 to come back at once.
    reason  What the client reads in its close event: at most 123 bytes. Empty: "kicked".

    A retry counts only whom it closed itself.
    """
    exactly_one("kick()", session_id=session_id, user_id=user_id, stream=stream)
    request = control_pb2.KickRequest(session_id=session_id, user_id=user_id, stream=stream, code=code, reason=reason)
    return Call("Kick", request, _closed_of, timeout)


def subscribe_user(
    user_id: str, stream: str, *, session_id: str = "", timeout: float | None = None
) -> Call[Subscribed]:
    """Subscribes a user's sessions to a stream, or one of them: those that there are, not those that come later.

    Whether the stream's rule lets them is not asked. Clients are told, as if they had subscribed. Verb: admin.
    """
    request = control_pb2.SubscribeUserRequest(user_id=user_id, stream=stream, session_id=session_id)
    return Call("SubscribeUser", request, _subscribed_of, timeout)


def unsubscribe_user(
    user_id: str, stream: str, *, session_id: str = "", timeout: float | None = None
) -> Call[Unsubscribed]:
    """Takes a stream from a user's sessions, or from one of them, however they came to it. Verb: admin.

    Clients are told; they may subscribe again where the stream's rule lets them. A retry counts only from whom it took
    it itself.
    """
    request = control_pb2.UnsubscribeUserRequest(user_id=user_id, stream=stream, session_id=session_id)
    return Call("UnsubscribeUser", request, _unsubscribed_of, timeout)


def subscribers(
    *, stream: str | None = None, user_id: str | None = None, page_size: int = 0, timeout: float | None = None
) -> Listing[Subscriber, None]:
    """Lists the sessions that subscribe to a stream or belong to a user: give exactly one of the two. Verb: read.

    Pages hold at most page_size sessions (0: 100; at most 1,000). Sessions that come or go meanwhile may be missed;
    none is listed twice. Raises PartialResult at the end where the list may have gaps.
    """
    exactly_one("subscribers()", stream=stream, user_id=user_id)
    request = control_pb2.SubscribersRequest(stream=stream, user_id=user_id, page_size=page_size)
    return Listing("Subscribers", request, _subscribers_of, no_head, timeout)


def count_subscribers(
    *, stream: str | None = None, user_id: str | None = None, timeout: float | None = None
) -> Call[int]:
    """Counts the sessions that subscribe to a stream or belong to a user. Without either: all sessions. Verb: read."""
    if stream is not None and user_id is not None:
        raise TypeError("count_subscribers() takes stream or user_id, not both")
    request = control_pb2.CountSubscribersRequest(stream=stream, user_id=user_id)
    return Call("CountSubscribers", request, lambda response: int(response.sessions), timeout)


def get_presence(stream: str, *, page_size: int = 0, timeout: float | None = None) -> Listing[Member, Presence]:
    """Lists who is in a stream, in the order of user ids; head() says how many. Verb: read.

    Pages hold at most page_size members (0: 100; at most 1,000). Raises FailedPrecondition where the stream's rule
    keeps no presence.
    """
    request = control_pb2.GetPresenceRequest(stream=stream, page_size=page_size)
    return Listing("GetPresence", request, _members_of, _presence_of, timeout)


def count_presence(stream: str, *, timeout: float | None = None) -> Call[Presence]:
    """Counts the users who are in a stream, without listing them. Verb: read."""
    return Call("GetPresence", control_pb2.GetPresenceRequest(stream=stream, count_only=True), _presence_of, timeout)


# --- Logs -------------------------------------------------------------------------------------------------------------


def list_messages(
    *,
    stream: str | None = None,
    user_id: str | None = None,
    after: Position | None = None,
    page_size: int = 0,
    timeout: float | None = None,
) -> Listing[Message, Position]:
    """Reads a log, a stream's or a user's inbox, from the oldest message or after a position. Verb: read.

    head() says where the log stood when reading began: its epoch, and its newest message's offset. Pages hold at most
    page_size messages (0: 100; at most 1,000). Raises FailedPrecondition where there is no log, and Aborted where
    messages after the position are not kept any more, or the log was cleared.
    """
    exactly_one("list_messages()", stream=stream, user_id=user_id)
    request = control_pb2.ListMessagesRequest(
        stream=stream, user_id=user_id, after=make_position(after), page_size=page_size
    )
    return Listing("ListMessages", request, _messages_of, _log_position_of, timeout)


def clear_messages(
    *, stream: str | None = None, user_id: str | None = None, timeout: float | None = None
) -> Call[Cleared]:
    """Forgets the messages of a stream's log, or of a user's inbox, which goes on under a new epoch. Verb: admin.

    Never tried again by itself: a second time would forget what was published since the first.
    """
    exactly_one("clear_messages()", stream=stream, user_id=user_id)
    request = control_pb2.ClearMessagesRequest(stream=stream, user_id=user_id)
    return Call("ClearMessages", request, _cleared_of, timeout, may_retry=False)


# --- Keeping out ------------------------------------------------------------------------------------------------------


def revoke_tokens(
    *,
    user_id: str | None = None,
    token_id: str | None = None,
    issued_before: datetime | None = None,
    timeout: float | None = None,
) -> Call[Closed]:
    """Revokes a user's tokens that were issued before a time, or the one with this "jti". Verb: admin.

    Nobody connects with them from here on, and sessions that have one are closed with 4001 before the answer.
    issued_before goes with user_id and must know its zone; None: now. Forgotten by a restart of the gateway. Tried
    again by itself only with token_id or issued_before: "now" would be another.
    """
    exactly_one("revoke_tokens()", user_id=user_id, token_id=token_id)
    before = None
    if issued_before is not None:
        if issued_before.tzinfo is None:
            raise ValueError("issued_before has no time zone")
        before = Timestamp()
        before.FromDatetime(issued_before.astimezone(timezone.utc).replace(tzinfo=None))
    request = control_pb2.RevokeTokensRequest(user_id=user_id, token_id=token_id, issued_before=before)
    return Call("RevokeTokens", request, _closed_of, timeout, may_retry=user_id is None or before is not None)


def block_user(
    user_id: str,
    *,
    duration: timedelta | float | None = None,
    reason: str = "",
    timeout: float | None = None,
) -> Call[Closed]:
    """Keeps a user out, whatever their token, and closes their sessions with 4003 before the answer. Verb: admin.

    duration  A timedelta, or seconds; at least 1. None: until unblock_user(), or a restart of the gateway.
    reason    What the client reads: at most 123 bytes. Empty: "this user is blocked".

    A retry counts only whom it closed itself.
    """
    request = control_pb2.BlockUserRequest(user_id=user_id, duration=make_duration(duration), reason=reason)
    return Call("BlockUser", request, _closed_of, timeout)


def unblock_user(user_id: str, *, timeout: float | None = None) -> Call[bool]:
    """Lets a blocked user in again. True where the user was blocked; after a retry also False. Verb: admin."""
    request = control_pb2.UnblockUserRequest(user_id=user_id)
    return Call("UnblockUser", request, lambda response: bool(response.was_blocked), timeout)


def blocked_users(*, page_size: int = 0, timeout: float | None = None) -> Listing[BlockedUser, None]:
    """Lists the users that are blocked, in the order of their ids. Verb: read."""
    request = control_pb2.ListBlockedUsersRequest(page_size=page_size)
    return Listing("ListBlockedUsers", request, _blocked_of, no_head, timeout)


# --- Reading responses ------------------------------------------------------------------------------------------------


def _receipt_of(response: Any) -> Receipt:
    return Receipt(**_receipt_parts(response.receipt))


def _users_receipt_of(response: control_pb2.BroadcastToUsersResponse) -> UsersReceipt:
    return UsersReceipt(**_receipt_parts(response.receipt), users=response.users)


def _receipt_parts(receipt: control_pb2.Receipt) -> dict[str, Any]:
    report = None
    if receipt.HasField("report"):
        seen = receipt.report
        report = DeliveryReport(seen.queued, seen.filtered, seen.dropped, seen.replaying, seen.partial)
    return {
        "message_id": receipt.message_id,
        "sessions": receipt.sessions,
        "position": position_of(receipt.position) if receipt.HasField("position") else None,
        "duplicate": receipt.duplicate,
        "report": report,
    }


def _closed_of(response: Any) -> Closed:
    return Closed(response.sessions, response.partial)


def _subscribed_of(response: control_pb2.SubscribeUserResponse) -> Subscribed:
    return Subscribed(response.sessions, response.refused, response.partial)


def _unsubscribed_of(response: control_pb2.UnsubscribeUserResponse) -> Unsubscribed:
    return Unsubscribed(response.sessions, response.partial)


def _subscribers_of(response: control_pb2.SubscribersResponse) -> Iterable[Subscriber]:
    for each in response.subscribers:
        yield Subscriber(each.session_id, each.user_id, time_of(each.connected_time), dict(each.labels))


def _members_of(response: control_pb2.GetPresenceResponse) -> Iterable[Member]:
    for each in response.members:
        # A status that a newer gateway may know counts as being there.
        status = PresenceStatus(each.status) if each.status in (2, 3) else PresenceStatus.ONLINE
        info = json.loads(each.info) if each.info else None
        yield Member(each.user_id, each.name, info, status, each.text, time_of(each.join_time), each.sessions)


def _presence_of(response: control_pb2.GetPresenceResponse) -> Presence:
    return Presence(response.count, response.counts_only)


def _messages_of(response: control_pb2.ListMessagesResponse) -> Iterable[Message]:
    for each in response.messages:
        arm = each.WhichOneof("payload")
        yield Message(
            message_id=each.id,
            stream=each.stream,
            event=each.event,
            payload=None if arm is None else getattr(each, arm),
            meta=dict(each.meta),
            time=time_of(each.time),
            position=position_of(each.position),
        )


def _log_position_of(response: control_pb2.ListMessagesResponse) -> Position:
    return position_of(response.position)


def _cleared_of(response: control_pb2.ClearMessagesResponse) -> Cleared:
    return Cleared(response.messages, position_of(response.position))


def _blocked_of(response: control_pb2.ListBlockedUsersResponse) -> Iterable[BlockedUser]:
    for each in response.users:
        expire = time_of(each.expire_time) if each.HasField("expire_time") else None
        yield BlockedUser(each.user_id, each.reason, expire)


def no_head(response: object) -> None:
    return None


def position_of(position: envelope_pb2.Position) -> Position:
    return Position(position.epoch, position.offset)


def time_of(stamp: Timestamp) -> datetime:
    """In UTC, and saying so."""
    when: datetime = stamp.ToDatetime(tzinfo=timezone.utc)
    return when
