"""A user's inbox: what BroadcastToUser sent is recovered by every tab."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.control import Control, event
from support.gateway import token
from support.history import HISTORY_CONFIG, Connect, Fresh, at, clear, heard, in_url, publish, subscribe
from support.ws import TEXT, frame_bytes, with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return HISTORY_CONFIG


def test_a_users_messages_stand_in_the_inbox(control: Control, connect: Connect, fresh: Fresh) -> None:
    """meta.log is "@user" whatever the stream is called, and the offsets are the user's own."""
    user, stream = fresh("user"), fresh("log")
    browser = connect(with_query("/ws", token=token(user), streams=stream))
    inbox = browser.welcome["logs"]["@user"]

    plain = control.to_user(user, event("a"))
    on_stream = control.to_user(user, event("b"), stream=stream)
    elsewhere = control.to_user(user, event("c"), stream="somewhere", any_session=True)

    assert inbox == {"epoch": plain.position.epoch, "offset": 0, "top": 0}
    for receipt, name in ((plain, "@user"), (on_stream, stream), (elsewhere, "somewhere")):
        message = browser.receive()
        assert (message["stream"], message["meta"]["log"]) == (name, "@user")
        assert {key: message["meta"][key] for key in ("epoch", "offset")} == at(receipt.position)
    assert [plain.position.offset, on_stream.position.offset, elsewhere.position.offset] == [1, 2, 3]
    # The stream's own log knows nothing of it.
    assert subscribe(connect(), stream)["top"] == 0


def test_the_inbox_recovers_by_the_url(control: Control, connect: Connect, fresh: Fresh) -> None:
    """?recover=@user:EPOCH:OFFSET, beside a stream's own."""
    user, stream = fresh("user"), fresh("log")
    first = control.to_user(user, event("one"))
    (on_stream, _) = publish(control, stream, 1, 2)
    control.to_user(user, event("two"))
    control.to_user(user, event("three"))

    recover = in_url("@user", first.position) + "," + in_url(stream, on_stream.position)
    browser = connect(with_query("/ws", token=token(user), streams=stream, recover=recover))

    assert browser.welcome["logs"]["@user"] == {**at(first.position), "top": 3, "recovered": True, "reason": "ok"}
    assert browser.welcome["logs"][stream]["reason"] == "ok"
    received = [browser.receive() for _ in range(3)]
    assert [each["event"] for each in received if each["stream"] == "@user"] == ["two", "three"]
    assert [each["meta"]["offset"] for each in received if each["stream"] == "@user"] == [2, 3]
    assert heard(control, browser) == []


def test_the_inbox_recovers_with_the_token_as_first_frame(control: Control, connect: Connect, fresh: Fresh) -> None:
    """{"action":"auth","recover":{"@user":…}} on an endpoint that waits for it: the welcome answers."""
    user, stream = fresh("user"), fresh("log")
    first = control.to_user(user, event("one"))
    (on_stream, _) = publish(control, stream, 1, 2)
    control.to_user(user, event("two"))
    auth = {
        "action": "auth", "token": token(user), "id": 7,
        "recover": {"@user": at(first.position), stream: at(on_stream.position)},
    }

    browser = connect(with_query("/first", streams=stream), early=frame_bytes(TEXT, json.dumps(auth).encode()))
    welcome = browser.receive_welcome()

    assert welcome["user"]["id"] == user
    assert welcome["logs"]["@user"] == {**at(first.position), "top": 2, "recovered": True, "reason": "ok"}
    assert welcome["logs"][stream]["reason"] == "ok"
    received = {message["stream"]: message["event"] for message in (browser.receive(), browser.receive())}
    assert received == {"@user": "two", stream: "n"}


def test_the_inbox_recovers_with_a_token_that_comes_later(control: Control, connect: Connect, fresh: Fresh) -> None:
    """An anonymous session that becomes a user's: the reply to its auth says what became of the inbox."""
    user = fresh("user")
    first = control.to_user(user, event("one"))
    control.to_user(user, event("two"))
    browser = connect()

    reply = browser.ask("auth", token=token(user), recover={"@user": at(first.position)})

    assert reply["event"] == "authenticated"
    assert reply["data"]["logs"] == {"@user": {**at(first.position), "top": 2, "recovered": True, "reason": "ok"}}
    assert browser.receive()["event"] == "two"


def test_the_inbox_is_each_users_own(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Another user's position is worth nothing beyond its number, and gives none of that user's messages."""
    alice, bob = fresh("alice"), fresh("bob")
    first = control.to_user(alice, event("secret"))
    control.to_user(alice, event("secret"))

    browser = connect(with_query("/ws", token=token(bob), recover=in_url("@user", first.position)))

    assert browser.welcome["logs"]["@user"]["reason"] == "epoch_changed"
    assert heard(control, browser) == []


def test_a_cleared_inbox_is_another_epoch(control: Control, connect: Connect, fresh: Fresh) -> None:
    """As with streams, by user_id."""
    user = fresh("user")
    receipt = control.to_user(user, event())
    position = clear(control, user_id=user)

    browser = connect(with_query("/ws", token=token(user), recover=in_url("@user", receipt.position)))

    assert browser.welcome["logs"]["@user"] == {**at(position), "top": 0, "recovered": False, "reason": "epoch_changed"}


def test_each_user_of_several_has_the_message_in_the_inbox(control: Control, connect: Connect, fresh: Fresh) -> None:
    """BroadcastToUsers recovers like BroadcastToUser, each user at an offset of their own."""
    alice, bob = fresh("alice"), fresh("bob")
    start = {user: control.to_user(user, event("start")).position for user in (alice, bob)}
    control.to_user(bob, event("for bob"))
    control.to_users([alice, bob], event("both"))

    browsers = {
        user: connect(with_query("/ws", token=token(user), recover=in_url("@user", position)))
        for user, position in start.items()
    }

    both = browsers[alice].receive()
    assert (both["event"], both["meta"]["offset"]) == ("both", 2)
    received = [browsers[bob].receive() for _ in range(2)]
    assert [(each["event"], each["meta"]["offset"]) for each in received] == [("for bob", 2), ("both", 3)]


def test_a_message_on_a_stream_that_is_not_subscribed_leaves_a_marker(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """It uses an offset of the inbox, so that the session hears of it: before the next message, live and on replay."""
    user, stream = fresh("user"), fresh("stream")
    browser = connect(with_query("/ws", token=token(user)))
    start = control.to_user(user, event("start"))
    skipped = [control.to_user(user, event("elsewhere"), stream=stream) for _ in range(2)][-1]
    control.to_user(user, event("next"))
    again = connect(with_query("/ws", token=token(user), recover=in_url("@user", start.position)))
    listens = connect(with_query("/ws", token=token(user), streams=stream, recover=in_url("@user", start.position)))

    assert browser.receive()["event"] == "start"
    for each in (browser, again):
        markers = each.receive_until("next")
        assert {(marker["stream"], marker["event"], marker["data"]["stream"]) for marker in markers} == {
            ("system", "skip", "@user")
        }
        assert sum(marker["data"]["filtered"] for marker in markers) == 2
        assert {key: markers[-1]["data"][key] for key in ("epoch", "offset")} == at(skipped.position)
    assert [message["event"] for message in (listens.receive(), listens.receive(), listens.receive())] == [
        "elsewhere", "elsewhere", "next"
    ]


def test_a_marker_comes_though_nothing_follows_it(control: Control, connect: Connect, fresh: Fresh) -> None:
    """At idle: a client that reconnects much later must not miss what it was never to get."""
    user = fresh("user")
    browser = connect(with_query("/ws", token=token(user)))
    skipped = control.to_user(user, event(), stream=fresh("stream"))

    marker = browser.receive()

    assert marker["event"] == "skip"
    assert marker["data"] == {"stream": "@user", **at(skipped.position), "filtered": 1}


def test_the_inbox_cannot_be_recovered_by_a_subscription(control: Control, connect: Connect, fresh: Fresh) -> None:
    """"@user" belongs to the session's beginning; in a subscribe it is bad_recover, and nothing is subscribed."""
    user, stream = fresh("user"), fresh("log")
    receipt = control.to_user(user, event())
    browser = connect(with_query("/ws", token=token(user)))

    reply = browser.ask("subscribe", streams=[stream], recover={"@user": at(receipt.position)})

    assert (reply["event"], reply["data"]["code"]) == ("error", "bad_recover")
    assert control.count(stream=stream) == 0
