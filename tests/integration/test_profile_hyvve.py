"""HYVVE's client events (tests/profiles/hyvve.yaml): each does what it says, at its rate, without a backend."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.control import Control, event, pb
from support.gateway import sign
from support.patience import eventually
from support.ws import Browser, with_query

Connect = Callable[..., Browser]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    profile: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "profiles" / "hyvve.yaml").read_text())
    return profile


@pytest.fixture
def enter(connect: Connect) -> Callable[..., Browser]:
    """A session of a user in a workspace."""

    def enter(user: str, workspace: str) -> Browser:
        text = sign({"sub": user, "workspaceId": workspace, "exp": int(time.time()) + 3600})
        return connect(with_query("/ws", token=text))

    return enter


Enter = Callable[..., Browser]
Fresh = Callable[[str], str]


def emit(browser: Browser, name: str, data: Any) -> dict[str, Any]:
    """Publishes a client event, and what is answered."""
    return browser.ask("publish", event=name, data=data)


def settle(*browsers: Browser) -> None:
    """They have heard of everybody who came."""
    for browser in browsers:
        browser.ask("ping")
        while browser.pending():
            assert browser.receive()["event"] == "presence.join"


def after_rate(browser: Browser, name: str, data: Any, most: int, window_ms: int) -> None:
    """One more than `most` is refused, with how long to wait."""
    for _ in range(most - 1):
        answer = emit(browser, name, data)
        assert answer["event"] != "error", answer
    refused = emit(browser, name, data)
    assert (refused["event"], refused["data"]["code"]) == ("error", "rate_limited")
    assert 0 < refused["data"]["retry_after_ms"] <= window_ms


def test_presence_update(enter: Enter, fresh: Fresh) -> None:
    workspace = fresh("w")
    ann = enter("ann", workspace)
    bob = enter("bob", workspace)
    settle(ann, bob)
    answer = emit(bob, "presence.update", {"status": "busy"})
    assert (answer["event"], answer["data"]["streams"]) == ("presence", [f"workspace-{workspace}"])
    heard = ann.receive()
    assert (heard["stream"], heard["event"]) == (f"workspace-{workspace}", "presence.update")
    assert (heard["data"]["user"]["id"], heard["data"]["status"]) == ("bob", "busy")
    assert emit(bob, "presence.update", {"status": "asleep"})["data"]["code"] == "bad_status"
    after_rate(bob, "presence.update", {"status": "away"}, 2, 10_000)  # what was wrong has counted as well


@pytest.mark.parametrize("name", ["typing.start", "typing.stop"])
def test_typing(enter: Enter, fresh: Fresh, name: str) -> None:
    workspace = fresh("w")
    ann = enter("ann", workspace)
    stranger = enter("eve", fresh("w"))
    bob = enter("bob", workspace)
    settle(ann, bob, stranger)
    answer = emit(bob, name, {"chatId": "chat-123"})
    assert (answer["event"], answer["data"]["stream"]) == ("published", f"workspace-{workspace}")
    heard = ann.receive()
    assert (heard["stream"], heard["event"], heard["data"]) == (f"workspace-{workspace}", name, {"chatId": "chat-123"})
    assert heard["meta"]["from"] == "bob"
    after_rate(bob, name, {"chatId": "chat-123"}, 5, 5_000)
    for quiet in (bob, stranger):  # nobody hears themselves, or another workspace
        assert quiet.ask("ping")["event"] == "pong" and quiet.pending() == 0


def test_rooms(enter: Enter, control: Control, fresh: Fresh) -> None:
    workspace, other = fresh("w"), fresh("w")
    stream = f"workspace-{workspace}"
    ann = enter("ann", workspace)
    assert emit(ann, "room.leave", {"workspaceId": workspace})["data"]["streams"] == [stream]
    assert control.call("CountSubscribers", pb.CountSubscribersRequest(stream=stream)).sessions == 0
    assert emit(ann, "room.join", {"workspaceId": workspace})["data"]["streams"] == [stream]
    assert control.call("CountSubscribers", pb.CountSubscribersRequest(stream=stream)).sessions == 1
    refused = emit(ann, "room.join", {"workspaceId": other})
    assert refused["data"]["streams"] == []
    assert [(each["stream"], each["code"]) for each in refused["data"]["refused"]] == [(f"workspace-{other}", "forbidden")]
    for nonsense in ({}, {"workspaceId": ""}, {"workspaceId": ["x"]}, {"workspaceId": None}, [], None, 7):
        assert emit(enter("eve", workspace), "room.join", nonsense)["data"]["code"] == "bad_data"
    for _ in range(3):
        assert emit(ann, "room.join", {"workspaceId": workspace})["event"] == "subscribed"
    assert emit(ann, "room.join", {"workspaceId": workspace})["data"]["code"] == "rate_limited"
    after_rate(ann, "room.leave", {"workspaceId": workspace}, 5, 60_000)


def numbers(browser: Browser, count: int) -> list[int]:
    return [browser.receive()["data"] for _ in range(count)]


def send(control: Control, stream: str, user: str, n: int) -> None:
    """Odd ones to the stream, even ones to the user."""
    if n % 2 == 1:
        control.call("BroadcastStream", pb.BroadcastStreamRequest(stream=stream, event=event(json=str(n))))
    else:
        control.call("BroadcastToUser", pb.BroadcastToUserRequest(user_id=user, event=event(json=str(n))))


def test_sync_after_a_message(enter: Enter, control: Control, fresh: Fresh) -> None:
    workspace, user = fresh("w"), fresh("ann")
    stream = f"workspace-{workspace}"
    ann = enter(user, workspace)
    settle(ann)
    messages = []
    for n in (1, 3, 5, 7):
        send(control, stream, user, n)
        messages.append(ann.receive())
    state = emit(ann, "sync.request", {"lastEventId": messages[1]["meta"]["id"]})
    assert state["event"] == "sync.state" and state["data"]["streams"] == [stream]
    log = state["data"]["logs"][stream]
    assert (log["offset"], log["top"], log["recovered"], log["reason"]) == (2, 4, True, "ok")
    assert set(state["data"]["logs"]) == {stream, "@user"}
    assert numbers(ann, 2) == [5, 7]
    again = [emit(ann, "sync.request", data)["data"]["logs"][stream] for data in ({"lastEventId": "unknown-0"}, {})]
    assert [(each.get("recovered"), each.get("reason"), each["offset"]) for each in again] == [(False, "trimmed", 4), (None, None, 4)]
    assert emit(ann, "sync.request", {})["data"]["code"] == "rate_limited"
    assert ann.ask("ping")["event"] == "pong" and ann.pending() == 0


@pytest.mark.parametrize("text", [False, True])
def test_sync_since_a_time(enter: Enter, control: Control, fresh: Fresh, text: bool) -> None:
    workspace, user = fresh("w"), fresh("ann")
    ann = enter(user, workspace)
    settle(ann)
    for n in (1, 2):  # the logs begin
        send(control, f"workspace-{workspace}", user, n)
    since: Any = max(ann.receive()["meta"]["ts"] for _ in range(2)) + 1
    eventually(lambda: time.time() * 1000, lambda now: now > since + 1, "a later millisecond")
    for n in (3, 4, 5, 6):
        send(control, f"workspace-{workspace}", user, n)
    assert sorted(numbers(ann, 4)) == [3, 4, 5, 6]
    if text:
        since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since / 1000)) + f".{since % 1000:03}Z"
    state = emit(ann, "sync.request", {"lastEventId": None, "since": since})
    assert {name: log["recovered"] for name, log in state["data"]["logs"].items()} == {f"workspace-{workspace}": True, "@user": True}
    assert sorted(numbers(ann, 4)) == [3, 4, 5, 6]
    send(control, f"workspace-{workspace}", user, 7)  # and it goes on
    assert numbers(ann, 1) == [7]


@pytest.mark.parametrize("data", [{"lastEventId": 7}, {"since": "yesterday"}, {"since": -1}, {"since": 1e300}, {"since": []}])
def test_a_sync_that_is_none(enter: Enter, fresh: Fresh, data: Any) -> None:
    assert emit(enter("ann", fresh("w")), "sync.request", data)["data"]["code"] == "bad_data"
