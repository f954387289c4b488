"""A gateway with logs, and how tests publish to it with options and see what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import duration_pb2
from support.control import Control, Event, event, pb
from support.gateway import token
from support.patience import eventually
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

SOON = duration_pb2.Duration(nanos=1_000_000)
WHILE = duration_pb2.Duration(seconds=1)
LOST = "carillon_messages_lost_total"

_SMALL = {"anonymous": True, "send_buffer_bytes": "4KiB"}

PUBLISH_CONFIG: dict[str, Any] = {
    "edge": {"endpoints": [
        {"path": "/ws", "anonymous": True},
        {"path": "/patient", **_SMALL, "outbox_bytes": "64MiB", "outbox_messages": 1000000, "write_deadline": "5m"},
        {"path": "/tight", **_SMALL, "outbox_bytes": "512KiB", "outbox_messages": 1000000, "write_deadline": "5m"},
    ]},
    "streams": [
        {"pattern": "log-*", "log": {"mode": "log", "max_bytes": "64MiB"}},
        {"pattern": "latest-*", "log": {"mode": "latest"}},
        {"pattern": "newest-*", "slow": "drop_newest"},
    ],
    "inbox": {"mode": "log"},
}


def position_of(epoch: str, offset: int) -> Any:
    return type(pb.Receipt().position)(epoch=epoch, offset=offset)


def to_stream(control: Control, stream: str, message: Event | None = None, **options: Any) -> Any:
    """BroadcastStream with options: its receipt."""
    request = pb.BroadcastStreamRequest(
        stream=stream, event=message or event(), options=pb.PublishOptions(**options)
    )
    return control.call("BroadcastStream", request).receipt


def to_stream_refused(control: Control, stream: str, message: Event | None = None, **options: Any) -> Any:
    """The same, insisting that it is refused."""
    options_message = pb.PublishOptions(**options)
    request = pb.BroadcastStreamRequest(stream=stream, event=message or event(), options=options_message)
    return control.refused("BroadcastStream", request)


def listed(control: Control, **target: str) -> list[str]:
    """The names of the events in a log."""
    answer = control.call("ListMessages", pb.ListMessagesRequest(**target))
    return [message.event for message in answer.messages]


def wait_until_gone(control: Control, stream: str, name: str) -> None:
    """Waits until the log does not give the event any more."""
    eventually(lambda: listed(control, stream=stream), lambda names: name not in names, "the log")


def heard(control: Control, browser: Browser) -> list[str]:
    """The events that reached a browser before now, without markers: a last one marks their end."""
    control.to_session(browser.session, event("end-of-test"))
    return [message["event"] for message in browser.receive_until("end-of-test") if message["event"] != "skip"]


def replayed(connect: Connect, stream: str, count: int, **query: str) -> tuple[list[str], dict[str, int]]:
    """What a new session is given of the whole log of a stream with `count` messages: the events, and the sums of the
    markers. Insists that together they account for every offset, in order."""
    browser = connect(with_query("/ws", streams=stream, recover=f"{stream}::0", **query))
    assert browser.welcome["logs"][stream]["reason"] == "ok"
    assert browser.welcome["logs"][stream]["top"] == count
    names: list[str] = []
    skipped: dict[str, int] = {}
    offset = 0
    while offset < count:
        message = browser.receive()
        if message["event"] == "skip":
            counts = counts_of(message)
            assert message["data"]["offset"] == offset + sum(counts.values())
            offset = message["data"]["offset"]
            for reason, number in counts.items():
                skipped[reason] = skipped.get(reason, 0) + number
        else:
            assert message["meta"]["offset"] == offset + 1
            offset += 1
            names.append(message["event"])
    return names, skipped


def counts_of(skip: dict[str, Any]) -> dict[str, int]:
    """A marker's counts by reason."""
    assert (skip["stream"], skip["event"]) == ("system", "skip"), skip
    reasons = ("filtered", "excluded", "expired", "conflated", "dropped")
    return {reason: skip["data"][reason] for reason in reasons if reason in skip["data"]}


def tab(connect: Connect, user: str, stream: str, path: str = "/ws", **claims: Any) -> Browser:
    return connect(with_query(path, token=token(user, **claims), streams=stream))
