"""What happens in an app, as watch() gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from carillon_client._pb import events_pb2
from carillon_client.calls import time_of
from carillon_client.results import Position


class EventKind(Enum):
    """What may happen."""

    #: Something that this client does not know yet.
    UNKNOWN = 0
    #: A session began. Details: Opened.
    SESSION_OPENED = 1
    #: An anonymous session showed a token: it has a user now. Details: Opened.
    SESSION_IDENTIFIED = 2
    #: A session ended; its last event, and its subscriptions end with it. Details: Ended.
    SESSION_CLOSED = 3
    #: A session subscribed to a stream.
    SUBSCRIBED = 4
    #: A session gave up a stream, or lost it, and goes on.
    UNSUBSCRIBED = 5
    #: A user came to a stream of which it is known who is there. Details: MemberChange.
    MEMBER_JOINED = 6
    #: A user left one. Details: MemberChange.
    MEMBER_LEFT = 7
    #: A stream has its first subscriber.
    STREAM_OCCUPIED = 8
    #: A stream's last subscriber has gone.
    STREAM_VACATED = 9
    #: 80 % of a limit were crossed. Details: LimitCrossed.
    LIMIT_CROSSED = 10
    #: A session reads too slowly. Details: SlowConsumer.
    SLOW_CONSUMER = 11
    #: Sessions will be sent away, or that was taken back. Details: DrainNotice.
    DRAIN = 12
    #: A client published an event to no stream, which the configuration leaves to backends. Details: ClientSaid.
    CLIENT_EVENT = 13


@dataclass(frozen=True)
class Opened:
    """Who a session is, from its token."""

    name: str
    labels: Mapping[str, str] = field(hash=False)
    roles: tuple[str, ...]
    #: Sessions of the same client that this one carries on, the newest last.
    resumes: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """How a session ended."""

    #: Its close code. Where a backend chose one, 4005 (kicked).
    code: int
    #: The same as a word, such as normal, abnormal, slow_consumer.
    cause: str
    #: In seconds.
    lasted: float
    #: How many messages it lost because it read too slowly.
    messages_lost: int


@dataclass(frozen=True)
class MemberChange:
    """How a stream's members changed."""

    #: The user's name, from the token. May be empty.
    name: str
    #: How many users are there now.
    count: int


@dataclass(frozen=True)
class LimitCrossed:
    """A limit that has come near."""

    limit: str
    used: int
    most: int
    #: Whose it is: a user, a network or a session. Empty: the app's or the gateway's.
    who: str
    #: The setting that says how much.
    setting: str


@dataclass(frozen=True)
class SlowConsumer:
    """How a session fell behind."""

    #: True: it is closed for it. False: it lost messages of streams that allow that.
    closed: bool
    #: How many messages it has lost so far.
    messages_lost: int


@dataclass(frozen=True)
class ClientSaid:
    """What a client published to no stream."""

    #: The event's name, of the client's choice.
    event: str
    #: Its payload, as JSON text.
    payload: str
    #: The id that the client was told, where it asked for one.
    message_id: str

    def data(self) -> Any:
        """The payload, read."""
        return json.loads(self.payload) if self.payload else None


@dataclass(frozen=True)
class DrainNotice:
    """What is drained: the gateway, or, where one is named, an app or an endpoint alone."""

    #: The app, by its name.
    app: str | None
    #: The endpoint, by its path.
    endpoint: str | None
    #: True where the process ends afterwards: of its sessions none is left then.
    exit: bool
    #: True where it was taken back: sessions that had not been told to go stay.
    undone: bool


Details = Opened | Ended | MemberChange | LimitCrossed | SlowConsumer | ClientSaid | DrainNotice


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: EventKind
    #: Where it stands in the feed.
    position: Position
    #: By the gateway's clock, in UTC.
    time: datetime
    #: The session concerned. Empty: none.
    session_id: str
    #: The user concerned. Empty: none, or an anonymous session.
    user_id: str
    #: The stream concerned. Empty: none.
    stream: str
    #: More about it, by kind. None: nothing.
    details: Details | None
    #: Which part of a group's work it is.
    partition: int


@dataclass(frozen=True)
class Lost:
    """Events that the gateway did not keep long enough to give them to this watch."""

    partition: int
    #: The first offset that is missing.
    first: int
    #: The last. None: nobody knows, because the feed is another: the gateway was restarted without a snapshot.
    last: int | None


_KINDS = {kind.value: kind for kind in EventKind}


def read_event(event: events_pb2.FeedEvent, epoch: str, partition: int) -> Event:
    """From the gateway's."""
    return Event(
        kind=_KINDS.get(event.kind, EventKind.UNKNOWN),
        position=Position(epoch, event.offset),
        time=time_of(event.time),
        session_id=event.session_id,
        user_id=event.user_id,
        stream=event.stream,
        details=_details(event),
        partition=partition,
    )


def _details(event: events_pb2.FeedEvent) -> Details | None:
    arm = event.WhichOneof("details")
    if arm == "opened":
        who = event.opened
        return Opened(who.name, dict(who.labels), tuple(who.roles), tuple(who.resumes))
    if arm == "closed":
        end = event.closed
        return Ended(end.code, end.cause, end.lasted_ms / 1000, end.messages_lost)
    if arm == "member":
        return MemberChange(event.member.name, event.member.count)
    if arm == "limit":
        near = event.limit
        return LimitCrossed(near.limit, near.used, near.most, near.who, near.setting)
    if arm == "slow":
        return SlowConsumer(event.slow.closed, event.slow.messages_lost)
    if arm == "client":
        return ClientSaid(event.client.event, event.client.json, event.client.message_id)
    if arm == "drain":
        notice = event.drain
        return DrainNotice(notice.app_name or None, notice.endpoint or None, notice.exit, notice.undone)
    return None
