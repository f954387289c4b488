"""What callers may say of a message beyond its name and its payload."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtobufMessage

from carillon_client._pb import control_pb2, envelope_pb2
from carillon_client.results import Position

# Without spaces, and not escaped to ASCII: the text is sent on to every client as it is here. JSON has no NaN.
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Json(str):
    """Text that is JSON already: data=Json('{"order":42}') is sent byte for byte, data='…' as a JSON string."""


@dataclass(frozen=True)
class Selector:
    """Which sessions a message is for. Each part that is given must hold; sessions without a user match none."""

    #: Each label must have this value (the token's claim "labels"). At most 16.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: The user must be one of these. At most 100.
    user_ids: Iterable[str] = ()
    #: The user must have one of these roles. At most 16.
    roles: Iterable[str] = ()


@dataclass(frozen=True)
class Options:
    """How a message is to be published. Durations are timedelta, or seconds; from 1 ms to 30 days."""

    #: Publishing again with the same id, message and options, to the same target and within five minutes, sends nothing
    #: and answers with the first receipt. 1 to 128 bytes. None: the client makes one, so that its retries are safe.
    request_id: str | None = None
    #: How long the log may still give it to those who come later.
    ttl: timedelta | float | None = None
    #: How long it may be on its way: it is dropped for sessions that it has not reached by then.
    deliver_within: timedelta | float | None = None
    #: Where the stream conflates, a session that is behind gets only the newest of each key. Empty: the event's name.
    conflation_key: str = ""
    #: Do not keep it in the log: it gets no position, and whoever is away misses it.
    skip_history: bool = False
    #: Publish only where the log's newest message stands here, else Aborted. Not for several users, a session or all.
    expected_position: Position | None = None
    #: Only for sessions that match.
    selector: Selector | None = None
    #: Not for these sessions, nor for those that resume one of them. At most 100.
    exclude_sessions: Iterable[str] = ()
    #: Not for these users' sessions. At most 100.
    exclude_users: Iterable[str] = ()
    #: Answer only when the sessions' queues were looked at, with Receipt.report. Not in a batcher.
    report: bool = False


def make_options(options: Options | None) -> control_pb2.PublishOptions:
    """As the gateway wants them. There is always a request_id: without one, a retry could send twice."""
    if options is None:
        return control_pb2.PublishOptions(request_id=uuid.uuid4().hex)
    selector = options.selector
    return control_pb2.PublishOptions(
        request_id=uuid.uuid4().hex if options.request_id is None else options.request_id,
        ttl=make_duration(options.ttl),
        deliver_within=make_duration(options.deliver_within),
        conflation_key=options.conflation_key,
        skip_history=options.skip_history,
        expected_position=make_position(options.expected_position),
        selector=None
        if selector is None
        else control_pb2.Selector(
            labels=selector.labels,
            user_ids=several(selector.user_ids, "user_ids"),
            roles=several(selector.roles, "roles"),
        ),
        exclude_sessions=several(options.exclude_sessions, "exclude_sessions"),
        exclude_users=several(options.exclude_users, "exclude_users"),
        report=options.report,
    )


def make_event(name: str, data: object, meta: Mapping[str, str] | None) -> envelope_pb2.Event:
    """The message itself. Raises TypeError or ValueError where data cannot be written as JSON."""
    event = envelope_pb2.Event(name=name, meta=meta)
    if isinstance(data, Json):
        event.json = data
    elif isinstance(data, (bytes, bytearray, memoryview)):
        event.binary = bytes(data)
    elif isinstance(data, ProtobufMessage):
        event.message.Pack(data)
    elif data is not None:
        event.json = encode(data)
    return event


def make_duration(value: timedelta | float | None) -> Duration | None:
    """From a timedelta or seconds."""
    if value is None:
        return None
    duration = Duration()
    duration.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))
    return duration


def make_position(position: Position | None) -> envelope_pb2.Position | None:
    """As the gateway wants it."""
    return None if position is None else envelope_pb2.Position(epoch=position.epoch, offset=position.offset)


def several(values: Iterable[str], what: str) -> list[str]:
    """A string is an iterable of strings too, and never what is meant."""
    if isinstance(values, str):
        raise TypeError(f"{what} is one string, not several")
    if not isinstance(values, Iterable):
        raise TypeError(f"{what} takes several strings, not {type(values).__name__}")
    listed = list(values)
    for each in listed:
        if not isinstance(each, (str, bytes)):
            raise TypeError(f"{what} takes strings, not {type(each).__name__}")
    return listed
