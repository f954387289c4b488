"""What clients publish to no stream: what of it backends get, and what the configuration makes of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.control import Control, event, stream_item
from support.feed import Watch, kind, kinds
from support.gateway import Gateway, clean_environment, token
from support.ws import TEXT, Browser, frame_bytes, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "streams": [
            {"pattern": "room-*", "publish": {"who": "identified"}},
            {"pattern": "long-*", "log": {"mode": "log", "messages": 20000, "max_bytes": "64MiB"}},
        ],
        "client_events": [
            {"event": "open.*", "anonymous": True, "rate": "3/1h", "max_payload_bytes": 64},
            {"event": "secret", "action": "refuse"},
            {"event": "say", "action": "publish", "stream": "room-{data.room}"},
            {"event": "home", "action": "subscribe", "stream": "room-{team}"},
            {"event": "sync", "action": "sync"},
        ],
        "apps": [{"name": "quiet"}],
    }


@pytest.fixture
def watch(control: Control, keep: Callable[[Any], Any]) -> Callable[..., Watch]:
    return lambda **begin: keep(Watch(control, **begin)).begun()


Watcher = Callable[..., Watch]


def said(events: list[Any]) -> list[tuple[str, str, Any]]:
    return [(event.user_id, event.client.event, json.loads(event.client.json)) for event in events]


def test_a_backend_gets_what_no_rule_is_for(watch: Watcher, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    feed = watch(filter={"kinds": kinds("client_event"), "user_ids": [user]})
    browser = connect(with_query("/ws", token=token(user)))
    answer = browser.ask("publish", event="cart.add", data={"sku": 7, "note": "ä\n"})
    browser.send_json({"action": "publish", "event": "cart.look"})  # wants no answer
    answered, quiet = feed.take(2)
    assert said([answered, quiet]) == [(user, "cart.add", {"sku": 7, "note": "ä\n"}), (user, "cart.look", None)]
    assert answer["event"] == "published" and answer["data"] == {"message_id": answered.client.message_id}
    assert (answered.session_id, answered.stream) == (browser.session, "")
    assert browser.ask("ping")["event"] == "pong" and browser.pending() == 0


def test_a_watch_for_some_events_only(watch: Watcher, connect: Connect, fresh: Fresh) -> None:
    user = fresh("ann")
    feed = watch(filter={"client_events": ["cart.*", "pay"], "user_ids": [user]})
    browser = connect(with_query("/ws", token=token(user)))
    for name in ("cart.add", "look", "pay", "pays"):
        browser.ask("publish", event=name)
    browser.leave()
    events = feed.until("session_closed")
    assert [event.client.event or kind(event) for event in events] == ["session_opened", "cart.add", "pay", "session_closed"]


@pytest.mark.parametrize("bad", ["", "*x", "a*b"])
def test_a_watch_for_no_event(control: Control, keep: Callable[[Any], Any], bad: str) -> None:
    feed = keep(Watch(control, filter={"client_events": [bad]}))
    with pytest.raises(Exception, match="begin.filter.client_events"):
        feed.response()


def test_who_has_no_user_says_only_what_a_rule_allows(watch: Watcher, connect: Connect) -> None:
    feed = watch(filter={"kinds": kinds("client_event")})
    browser = connect()
    assert browser.ask("publish", event="cart.add")["data"]["code"] == "forbidden"
    assert browser.ask("publish", event="open.page", data=1)["event"] == "published"
    assert said(feed.take(1)) == [("", "open.page", 1)]


def test_rates_and_sizes(watch: Watcher, connect: Connect, fresh: Fresh) -> None:
    watch()
    browser = connect(with_query("/ws", token=token(fresh("ann"))))
    assert browser.ask("publish", event="open.a", data="x" * 63)["data"]["code"] == "too_big"
    for name in ("open.a", "open.b", "open.c"):
        assert browser.ask("publish", event=name, data="x" * 62)["event"] == "published"
    refused = browser.ask("publish", event="open.d")["data"]
    assert refused["code"] == "rate_limited" and 0 < refused["retry_after_ms"] <= 3_600_000
    # The rate that every event has, which is for a second: so they come together.
    browser.send(
        b"".join(
            frame_bytes(TEXT, json.dumps({"action": "publish", "event": name, "id": name}).encode())
            for name in [*["other"] * 10, "another"]
        )
    )
    assert [browser.receive()["event"] for _ in range(10)] == ["published"] * 10
    assert browser.receive()["data"]["code"] == "rate_limited"
    assert browser.ask("publish", event="secret")["data"]["code"] == "forbidden"


def test_the_rules_of_the_stream_still_count(connect: Connect, fresh: Fresh) -> None:
    listener = connect(with_query("/ws", streams="room-1,room-red,private-1", token=token(fresh("bob"))))
    browser = connect(with_query("/ws", token=token(fresh("ann"), labels={"team": "red"})))
    assert browser.ask("publish", event="say", data={"room": 1, "text": "hi"})["data"]["stream"] == "room-1"
    assert listener.receive()["data"] == {"room": 1, "text": "hi"}
    for room in ("a b", "x" * 300, "é"):
        assert browser.ask("publish", event="say", data={"room": room})["data"]["code"] == "bad_stream"
    assert browser.ask("publish", event="home")["data"]["streams"] == ["room-red"]
    without = connect(with_query("/ws", token=token(fresh("eve"))))
    assert without.ask("publish", event="home")["data"]["code"] == "forbidden"


def test_ten_forbidden_events_end_a_session(connect: Connect, fresh: Fresh) -> None:
    browser = connect(with_query("/ws", token=token(fresh("ann"))))
    for _ in range(10):
        browser.send_json({"action": "publish", "event": "secret"})
    assert [browser.receive()["data"]["code"] for _ in range(10)] == ["forbidden"] * 10
    assert browser.receive_close()[0] == 4003


def test_where_nobody_has_ever_watched(gateway: Gateway, keep: Callable[[Any], Any]) -> None:
    browser = keep(Browser(gateway.edge, "/app/quiet/ws"))
    assert browser.ask("publish", event="cart.add")["data"]["code"] == "forbidden"  # no user
    # The rules of the default app are not those of the other.
    assert browser.ask("publish", event="open.page")["data"]["code"] == "forbidden"


def test_a_client_is_told_where_nobody_watches(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    gateway = start_gateway()
    browser = keep(Browser(gateway.edge, with_query("/ws", token=token("ann"))))
    answer = browser.ask("publish", event="cart.add")["data"]
    assert (answer["code"], answer["temporary"]) == ("unavailable", True)


def test_rules_are_loaded_again(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    gateway = start_gateway({"client_events": [{"event": "a", "action": "refuse"}]})
    control = keep(Control(gateway.control))
    keep(Watch(control)).begun()
    browser = keep(Browser(gateway.edge, with_query("/ws", token=token("ann"))))
    assert browser.ask("publish", event="a")["data"]["code"] == "forbidden"
    gateway.reload({"client_events": [{"event": "a"}]})
    assert browser.ask("publish", event="a")["event"] == "published"


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([{"action": "feed"}], "client_events[0].event"),
        ([{"event": "a*b"}], "client_events[0].event"),
        ([{"event": "a", "rate": "often"}], "client_events[0].rate"),
        ([{"event": "a", "action": "publish"}], "client_events[0].stream"),
        ([{"event": "a", "stream": "x"}], "client_events[0].stream"),
        ([{"event": "a", "action": "publish", "stream": "x-{"}], "client_events[0].stream"),
        ([{"event": "a", "action": "dance"}], "client_events[0].action"),
        ([{"event": "a"}, {"event": "a"}], "client_events[1].event"),
        ([{"event": "*"}, {"event": "a"}], "client_events[1].event"),
    ],
)
def test_rules_that_are_none(binary: str, tmp_path: Path, rules: list[dict[str, Any]], complaint: str) -> None:
    file = tmp_path / "carillon.yaml"
    file.write_text(yaml.safe_dump({"edge": {"endpoints": [{"path": "/ws", "anonymous": True}]}, "client_events": rules}))
    run = subprocess.run([binary, "check-config", "-c", str(file)], capture_output=True, text=True, env=clean_environment())
    assert run.returncode != 0 and complaint in run.stderr, run.stderr


def test_what_a_client_had_last_is_looked_for_among_the_newest(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """In logs that are longer than what one request may search."""
    streams = [fresh("long"), fresh("long")]
    publisher = control.publisher()
    for _ in range(200):
        publisher.send([stream_item(stream, event(json="1")) for stream in streams for _ in range(30)])
    assert publisher.finish() == []
    user = fresh("ann")
    browser = connect(with_query("/ws", token=token(user)))
    browser.ask("subscribe", streams=streams, since={"last": 200})
    had = [browser.receive() for _ in range(400)]
    for stream in streams:
        last = [message for message in had if message["stream"] == stream][-100]
        state = browser.ask("publish", event="sync", data={"lastEventId": last["meta"]["id"]})
        log = state["data"]["logs"][stream]
        assert (log["recovered"], log["offset"], log["top"]) == (True, last["meta"]["offset"], 6000)
