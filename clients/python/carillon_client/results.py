"""What calls answer. Frozen, so that they can be shared between threads and kept in sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Position:
    """Where a message stands in its log, or an event in the feed. Offsets of different epochs cannot be compared."""

    epoch: str
    offset: int


@dataclass(frozen=True)
class DeliveryReport:
    """What became of a message in its recipients' queues."""

    #: Sessions in whose queue it was put.
    queued: int
    #: Sessions that it was not for: by the selector, an exclusion, a subscription or a filter of their own.
    filtered: int
    #: Sessions that were too far behind: it was dropped for them, or they were closed.
    dropped: int
    #: Sessions that are still catching up with the log: they get it from there.
    replaying: int
    #: True where a part of the gateway did not answer in time, so that the counts may be too low.
    partial: bool


@dataclass(frozen=True)
class Receipt:
    """What became of one message."""

    #: As clients see it in meta.id.
    message_id: str
    #: How many sessions the message was addressed to. 0 is not an error: nobody was listening.
    sessions: int
    #: None where no log keeps the message, and where it went to several users.
    position: Position | None
    #: True where a message with this request_id was published before: nothing was sent now.
    duplicate: bool = False
    #: Where options.report asked for it.
    report: DeliveryReport | None = None


@dataclass(frozen=True)
class UsersReceipt(Receipt):
    """What became of a message for several users; sessions is the sum over all of them."""

    #: How many of the users had at least one session.
    users: int = 0


@dataclass(frozen=True)
class Closed:
    """How many sessions were closed."""

    sessions: int
    #: True where a part of the gateway did not answer in time, so that sessions may be too low.
    partial: bool


@dataclass(frozen=True)
class Subscribed:
    """How many sessions subscribe to a stream now."""

    #: Those that did before included.
    sessions: int
    #: Those that could not: they, or the app, have too many streams, or their token lacks what the stream filters by.
    refused: int
    #: True where a part of the gateway did not answer in time, so that the counts may be too low.
    partial: bool


@dataclass(frozen=True)
class Unsubscribed:
    """How many sessions had the stream that was taken from them."""

    sessions: int
    #: True where a part of the gateway did not answer in time, so that sessions may be too low.
    partial: bool


@dataclass(frozen=True)
class Subscriber:
    """One connected session."""

    session_id: str
    #: Empty for an anonymous session.
    user_id: str
    #: By the gateway's clock, in UTC.
    connected_time: datetime
    #: The claim "labels" of the session's token. Not part of the hash: a mapping has none.
    labels: Mapping[str, str] = field(hash=False)


class PresenceStatus(Enum):
    """What a user says of themselves in a stream."""

    ONLINE = 1
    AWAY = 2
    BUSY = 3


@dataclass(frozen=True)
class Member:
    """A user who is in a stream, however many sessions that user has there."""

    user_id: str
    #: As the newest token says it. May be empty.
    name: str
    #: What else that token says, any JSON. None: nothing.
    info: Any = field(hash=False)
    status: PresenceStatus
    #: What the user says, in words.
    text: str
    #: When the first of the user's sessions came, in UTC.
    join_time: datetime
    #: 0: the last connection broke, and the grace has not passed.
    sessions: int


@dataclass(frozen=True)
class Presence:
    """What is said of a stream's members as a whole."""

    #: How many users are there.
    count: int
    #: True where there are too many for subscribers to be told who comes and goes.
    counts_only: bool


@dataclass(frozen=True)
class Message:
    """One message that a log keeps."""

    #: As clients see it in meta.id.
    message_id: str
    stream: str
    event: str
    #: The payload as it was published: JSON text, bytes, or None.
    payload: str | bytes | None
    meta: Mapping[str, str] = field(hash=False)
    #: When the gateway accepted it, by the gateway's clock, in UTC.
    time: datetime
    position: Position

    def data(self) -> Any:
        """The payload, with JSON text read; bytes as they are."""
        return json.loads(self.payload) if isinstance(self.payload, str) else self.payload


@dataclass(frozen=True)
class Cleared:
    """What clear_messages() has cleared."""

    #: How many messages were forgotten.
    messages: int
    #: Where the log stands now: its new epoch, and offset 0.
    position: Position


@dataclass(frozen=True)
class BlockedUser:
    """One user that is kept out."""

    user_id: str
    #: What the user is told.
    reason: str
    #: When it ends by itself, in UTC. None: not before unblock_user().
    expire_time: datetime | None
