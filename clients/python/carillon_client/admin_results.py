"""What the calls of AdminService answer: sessions, streams and gateways as they are at this moment. Frozen, like results.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from carillon_client.results import Position


@dataclass(frozen=True)
class Backlog:
    """What waits for a session, and what it has lost."""

    #: Messages that wait to be written.
    messages: int
    #: How many bytes that is.
    bytes: int
    #: For how long something has waited without a break, in seconds.
    age: float
    #: Messages that it lost since it connected, because it read too slowly.
    messages_lost: int


@dataclass(frozen=True)
class SessionInfo:
    """A connected session."""

    session_id: str
    #: Empty for an anonymous session.
    user_id: str
    #: The user's name, from the token. May be empty.
    name: str
    roles: tuple[str, ...]
    #: The claim "labels" of its token. Not part of the hash: a mapping has none.
    labels: Mapping[str, str] = field(hash=False)
    #: Where the client is, as the gateway or its trusted proxies see it.
    address: str
    #: The path of the endpoint that it is connected to.
    endpoint: str
    #: By the gateway's clock, in UTC.
    connected_time: datetime
    #: For how long it has been connected, in seconds.
    age: float
    #: How many streams it subscribes to.
    streams: int
    backlog: Backlog
    #: How many messages it was given to read since it connected, answers included.
    messages_queued: int
    #: How many messages it has said.
    messages_said: int
    #: When its token ends, in UTC. None: it has none.
    token_expire_time: datetime | None


@dataclass(frozen=True)
class SessionRates:
    """How fast a session is spoken to, and speaks: messages a second."""

    queued: float
    said: float
    #: Over how long this was measured, in seconds.
    measured: float


@dataclass(frozen=True)
class SessionDetails:
    """One session, with its streams."""

    session: SessionInfo
    #: In the order of their names; the first 1,000.
    streams: tuple[str, ...]
    #: None where measure_for is.
    rates: SessionRates | None


@dataclass(frozen=True)
class Slowest:
    """The sessions that are furthest behind, and those that have lost messages."""

    #: The worst first.
    sessions: tuple[SessionInfo, ...]
    #: True where a part of the gateway did not answer in time, so that sessions may be missing.
    partial: bool


@dataclass(frozen=True)
class StreamInfo:
    """A stream that has subscribers."""

    stream: str
    #: How many sessions subscribe to it.
    sessions: int


@dataclass(frozen=True)
class StreamLog:
    """What the log of a stream holds."""

    #: Where its newest message stands.
    top: Position
    #: The offset of its oldest message that is kept; 0: it holds none.
    oldest_offset: int
    #: When that was published, in UTC. None: it holds none.
    oldest_time: datetime | None


@dataclass(frozen=True)
class StreamDetails:
    """One stream, whether it has subscribers or not."""

    stream: str
    #: How many sessions subscribe to it.
    sessions: int
    #: The pattern of the rule that it has. Empty: no rule matches, and it has the one of all streams.
    rule: str
    #: What the rule says of itself.
    description: str
    #: How many users are there. None where that is not known.
    members: int | None
    #: None: there is none.
    log: StreamLog | None
    #: True where a gateway did not answer, so that the counts may be too low.
    partial: bool


class DrainState(str, Enum):
    """How far a drain has come."""

    #: There is none: clients are let in.
    SERVING = "serving"
    #: Sessions are still to be sent home.
    DRAINING = "draining"
    #: All have been told to go, and nobody is let in.
    DRAINED = "drained"
    #: One that this client does not know.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class DrainStatus:
    """How a drain stands: of an app, of an endpoint, or (neither) of the gateway."""

    app: str | None
    endpoint: str | None
    state: DrainState
    #: How many sessions of it there are that have not been told to go.
    sessions: int
    #: In UTC. None: there is no drain.
    begin_time: datetime | None
    #: Who asked for it: the key's name, or a signal.
    asked_by: str
    #: True where the process ends afterwards.
    exit: bool


@dataclass(frozen=True)
class Drained:
    """What drain() came to."""

    status: DrainStatus
    #: False where that was so before.
    changed: bool
    #: True where a part of the gateway did not answer in time, so that sessions may be missing.
    partial: bool


class HookBreaker(str, Enum):
    """Whether a backend is asked."""

    #: It is.
    CLOSED = "closed"
    #: It did not answer; one question is on its way, to see whether it does again.
    PROBING = "probing"
    #: It did not answer, and is left alone for a while.
    OPEN = "open"
    #: One that this client does not know.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class HookStatus:
    """How a backend does that a gateway asks."""

    #: Its name in the gateway's configuration.
    name: str
    address: str
    breaker: HookBreaker
    #: Questions that wait for their answers.
    pending: int
    answered: int
    #: Late, failed and wrong answers.
    unanswered: int
    #: Questions that it was not asked, because it was left alone or too many waited.
    shed: int


@dataclass(frozen=True)
class Node:
    """One gateway."""

    #: Unique, and another after a restart.
    node_id: str
    version: str
    #: In UTC.
    started_time: datetime
    #: How many sessions it has, of the apps that the key is for; 0 for a key for some streams.
    sessions: int
    #: How many threads serve them.
    shards: int
    #: True where it sends its sessions away.
    draining: bool
    #: What of it is drained, as far as the key may drain it: the gateway itself first.
    drains: tuple[DrainStatus, ...]
    #: How the backends do that it asks; for keys of every app and stream.
    hooks: tuple[HookStatus, ...]


@dataclass(frozen=True)
class Nodes:
    """The gateways that are one with the one that was asked."""

    #: That one first.
    nodes: tuple[Node, ...]
    #: True where a gateway did not answer.
    partial: bool


@dataclass(frozen=True)
class SettingChange:
    """A setting that is another than before. Of secrets and groups only the setting is told."""

    #: Its path, such as edge.listen.
    setting: str
    before: str
    now: str


@dataclass(frozen=True)
class Reloaded:
    """What loading the configuration again came to."""

    #: What counts from here on.
    changed: tuple[SettingChange, ...]
    #: What has changed since the start, and counts after a restart only.
    need_restart: tuple[SettingChange, ...]
