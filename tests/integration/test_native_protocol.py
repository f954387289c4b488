"""What a client may say in the native dialect, and what it is answered. Nothing that it says wrong costs it the
connection, unless it speaks another language altogether."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event
from support.gateway import token
from support.ws import BINARY, Browser, with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                {
                    "path": "/few",
                    "anonymous": True,
                    "max_subscriptions": 3,
                    "max_message_bytes": "2KiB",
                    "ping_interval": "10s",
                    "peer_timeout": "20s",
                },
            ]
        }
    }


def refused(reply: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["stream"], each["code"]) for each in reply["data"]["refused"]]


# --- Welcome ---


def test_the_welcome_says_all_that_a_client_needs(connect: Callable[..., Browser]) -> None:
    """Session, user, streams taken and refused, heartbeat, limits and the gateway's clock, before anything else."""
    before = int(time.time() * 1000) - 1000
    browser = connect(with_query("/few", token=token("alice", name="Alice", roles=["a"]), streams="news,bad name"))

    welcome = browser.welcome

    assert sorted(welcome) == [
        "heartbeat", "limits", "logs", "refused", "resume", "server_time", "session", "streams", "user"
    ]  # fmt: skip
    assert len(welcome["session"]) == 20 and int(welcome["session"], 16) >= 0
    assert welcome["user"] == {"id": "alice", "name": "Alice", "roles": ["a"]}
    assert welcome["streams"] == ["news"]
    assert [(each["stream"], each["code"]) for each in welcome["refused"]] == [("bad name", "bad_stream")]
    assert welcome["logs"] == {}
    assert welcome["resume"] == welcome["session"]
    assert welcome["heartbeat"] == {"interval_ms": 10_000, "timeout_ms": 20_000}
    assert welcome["limits"] == {"max_message_bytes": 2048, "max_subscriptions": 3}
    assert before <= welcome["server_time"] <= int(time.time() * 1000) + 1000


def test_every_session_has_an_id_of_its_own(connect: Callable[..., Browser]) -> None:
    """Also those of one user."""
    target = with_query("/ws", token=token("alice"))

    assert len({connect(target).session for _ in range(6)}) == 6


@pytest.mark.parametrize(
    "target, streams",
    [
        ("/ws", []),
        ("/ws/chat", ["chat"]),
        ("/ws?streams=a,b", ["a", "b"]),
        ("/ws?streams=a&streams=b", ["a", "b"]),
        ("/ws?streams=a,b&streams=c", ["a", "b", "c"]),
        ("/ws/a?streams=b,a,b", ["a", "b"]),
        ("/ws?streams=a%2Cb", ["a", "b"]),
        ("/ws?streams=,,a,", ["a"]),
        ("/ws?streams=", []),
        ("/ws/Room.1_x:y-z", ["Room.1_x:y-z"]),
        ("/ws/" + "s" * 128, ["s" * 128]),
    ],
)
def test_streams_may_be_named_in_the_address(connect: Callable[..., Browser], target: str, streams: list[str]) -> None:
    """By path, by a list, by repetition; each once."""
    welcome = connect(target).welcome

    assert sorted(welcome["streams"]) == sorted(streams)
    assert welcome["refused"] == []


# --- Commands ---


def test_a_stream_is_heard_from_subscribe_to_unsubscribe(
    connect: Callable[..., Browser], control: Control, fresh: Callable[[str], str]
) -> None:
    """Nothing before, everything between, nothing after."""
    stream = fresh("stream")
    browser = connect()

    assert control.to_stream(stream, event("before")).sessions == 0
    browser.subscribe(stream)
    assert control.to_stream(stream, event("between")).sessions == 1
    assert browser.receive()["event"] == "between"
    browser.unsubscribe(stream)
    assert control.to_stream(stream, event("after")).sessions == 0
    control.to_session(browser.session, event("last"))

    assert browser.receive()["event"] == "last"


def test_each_stream_is_judged_alone(connect: Callable[..., Browser]) -> None:
    """The good ones are taken, each other one says why."""
    reply = connect().ask("subscribe", streams=["good", "", "bad name", "system", "private-x", "s" * 129, "fine", "ä"])

    assert reply["data"]["streams"] == ["good", "fine"]
    assert refused(reply) == [
        ("", "bad_stream"),
        ("bad name", "bad_stream"),
        ("system", "bad_stream"),
        ("private-x", "forbidden"),
        ("s" * 128, "bad_stream"),
        ("ä", "bad_stream"),
    ]
    assert all(each["message"] and each["temporary"] is False for each in reply["data"]["refused"])


def test_a_refused_name_is_repeated_as_valid_text(connect: Callable[..., Browser]) -> None:
    """It is cut to a bound, and never in the middle of a character: the client's own parser would end the session."""
    reply = connect().ask("subscribe", streams=["x" + "€" * 100, "\x00\"\\\n\u2028"])

    assert refused(reply)[0][0].startswith("x€€") and len(refused(reply)[0][0]) < 60
    assert refused(reply)[1][0] == "\x00\"\\\n\u2028"


def test_subscribing_twice_is_subscribing_once(
    connect: Callable[..., Browser], control: Control, fresh: Callable[[str], str]
) -> None:
    """Subscribe and unsubscribe may be repeated; each message comes once."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))
    browser.subscribe(stream, stream)
    browser.subscribe(stream)

    assert control.count(stream=stream) == 1
    control.to_stream(stream, event("once"))
    control.to_session(browser.session, event("end"))
    assert [message["event"] for message in browser.receive_until("end")] == ["once"]

    browser.unsubscribe(stream, stream)
    browser.unsubscribe(stream)
    assert control.count(stream=stream) == 0


def test_one_name_may_stand_without_a_list(connect: Callable[..., Browser]) -> None:
    """{"streams":"chat"} means what it seems to mean."""
    assert connect().ask("subscribe", streams="chat")["data"]["streams"] == ["chat"]


def test_the_limit_on_subscriptions_holds(connect: Callable[..., Browser]) -> None:
    """At connect and later; what one gives up can be taken again."""
    browser = connect(with_query("/few", streams="a,b,c,d"))
    assert browser.welcome["streams"] == ["a", "b", "c"]
    assert [each["code"] for each in browser.welcome["refused"]] == ["limit"]

    again = browser.ask("subscribe", streams=["a", "e"])
    browser.unsubscribe("b")
    then = browser.ask("subscribe", streams=["e", "f"])

    assert (again["data"]["streams"], refused(again)) == (["a"], [("e", "limit")])
    assert (then["data"]["streams"], refused(then)) == (["e"], [("f", "limit")])


@pytest.mark.parametrize("data", [None, True, 1.5, "text", [1, [2]], {"a": {"b": "ü"}}])
def test_a_ping_is_answered_with_its_data(connect: Callable[..., Browser], data: Any) -> None:
    """Any JSON value comes back as it went."""
    reply = connect().ask("ping", data=data)

    assert reply["event"] == "pong"
    assert reply["data"] == {"echo": data}


def test_a_ping_needs_no_data(connect: Callable[..., Browser]) -> None:
    """Nor an id: the reply then has none."""
    browser = connect()
    browser.send_json({"action": "ping"})

    assert browser.receive() == {"stream": "system", "event": "pong", "data": {}, "meta": {}}


@pytest.mark.parametrize("number", [0, -7, 2**53, 2**63, 1.5, "seven", "", "ü\"\\\n"])
def test_a_reply_has_the_id_of_its_command(connect: Callable[..., Browser], number: Any) -> None:
    """Numbers and strings come back as they went, in every kind of reply."""
    browser = connect()

    for action in ("ping", "subscribe", "unsubscribe", "auth", "publish", "nonsense"):
        browser.send_json({"action": action, "id": number, "streams": ["a"], "token": "x"})
        reply = browser.receive()
        assert reply["id"] == number and isinstance(reply["id"], type(number)), reply


def test_publishing_is_refused_politely(connect: Callable[..., Browser]) -> None:
    """Unless a rule of the stream says otherwise (test_stream_rules.py): they learn it, and stay."""
    browser = connect()

    reply = browser.ask("publish", stream="chat", event="note", data={"text": "hello"})

    assert (reply["event"], reply["data"]["code"]) == ("error", "forbidden")
    assert browser.ask("ping")["event"] == "pong"


# --- Nonsense ---

NONSENSE = {
    "no JSON": ("hello", "not_json"),
    "nothing": ("", "not_json"),
    "half of JSON": ('{"action":"ping"', "not_json"),
    "JSON and more": ('{"action":"ping"} {}', "not_json"),
    "a trailing comma": ('{"action":"ping",}', "not_json"),
    "a lone surrogate": ('{"action":"ping","data":"\\ud800"}', "not_json"),
    "JSON that is too deep": ('{"action":"ping","data":' + "[" * 40 + "]" * 40 + "}", "not_json"),
    "JSON that is far too deep": ("[" * 30_000, "not_json"),
    "a list": ('["action","ping"]', "not_object"),
    "a number": ("1", "not_object"),
    "null": ("null", "not_object"),
    "no action": ('{"id":1}', "bad_action"),
    "an action that is no string": ('{"action":1}', "bad_action"),
    "an unknown action": ('{"action":"dance"}', "unknown_action"),
    "an action in upper case": ('{"action":"PING"}', "unknown_action"),
    "an id that is a list": ('{"action":"ping","id":[1]}', "bad_id"),
    "an id that is true": ('{"action":"ping","id":true}', "bad_id"),
    "an id that is too long": ('{"action":"ping","id":"' + "x" * 100 + '"}', "bad_id"),
    "no streams": ('{"action":"subscribe"}', "bad_streams"),
    "streams that are a number": ('{"action":"subscribe","streams":7}', "bad_streams"),
    "streams that hold a number": ('{"action":"subscribe","streams":["a",7]}', "bad_streams"),
    "too many streams": (json.dumps({"action": "subscribe", "streams": ["a"] * 1001}), "bad_streams"),
    "a ping of 2 KiB": (json.dumps({"action": "ping", "data": "x" * 2048}), "too_big"),
    "auth without a token": ('{"action":"auth"}', "bad_token"),
    "auth with a number": ('{"action":"auth","token":1}', "bad_token"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_answered_and_forgiven(gateway: Any, connect: Callable[..., Browser], kind: str) -> None:
    """An error that says what is wrong; the metric; and the connection goes on."""
    text, code = NONSENSE[kind]
    browser = connect()

    with gateway.rises("carillon_bad_messages_total"):
        browser.send_text(text)
        error = browser.receive_error()

    assert error["code"] == code
    assert browser.ask("ping", data=1)["data"] == {"echo": 1}


def test_what_was_refused_whole_has_had_no_effect(
    connect: Callable[..., Browser], control: Control, fresh: Callable[[str], str]
) -> None:
    """A list with one entry that is no string subscribes to nothing."""
    stream = fresh("stream")
    browser = connect()

    browser.send_json({"action": "subscribe", "streams": [stream, 7]})

    assert browser.receive_error()["code"] == "bad_streams"
    assert control.count(stream=stream) == 0


def test_json_may_nest_as_deep_as_it_is_said_to(connect: Callable[..., Browser]) -> None:
    """32 levels are taken, one more is not."""
    browser = connect()

    browser.send_text('{"action":"ping","id":1,"data":' + "[" * 31 + "]" * 31 + "}")
    assert browser.receive()["event"] == "pong"
    browser.send_text('{"action":"ping","id":1,"data":' + "[" * 32 + "]" * 32 + "}")
    assert browser.receive_error()["code"] == "not_json"


def test_a_binary_frame_is_another_language(gateway: Any, connect: Callable[..., Browser]) -> None:
    """This sub-protocol is JSON in text frames: 1003."""
    with gateway.rises("carillon_connections_closed_total", code="1003"):
        browser = connect()
        browser.send_frame(BINARY, b'{"action":"ping"}')

        assert browser.receive_close()[0] == 1003


def test_a_long_name_in_a_token_is_cut_to_valid_text(connect: Callable[..., Browser]) -> None:
    """The welcome is valid UTF-8 whatever the token holds."""
    browser = connect(with_query("/ws", token=token("alice", name="x" + "€" * 200)))

    assert browser.welcome["user"]["name"].startswith("x€€€")
