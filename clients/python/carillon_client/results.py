"""What calls answer. Frozen, so that they can be shared between threads and kept in sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Position:
    """Where a message stands in its log. Offsets of different epochs cannot be compared."""

    epoch: str
    offset: int


@dataclass(frozen=True)
class Receipt:
    """What became of one message."""

    #: As clients see it in meta.id.
    message_id: str
    #: How many sessions the message was addressed to. 0 is not an error: nobody was listening.
    sessions: int
    #: None where no log keeps the message.
    position: Position | None


@dataclass(frozen=True)
class UsersReceipt(Receipt):
    """What became of a message for several users; sessions is the sum over all of them."""

    #: How many of the users had at least one session.
    users: int


@dataclass(frozen=True)
class KickResult:
    """Who was closed."""

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
