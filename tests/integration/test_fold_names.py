"""Apps that fold the names of streams: wherever one is written, Chat is chat; and who could get to another's stream by
that does not."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.control import Control, event, pb
from support.gateway import JWT_SECRET, REFUSED, Gateway, sign, token
from support.ws import Browser, with_query

KEY = "a-key-for-chats-only"

Connect = Callable[..., Browser]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    streams = [
        {"pattern": "old-*", "log": {"mode": "log"}},
        {"pattern": "own-*", "subscribe": {"owners": ["own-{user}"]}},
        {"pattern": "said-*", "publish": {"who": "anyone"}},
        {"pattern": "held", "subscribe": {"who": "granted"}},
    ]
    return {
        "fold_names": True,
        "streams": streams,
        "auth": {"claims": {"stream": "only", "subscribe": ["mine-{user}"]}},
        "apps": [{"name": "strict", "streams": streams, "auth": {"hs256_secret": JWT_SECRET}}],
        "control": {
            "keys": [
                {"name": "all", "secret": "a-key-for-everything", "verbs": ["publish", "read", "admin"], "apps": ["*"]},
                {"name": "chats", "secret": KEY, "verbs": ["publish", "read"], "streams": ["chat-*"]},
            ]
        },
    }


@pytest.fixture
def control(gateway: Gateway, keep: Callable[[Any], Any]) -> Control:
    return keep(Control(gateway.control, "a-key-for-everything"))


# --- Clients ---


@pytest.mark.parametrize("target", ["/ws?streams=Chat,CHAT,chat", "/ws/Chat", "/ws?streams=cHAT"])
def test_at_connect(connect: Connect, target: str) -> None:
    assert connect(target).welcome["streams"] == ["chat"]


def test_in_commands(connect: Connect, control: Control) -> None:
    browser = connect()
    reply = browser.ask("subscribe", streams=["Said-A", "said-a", "SAID-B"])
    assert reply["data"]["streams"] == ["said-a", "said-b"]
    assert connect().ask("publish", stream="SAID-a", event="Hello", data=1)["data"]["stream"] == "said-a"
    heard = browser.receive()
    assert (heard["stream"], heard["event"]) == ("said-a", "Hello")
    assert browser.ask("unsubscribe", streams=["sAID-B"])["data"]["streams"] == ["said-b"]
    control.to_stream("said-b", event("nobody hears it"))
    control.to_stream("said-a", event("next"))
    assert browser.receive()["event"] == "next"


def test_what_was_missed(connect: Connect, control: Control, fresh: Callable[[str], str]) -> None:
    """In the URL, with subscribe and with auth."""
    stream = fresh("old")
    shouted = stream.upper()
    first = control.to_stream(shouted, event("1")).position
    control.to_stream(stream, event("2"))
    at = {"epoch": first.epoch, "offset": first.offset}

    in_url = connect(with_query("/ws", streams=shouted, recover=f"{shouted}:{first.epoch}:{first.offset}"))
    assert in_url.welcome["logs"][stream]["recovered"] is True
    assert (in_url.receive()["event"], in_url.pending()) == ("2", 0)
    later = connect()
    reply = later.ask("subscribe", streams=[shouted], recover={shouted: at, stream: {"epoch": "x", "offset": 0}})
    assert list(reply["data"]["logs"]) == [stream]
    named = connect()
    granted = token("bob", streams=[shouted])
    reply = named.ask("auth", token=granted, recover={shouted: at})
    assert reply["data"]["streams"] == [stream, "mine-bob"]
    assert reply["data"]["logs"][stream]["recovered"] is True
    assert named.receive()["event"] == "2"


def test_presence(connect: Connect, control: Control, fresh: Callable[[str], str]) -> None:
    stream = fresh("presence-room")
    ann = connect(with_query("/ws", streams=stream.upper(), token=token("Ann")))
    assert stream in ann.welcome["streams"]
    assert ann.ask("members", stream=stream.upper())["data"]["count"] == 1
    assert ann.ask("presence", stream=stream.upper(), status="busy")["data"]["streams"] == [stream]
    response = control.call("GetPresence", pb.GetPresenceRequest(stream=stream.upper()))
    assert [member.user_id for member in response.members] == ["Ann"]


@pytest.mark.parametrize("name", ["system", "System", "SYSTEM"])
def test_system_stays_ours(connect: Connect, control: Control, name: str) -> None:
    (refused,) = connect().ask("subscribe", streams=[name])["data"]["refused"]
    assert refused["code"] == "bad_stream"
    with pytest.raises(grpc.RpcError) as error:
        control.to_stream(name, event("x"))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["Private-room", "PRESENCE-room", "Held", "OWN-ann"])
def test_capitals_open_no_door(connect: Connect, name: str) -> None:
    (refused,) = connect().ask("subscribe", streams=[name])["data"]["refused"]
    assert (refused["stream"], refused["code"]) == (name.lower(), "forbidden")


# --- Whose stream it is ---


def test_who_differs_only_in_case_shares_nothing(connect: Connect) -> None:
    """By owner and by template: a name with capitals in it owns nothing, rather than somebody else's."""
    ann = connect(with_query("/ws", streams="own-ann,Own-ANN", token=token("ann")))
    assert ann.welcome["streams"] == ["own-ann", "mine-ann"]
    other = connect(with_query("/ws", streams="own-Ann,mine-Ann", token=token("Ann")))
    assert other.welcome["streams"] == ["mine-ann"]  # it asked for it, and it is open
    (refused,) = other.welcome["refused"]
    assert (refused["stream"], refused["code"]) == ("own-ann", "forbidden")
    assert connect(with_query("/ws", token=token("Ann"))).welcome["streams"] == []


def test_granted_streams(connect: Connect) -> None:
    """What a token names outright is folded like any other name."""
    browser = connect(with_query("/ws", token=token("bob", streams=["HELD"])))
    assert browser.welcome["streams"] == ["held", "mine-bob"]
    browser = connect(with_query("/ws", token=token("bob")))
    alone = token("bob", only="Held")
    assert browser.ask("subscribe", streams=["hELD"], tokens={"HELD": alone})["data"]["streams"] == ["held"]


# --- Backends ---


def test_backends_name_them_as_they_like(connect: Connect, control: Control) -> None:
    browser = connect(with_query("/ws", streams="chat-1", token=token("bob")))
    messages: list[tuple[str, Any]] = [
        ("BroadcastStream", pb.BroadcastStreamRequest(stream="CHAT-1", event=event("stream"))),
        ("BroadcastToUser", pb.BroadcastToUserRequest(user_id="bob", stream="Chat-1", event=event("user"))),
        ("BroadcastToUsers", pb.BroadcastToUsersRequest(user_ids=["bob"], stream="cHAT-1", event=event("users"))),
        ("BroadcastAll", pb.BroadcastAllRequest(stream="Chat-1", event=event("all"))),
        ("SendToSession", pb.SendToSessionRequest(session_id=browser.session, stream="Chat-1", event=event("one"))),
    ]
    for method, request in messages:
        control.call(method, request)
        heard = browser.receive()
        assert heard["stream"] == "chat-1", method
    assert control.count(stream="ChAt-1") == 1
    assert control.call("Subscribers", pb.SubscribersRequest(stream="CHAT-1")).subscribers[0].session_id == browser.session
    control.to_stream("OLD-x", event("kept"))
    (kept,) = control.call("ListMessages", pb.ListMessagesRequest(stream="oLD-X")).messages
    assert kept.stream == "old-x"
    assert control.call("ClearMessages", pb.ClearMessagesRequest(stream="Old-x")).messages == 1
    assert control.call("Kick", pb.KickRequest(stream="CHAT-1")).sessions == 1


def test_keys_for_some_streams(gateway: Gateway) -> None:
    with Control(gateway.control, KEY) as control:
        control.to_stream("Chat-1", event("x"))
        with pytest.raises(grpc.RpcError) as error:
            control.to_stream("Room-1", event("x"))
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED


# --- Which apps ---


def test_other_apps_take_names_as_they_are(connect: Connect, control: Control) -> None:
    browser = connect("/app/strict/ws?streams=Chat,chat")
    assert browser.welcome["streams"] == ["Chat", "chat"]
    control.call("BroadcastStream", pb.BroadcastStreamRequest(stream="Chat", event=event("x"), app="strict"))
    assert browser.receive()["stream"] == "Chat"
    assert browser.ask("ping")["event"] == "pong"


def test_it_changes_with_a_restart_only(start_gateway: Callable[..., Gateway]) -> None:
    """Sessions, logs and tokens that were judged by the one would be judged by the other. New apps are as they like."""
    gateway = start_gateway({"apps": [{"name": "shop"}]})
    gateway.reload({"apps": [{"name": "shop", "fold_names": True}]}, REFUSED)
    gateway.wait_for_log("fold_names of shop has changed: that needs a restart")
    assert Browser(gateway.edge, "/app/shop/ws?streams=Chat").welcome["streams"] == ["Chat"]
    gateway.reload({"apps": [{"name": "shop"}, {"name": "blog", "fold_names": True}], "fold_names": True})
    gateway.wait_for_log("a setting has changed that needs a restart")
    for path, stream in (("/app/blog/ws", "chat"), ("/app/shop/ws", "Chat"), ("/ws", "Chat")):
        assert Browser(gateway.edge, f"{path}?streams=Chat").welcome["streams"] == [stream]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"streams": [{"pattern": "Chat-*"}]}, "streams[0].pattern"),
        ({"streams": [{"pattern": "c", "subscribe": {"owners": ["User-{user}"]}}]}, "streams[0].subscribe.owners[0]"),
        ({"streams": [{"pattern": "c", "publish": {"owners": ["u-{User}", "U-{u}"]}}]}, "streams[0].publish.owners[1]"),
        ({"auth": {"hs256_secret": JWT_SECRET, "claims": {"subscribe": ["W-{user}"]}}}, "auth.claims.subscribe[0]"),
    ],
)
def test_patterns_that_would_match_nothing(binary: str, tmp_path: Path, settings: dict[str, Any], path: str) -> None:
    for prefix, config in (
        ("", {"auth": {"hs256_secret": JWT_SECRET}, **settings, "fold_names": True}),
        ("apps[0].", {"auth": {"hs256_secret": JWT_SECRET}, "apps": [{"name": "shop", **settings, "fold_names": True}]}),
    ):
        file = tmp_path / "carillon.yaml"
        file.write_text(json.dumps(config))
        done = subprocess.run([binary, "check-config", "-c", str(file)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert f"{prefix}{path}: has capitals" in done.stderr + done.stdout
        assert (done.stderr + done.stdout).count("has capitals") == 1


@pytest.mark.parametrize(
    ("apps", "refused"), [(["*"], True), (["shop"], True), (["default", "shop"], True), (["strict", "shop"], False)]
)
def test_patterns_of_keys(binary: str, tmp_path: Path, apps: list[str], refused: bool) -> None:
    strict = [{"name": "strict"}] if "strict" in apps else []
    config = {
        "fold_names": True,
        "auth": {"hs256_secret": JWT_SECRET},
        "apps": [{"name": "shop", "fold_names": True}, *strict],
        "control": {"keys": [{"name": "k", "secret": KEY, "verbs": ["publish"], "apps": apps, "streams": ["Chat-*"]}]},
    }
    file = tmp_path / "carillon.yaml"
    file.write_text(json.dumps(config))
    done = subprocess.run([binary, "check-config", "-c", str(file)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, "control.keys[0].streams[0]: has capitals" in done.stderr + done.stdout) == (
        (1, True) if refused else (0, False)
    )


def test_check_token_says_what_it_comes_to(gateway: Gateway, binary: str) -> None:
    claims = {"sub": "Ann", "streams": ["Held"], "exp": int(time.time()) + 600}
    done = subprocess.run(
        [binary, "check-token", "-c", str(gateway.file), sign(claims)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["streams"] == ["held"]
