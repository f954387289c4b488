"""The catalogue: who may subscribe to a stream and publish on it, by its name, by the operator's rules, and by tokens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event, pb
from support.gateway import Gateway, clean_environment, sign, token
from support.patience import eventually
from support.ws import TEXT, Browser, frame_bytes, with_query

Connect = Callable[..., Browser]


def rule(pattern: str, **fields: Any) -> dict[str, Any]:
    return {"pattern": pattern, **fields}


RULES = [
    rule("private-open", subscribe={"who": "anyone"}),
    rule("members-*", subscribe={"who": "identified"}),
    rule("granted-*", subscribe={"who": "granted"}, publish={"who": "granted"}),
    rule("closed-*", subscribe={"who": "nobody"}),
    rule("agents-*", subscribe={"roles": ["agent", "admin"]}, publish={"roles": ["admin"]}),
    rule("user-*", subscribe={"owners": ["user-{user}"]}, publish={"owners": ["user-{user}"]}),
    rule("workspace-*", subscribe={"owners": ["workspace-{workspace}"]}),
    rule("mixed-*", subscribe={"who": "granted", "roles": ["admin"], "owners": ["mixed-{user}"]}),
    rule("ssh", state="reserved", description="interactive SSH"),
    rule("spoken-*", publish={"roles": ["agent"]}),
    rule("feeds-*", subscribe={"filter": [{"key": "workspace", "value": "{workspace}"}]}),
    rule("feed", subscribe={"filter": [{"key": "workspace", "value": "{workspace}"}]}, publish={"who": "anyone"}),
    rule(
        "room-*",
        publish={
            "who": "identified",
            "max_payload_bytes": 32,
            "events": [{"event": "typing.*", "rate": "5/1h"}, {"event": "message"}],
        },
    ),
    rule("loud-*", publish={"who": "anyone"}, log={"mode": "log"}),
]

#: Sessions by name: what their token says; None is an anonymous one.
SESSIONS: dict[str, dict[str, Any] | None] = {
    "nobody": None,
    "bob": {"sub": "bob"},
    "agent": {"sub": "ada", "roles": ["agent"], "labels": {"workspace": "w1"}},
    "admin": {"sub": "root", "roles": ["admin"], "streams": ["granted-1", "closed-1", "spoken-1"], "labels": {"workspace": "w2"}},
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"streams": RULES}


def join(connect: Connect, who: str, target: str = "/ws") -> Browser:
    claims = SESSIONS[who]
    if claims is None:
        return connect(target)
    text = sign({"exp": int(time.time()) + 3600, **claims})
    return connect(f"{target}{'&' if '?' in target else '?'}token={text}")


def outcome(browser: Browser, stream: str, **more: Any) -> str:
    """What becomes of subscribing: "yes", or the refusal's code."""
    data = browser.ask("subscribe", streams=[stream], **more)["data"]
    return "yes" if data["streams"] == [stream] else str(data["refused"][0]["code"])


NO = "forbidden"


@pytest.mark.parametrize(
    ("stream", "nobody", "bob", "agent", "admin"),
    [
        ("chat", "yes", "yes", "yes", "yes"),
        ("private-x", NO, "yes", "yes", "yes"),
        ("presence-x", NO, "yes", "yes", "yes"),
        ("private-open", "yes", "yes", "yes", "yes"),
        ("members-1", NO, "yes", "yes", "yes"),
        ("granted-1", NO, NO, NO, "yes"),
        ("granted-2", NO, NO, NO, NO),
        ("closed-1", NO, NO, NO, NO),  # although a token grants it
        ("agents-1", NO, NO, "yes", "yes"),
        ("user-bob", NO, "yes", NO, NO),
        ("user-", NO, NO, NO, NO),
        ("workspace-w1", NO, NO, "yes", NO),
        ("workspace-w2", NO, NO, NO, "yes"),
        ("mixed-bob", NO, "yes", NO, "yes"),
        ("ssh", *["stream_reserved"] * 4),
        ("feed", NO, NO, "yes", "yes"),  # bob has no workspace
        ("room-1", "yes", "yes", "yes", "yes"),
        ("no such", *["bad_stream"] * 4),
        ("system", *["bad_stream"] * 4),
        ("x" * 129, *["bad_stream"] * 4),
    ],
)
def test_who_may_subscribe(connect: Connect, stream: str, nobody: str, bob: str, agent: str, admin: str) -> None:
    """By command, and at connect, which must agree."""
    for who, expected in {"nobody": nobody, "bob": bob, "agent": agent, "admin": admin}.items():
        assert outcome(join(connect, who), stream) == expected, who
        welcome = join(connect, who, with_query("/ws", streams=stream)).welcome
        refused = {each["stream"]: each["code"] for each in welcome["refused"]}
        assert (stream in welcome["streams"]) == (expected == "yes"), who
        assert refused.get(stream[:128], "yes") == expected, who


@pytest.mark.parametrize(
    ("stream", "nobody", "bob", "agent", "admin"),
    [
        ("chat", NO, NO, NO, NO),
        ("private-x", NO, NO, NO, NO),
        ("granted-1", NO, NO, NO, "yes"),
        ("spoken-1", NO, NO, "yes", NO),  # a token grants it to the admin, for listening
        ("agents-1", NO, NO, NO, "yes"),
        ("user-bob", NO, "yes", NO, NO),
        ("room-1", NO, "yes", "yes", "yes"),
        ("loud-1", "yes", "yes", "yes", "yes"),
        ("feed", NO, NO, "yes", "yes"),
        ("ssh", *["stream_reserved"] * 4),
        ("a b", *["bad_stream"] * 4),
    ],
)
def test_who_may_publish(connect: Connect, stream: str, nobody: str, bob: str, agent: str, admin: str) -> None:
    for who, expected in {"nobody": nobody, "bob": bob, "agent": agent, "admin": admin}.items():
        reply = join(connect, who).ask("publish", stream=stream, event="message", data=1)
        assert (reply["data"]["code"] if reply["event"] == "error" else "yes") == expected, who


def test_a_refusal_does_not_tell_whether_there_is_such_a_stream(
    connect: Connect, control: Control, fresh: Callable[[str], str]
) -> None:
    there, not_there = "granted-" + fresh("a"), "granted-" + fresh("a")
    control.to_stream(there)
    browser = join(connect, "bob")
    answers = [browser.ask("subscribe", streams=[stream])["data"]["refused"][0] for stream in (there, not_there)]
    assert len({(each["code"], each["message"], each["temporary"]) for each in answers}) == 1


def test_who_tries_ten_doors_is_closed(gateway: Gateway, connect: Connect) -> None:
    browser = join(connect, "bob")
    for _ in range(9):
        assert outcome(browser, "closed-1") == NO
    assert outcome(browser, "chat") == "yes"
    with gateway.rises("carillon_connections_closed_total", code="4003"):
        browser.send_json({"action": "subscribe", "streams": ["closed-1"]})
        assert browser.receive()["event"] == "subscribed"
        assert browser.receive_close() == (4003, "too many forbidden requests")


# --- Tokens for one stream ---


def grant(stream: str, user: str = "bob", **claims: Any) -> str:
    return sign({"sub": user, "exp": int(time.time()) + 3600, "stream": stream, **claims})


def test_a_token_opens_one_stream(connect: Connect, control: Control) -> None:
    browser = join(connect, "bob")
    assert outcome(browser, "granted-9", tokens={"granted-9": grant("granted-9")}) == "yes"
    control.to_stream("granted-9", event("hello"))
    assert browser.receive()["event"] == "hello"
    assert outcome(browser, "agents-9", tokens={"agents-9": grant("agents-9")}) == "yes"
    assert outcome(browser, "closed-9", tokens={"closed-9": grant("closed-9")}) == NO
    assert outcome(browser, "ssh", tokens={"ssh": grant("ssh")}) == "stream_reserved"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: grant("granted-8"), "another stream"),
        (lambda: grant("granted-9", user="eve"), "another user"),
        (lambda: grant("granted-9", exp=int(time.time()) - 3600), "expired"),
        (lambda: grant("granted-9") + "x", ""),
        (lambda: token("bob", streams=["granted-9"]), "for a session"),
        (lambda: sign({"sub": "bob", "exp": int(time.time()) + 3600, "stream": "granted-9"}, "w" * 40), ""),
        (lambda: "", ""),
    ],
)
def test_a_token_that_opens_nothing(connect: Connect, made: Callable[[], str], why: str) -> None:
    data = join(connect, "bob").ask("subscribe", streams=["granted-9"], tokens={"granted-9": made()})["data"]
    (refused,) = data["refused"]
    assert refused["code"] == NO and why in refused["message"]


def test_a_token_for_a_stream_is_none_for_a_session(connect: Connect) -> None:
    reply = connect().ask("auth", token=grant("granted-9"))
    assert (reply["event"], reply["data"]["code"]) == ("error", "unauthorized")


def test_an_anonymous_session_has_no_use_for_a_token(connect: Connect) -> None:
    assert outcome(connect(), "granted-9", tokens={"granted-9": grant("granted-9")}) == NO


# --- What a rule imposes ---


def test_a_session_hears_what_is_for_its_workspace(connect: Connect, control: Control) -> None:
    one, two = join(connect, "agent", "/ws?streams=feed"), join(connect, "admin", "/ws?streams=feed")
    for workspace in ("w1", "w2", ""):
        meta = {"workspace": workspace} if workspace else {}
        control.to_stream("feed", event(f"for {workspace}", meta=meta))

    def heard(browser: Browser) -> list[str]:
        browser.ask("ping")
        return [browser.receive()["event"] for _ in range(browser.pending())]

    eventually(lambda: heard(one), lambda events: "for w1" in events, "its message")
    assert [event for event in heard(two) if event.startswith("for")] == ["for w2"]


def test_a_subscribers_own_filter_cannot_undo_it(connect: Connect, control: Control) -> None:
    browser = join(connect, "agent")
    for wish in ({"meta": {"workspace": "w2"}}, {"meta": {}}, {"events": ["*"]}, None):
        assert outcome(browser, "feed", filter=wish) == "yes"
        control.to_stream("feed", event("foreign", meta={"workspace": "w2"}))
    assert outcome(browser, "feed") == "yes"
    control.to_stream("feed", event("own", meta={"workspace": "w1"}))
    names = [each["event"] for each in browser.receive_until("own")]
    assert "foreign" not in names


def test_a_clients_message_stays_in_its_workspace(connect: Connect) -> None:
    sender, other = join(connect, "agent", "/ws?streams=feed"), join(connect, "admin", "/ws?streams=feed")
    assert sender.ask("publish", stream="feed", event="mine", data={"x": 1})["event"] == "published"
    heard = sender.receive()
    assert (heard["event"], heard["data"], heard["meta"]["workspace"]) == ("mine", {"x": 1}, "w1")
    assert other.ask("ping")["event"] == "pong" and "mine" not in [other.receive()["event"] for _ in range(other.pending())]


def test_a_new_token_imposes_what_it_says(connect: Connect, control: Control) -> None:
    claims = {"sub": "mover", "exp": int(time.time()) + 3600}

    def moved_to(workspace: str) -> str:
        return sign({**claims, "labels": {"workspace": workspace}} if workspace else claims)

    browser = connect(with_query("/ws", token=moved_to("w1"), streams="feed,chat"))

    def hears() -> list[str]:
        for workspace in ("w1", "w2"):
            control.to_stream("feed", event(workspace, meta={"workspace": workspace}))
        control.to_stream("chat", event("both"))
        return [each["event"] for each in browser.receive_until("both") if each["stream"] == "feed"]

    assert hears() == ["w1"]
    assert browser.ask("auth", token=moved_to("w2"))["data"]["refused"] == []
    assert hears() == ["w2"]
    (refused,) = browser.ask("auth", token=moved_to(""))["data"]["refused"]
    assert (refused["stream"], refused["code"]) == ("feed", NO)
    assert hears() == []


def test_who_was_let_in_may_change_its_wishes(connect: Connect, control: Control) -> None:
    """Without showing the token again."""
    browser = join(connect, "bob")
    assert outcome(browser, "granted-7", tokens={"granted-7": grant("granted-7")}) == "yes"
    assert outcome(browser, "granted-7", filter={"events": ["a"]}) == "yes"
    for name in ("b", "a"):
        control.to_stream("granted-7", event(name))
    assert [each["event"] for each in browser.receive_until("a") if each["stream"] == "granted-7"] == []
    browser.unsubscribe("granted-7")
    assert outcome(browser, "granted-7") == NO


def test_a_filter_counts_once_for_many_streams(connect: Connect) -> None:
    browser = join(connect, "agent")
    wish = {"meta": {f"key-{number}": "v" * 200 for number in range(16)}}
    for _ in range(3):
        reply = browser.ask("subscribe", streams=[f"feeds-{number}" for number in range(100)], filter=wish)
        assert len(reply["data"]["streams"]) == 100
    assert outcome(browser, "chat") == "yes"


# --- What clients publish ---


def test_a_message_of_a_client(
    gateway: Gateway, connect: Connect, control: Control, fresh: Callable[[str], str]
) -> None:
    """Everybody hears it, and who said it; the sender too, unless it does not want to."""
    stream = "loud-" + fresh("x")
    sender, other = join(connect, "bob", f"/ws?streams={stream}"), connect(f"/ws?streams={stream}")
    with gateway.rises("carillon_client_messages_total", by=2):
        done = sender.ask("publish", stream=stream, event="message", data={"big": 9007199254740993, "text": "ü"})
        sender.send_json({"action": "publish", "stream": stream, "event": "quiet", "echo": False})
        first, second = other.receive(), other.receive()
    assert (first["stream"], first["event"]) == (stream, "message")
    assert first["data"] == {"big": 9007199254740993, "text": "ü"}
    assert first["meta"]["from"] == "bob"
    assert done["data"]["message_id"] == first["meta"]["id"]
    assert (done["data"]["epoch"], done["data"]["offset"]) == (first["meta"]["epoch"], first["meta"]["offset"])
    assert (second["event"], second["data"]) == ("quiet", None)
    assert sender.receive()["event"] == "message"
    skip = sender.receive()
    assert (skip["event"], skip["data"]["excluded"]) == ("skip", 1)

    anonymous = connect()
    anonymous.ask("publish", stream=stream, event="message", data=0)
    assert "from" not in other.receive()["meta"]
    kept = control.call("ListMessages", pb.ListMessagesRequest(stream=stream)).messages
    assert [each.event for each in kept] == ["message", "quiet", "message"]


def test_events_and_sizes(connect: Connect) -> None:
    browser = join(connect, "bob")

    def publish(name: str, data: Any = None) -> str:
        reply = browser.ask("publish", stream="room-1", event=name, data=data)
        return str(reply["data"]["code"] if reply["event"] == "error" else "yes")

    assert publish("message") == publish("typing.start") == "yes"
    assert publish("messages") == publish("typing") == publish("presence.join") == NO
    assert publish("message", "x" * 30) == "yes"  # 32 bytes of JSON
    assert publish("message", "x" * 31) == "too_big"


def test_a_window_for_an_event(gateway: Gateway, connect: Connect) -> None:
    """At 80, 100 and 101 %: 4 of 5, 5 of 5, and one more. Each session has its own, all streams of the rule one."""
    one, two = join(connect, "bob"), join(connect, "bob")

    def publish(browser: Browser, stream: str, name: str) -> dict[str, Any]:
        return browser.ask("publish", stream=stream, event=name)

    for number in range(5):
        name = "typing.start" if number % 2 else "typing.stop"
        assert publish(one, f"room-{number % 3}", name)["event"] == "published"
    with gateway.rises("carillon_rate_limited_total"):
        refused = publish(one, "room-7", "typing.start")["data"]
    assert (refused["code"], refused["temporary"]) == ("rate_limited", True)
    assert 3_500_000 < refused["retry_after_ms"] <= 3_600_000
    assert publish(one, "room-1", "message")["event"] == "published"
    assert publish(two, "room-1", "typing.start")["event"] == "published"


def test_a_window_ends(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    rules = [rule("*", publish={"who": "anyone", "events": [{"event": "*", "rate": "2/300ms"}]})]
    gateway = start_gateway({"streams": rules})
    browser = keep(Browser(gateway.edge))

    def publish() -> str:
        return str(browser.ask("publish", stream="a", event="b")["event"])

    began = time.monotonic()
    assert publish() == publish() == "published"
    eventually(publish, lambda event: event == "published", "the next window")
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    "message",
    [
        {"stream": "room-1"},
        {"stream": "room-1", "event": ""},
        {"stream": "room-1", "event": 7},
        {"stream": "room-1", "event": "a\u0000b"},
        {"stream": "room-1", "event": "e" * 129},
        {"stream": 7, "event": "e"},
        {"stream": ["room-1"], "event": "e"},
        {"stream": "room-1", "event": "message", "echo": "no"},
        {"event": "message"},
    ],
)
def test_nonsense_is_refused(connect: Connect, message: dict[str, Any]) -> None:
    browser = join(connect, "bob")
    reply = browser.ask("publish", **message)
    assert reply["event"] == "error" and reply["data"]["message"]
    assert reply["data"]["code"] in ("bad_event", "bad_stream", "bad_data", "unavailable")
    assert browser.ask("ping")["event"] == "pong"


def test_before_its_token_a_session_publishes_nothing(
    start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]
) -> None:
    rules = [rule("*", publish={"who": "anyone"})]
    gateway = start_gateway({"edge": {"endpoints": [{"path": "/ws", "auth_timeout": "30s"}]}, "streams": rules})
    text = json.dumps({"action": "publish", "stream": "a", "event": "b"}).encode()
    browser = keep(Browser(gateway.edge, early=frame_bytes(TEXT, text)))
    assert browser.receive_error()["code"] == "auth_required"


# --- The command line ---


def test_the_command_line_makes_tokens_for_one_stream(
    gateway: Gateway, binary: str, connect: Connect, fresh: Callable[[str], str]
) -> None:
    stream = "granted-" + fresh("x")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [binary, *arguments, "-c", str(gateway.file)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=clean_environment()
        )

    made = run("token", "-u", "bob", "--only-stream", stream).stdout.strip()
    assert outcome(join(connect, "bob"), stream, tokens={stream: made}) == "yes"
    assert json.loads(run("check-token", made).stdout)["stream"] == stream
    assert run("token", "-u", "bob", "--only-stream", "a b").returncode == 2
