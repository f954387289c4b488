"""A gateway whose streams and users have logs of several kinds, and how tests of them publish, say where they stand, and
listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.control import Control, event, pb
from support.ws import Browser

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

HISTORY_CONFIG: dict[str, Any] = {
    "edge": {"endpoints": [
        {
            "path": "/ws",
            "anonymous": True,
            "outbox_messages": 1000000,
            "outbox_bytes": "64MiB",
            "write_deadline": "5m",
        },
        {"path": "/first", "auth_timeout": "30s"},
    ]},
    "streams": [
        {"pattern": "log-*", "log": {"mode": "log", "messages": 10000, "max_bytes": "64MiB", "max_replay": 10000}},
        {"pattern": "private-*", "log": {"mode": "log"}},
        {"pattern": "short-*", "log": {"mode": "log", "messages": 5}},
        {"pattern": "near-*", "log": {"mode": "log", "max_replay": 3}},
        {"pattern": "brief-*", "log": {"mode": "log", "age": "1s"}},
        {"pattern": "latest-*", "log": {"mode": "latest"}},
    ],
    "inbox": {"mode": "log"},
}


def publish(control: Control, stream: str, *numbers: int) -> list[Any]:
    """One message for each number; returns their receipts."""
    return [control.to_stream(stream, event("n", json=str(number))) for number in numbers]


def clear(control: Control, **target: str) -> Any:
    return control.call("ClearMessages", pb.ClearMessagesRequest(**target)).position


def at(position: Any, offset: int | None = None) -> dict[str, Any]:
    """A position of a receipt, or another one of its epoch, as clients say it."""
    return {"epoch": position.epoch, "offset": position.offset if offset is None else offset}


def in_url(log: str, position: Any, offset: int | None = None) -> str:
    """The same for ?recover=."""
    return f"{log}:{position.epoch}:{position.offset if offset is None else offset}"


def heard(control: Control, browser: Browser) -> list[dict[str, Any]]:
    """What reached a browser before now: a last message to the session marks its end. Only for those who have caught
    up: what is replayed is not in order with that."""
    control.to_session(browser.session, event("end-of-test"))
    return browser.receive_until("end-of-test")


def receive_data(browser: Browser, count: int) -> list[Any]:
    return [browser.receive()["data"] for _ in range(count)]


def subscribe(browser: Browser, stream: str, **how: Any) -> dict[str, Any]:
    """Subscribes, insists on it, and returns what the reply says of the stream's log."""
    reply = browser.ask("subscribe", streams=[stream], **how)
    assert (reply["event"], reply["data"]["streams"], reply["data"]["refused"]) == ("subscribed", [stream], []), reply
    logs = reply["data"]["logs"]
    assert set(logs) <= {stream}, logs
    return dict(logs.get(stream, {}))
