"""What a tail asks for and shows, for tail.py and aio_tail.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from carillon_client._pb import admin_pb2
from carillon_client.arguments import exactly_one
from carillon_client.calls import time_of
from carillon_client.options import make_duration


class TailEnd(str, Enum):
    """Why a tail ended well."""

    #: Its max_age is over.
    MAX_AGE = "max_age"
    #: The session is gone.
    SESSION_GONE = "session_gone"
    #: For a reason that this client does not know.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TailFrame:
    """A message on its way to a client, or from one."""

    #: When it was given to the session to read, or came from it, or was given to the stream. In UTC.
    time: datetime
    #: True where it came from the client.
    incoming: bool
    #: Whose it is. Empty where a stream is looked at.
    session_id: str
    #: Of a message from a client: what it wants, such as "publish".
    action: str
    #: As clients see it. May be empty.
    stream: str
    event: str
    #: As clients see it. Not part of the hash: a mapping has none.
    meta: Mapping[str, str] = field(hash=False)
    #: How many bytes it has.
    bytes: int
    #: object, array, string, number, boolean, null or binary. Empty: it has none, or it is secret.
    payload_type: str
    #: As JSON.
    payload_bytes: int
    #: Of an object: the name and the type of each of the first 64 fields.
    fields: tuple[tuple[str, str], ...]
    #: JSON, or its first bytes. Empty where payloads were not asked for.
    payload: str
    #: True where that is not all of it.
    payload_cut: bool
    #: True where nothing of it is ever shown: it may hold a token.
    secret: bool


@dataclass(frozen=True)
class TailBegun:
    """What a tail knows when it begins."""

    #: How many sessions it is about; 0 for a stream.
    sessions: int
    #: When it will end at the latest, in UTC.
    end_time: datetime


@dataclass
class Course:
    """What one tail has come to."""

    request: admin_pb2.TailRequest
    left_out: int = 0
    lost: int = 0
    begun: TailBegun | None = None
    end: TailEnd | None = None

    def take(self, response: admin_pb2.TailResponse) -> list[TailFrame]:
        """The frames that a response brings."""
        self.left_out += response.left_out
        self.lost += response.lost
        if response.HasField("begun"):
            self.begun = TailBegun(response.begun.sessions, time_of(response.begun.end_time))
        if response.end:
            self.end = _ENDS.get(response.end, TailEnd.UNKNOWN)
        return [_frame(each) for each in response.frames]


def tail(
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    stream: str | None = None,
    payloads: bool = False,
    max_payload_bytes: int = 0,
    sample_every: int = 0,
    max_per_second: int = 0,
    max_age: timedelta | float | None = None,
) -> Course:
    """Shows what goes by: what a user's sessions, or one, are given to read and say; or what is published to a stream.

    for frame in client.tail(user_id="alice"):
        print(frame.time, frame.event, frame.fields)

    Verb: admin; of a key for some streams, only those. It begins with the first frame that is asked for, or with `with` or
    start(). It ends, and `end` says why, after max_age or when the session is gone; with an error where the connection
    breaks or the gateway ends: it does not connect again. Raises ResourceExhausted where there are too many of these. What
    is not read in time is lost, and counted in `lost`; what the sample leaves out in `left_out`.

    payloads           Shows payloads, which are described otherwise: their size, and names and types of fields.
    max_payload_bytes  Of each so many bytes: at most 65,536; 0: 4,096.
    sample_every       Of so many frames only the first. 0: each.
    max_per_second     Of those that are left, at most so many a second. 0: any number.
    max_age            For how long: a timedelta, or seconds; 1 s to 1 h. None: ten minutes.
    """
    exactly_one("tail()", user_id=user_id, session_id=session_id, stream=stream)
    return Course(
        admin_pb2.TailRequest(
            user_id=user_id,
            session_id=session_id,
            stream=stream,
            payloads=payloads,
            max_payload_bytes=max_payload_bytes,
            sample_every=sample_every,
            max_per_second=max_per_second,
            max_age=make_duration(max_age),
        )
    )


_ENDS = {
    admin_pb2.TAIL_END_MAX_AGE: TailEnd.MAX_AGE,
    admin_pb2.TAIL_END_SESSION_GONE: TailEnd.SESSION_GONE,
}


def _frame(frame: Any) -> TailFrame:
    return TailFrame(
        time=time_of(frame.time),
        incoming=frame.direction == admin_pb2.TAIL_DIRECTION_IN,
        session_id=frame.session_id,
        action=frame.action,
        stream=frame.stream,
        event=frame.event,
        meta=dict(frame.meta),
        bytes=frame.bytes,
        payload_type=frame.payload_type,
        payload_bytes=frame.payload_bytes,
        fields=tuple((each.name, each.type) for each in frame.fields),
        payload=frame.payload,
        payload_cut=frame.payload_cut,
        secret=frame.secret,
    )
