"""Kick: an operator closes sessions, they learn why, and the answer says how many there were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, event, pb
from support.gateway import token
from support.patience import eventually
from support.ws import Browser, with_query

CLOSED = "carillon_connections_closed_total"


@pytest.fixture
def tab(connect: Callable[..., Browser]) -> Callable[..., Browser]:
    """Opens a tab of a user: tab("alice", "chat", "news")."""
    return lambda user, *streams: connect(with_query("/ws", token=token(user), streams=",".join(streams) or None))


def test_kicking_a_user_with_three_tabs_closes_three_and_says_so(
    gateway: Any, control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Each tab gets a close frame with 4005 and the reason, nobody else's is touched, and the counts fall without
    waiting for the tabs' answers."""
    alice = fresh("alice")
    tabs, other = [tab(alice, "chat"), tab(alice), tab(alice)], tab(fresh("bob"), "chat")

    with gateway.rises(CLOSED, by=3, code="4005"):
        answer = control.kick(user_id=alice)

        assert (answer.sessions, answer.partial) == (3, False)
        eventually(lambda: control.count(user_id=alice), lambda count: count == 0, "alice's sessions")
        assert control.to_user(alice).sessions == 0
        assert [each.receive_close() for each in tabs] == [(4005, "kicked")] * 3

    assert other.ask("ping")["event"] == "pong"
    assert control.kick(user_id=alice).sessions == 0


def test_one_session_is_kicked_alone(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """The user's other tab stays, whatever shard it is on."""
    alice = fresh("alice")
    tabs = [tab(alice) for _ in range(4)]

    for each in tabs[:3]:
        assert control.kick(session_id=each.session).sessions == 1
        assert each.receive_close() == (4005, "kicked")

    assert tabs[3].ask("ping")["event"] == "pong"
    assert control.kick(session_id=tabs[0].session).sessions == 0


def test_a_streams_subscribers_are_kicked_together(
    control: Control, tab: Callable[..., Browser], connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Those that listen now, with or without a user."""
    stream = fresh("stream")
    listeners = [tab(fresh("user"), stream), tab(fresh("user"), stream), connect(f"/ws/{stream}")]
    left = connect(f"/ws/{stream}")
    left.unsubscribe(stream)

    assert control.kick(stream=stream).sessions == 3
    assert [each.receive_close() for each in listeners] == [(4005, "kicked")] * 3
    assert left.ask("ping")["event"] == "pong"


@pytest.mark.parametrize("code", [1000, 1008, 3000, 4000, 4101, 4201, 4999])
def test_the_caller_may_choose_code_and_reason(
    gateway: Any, control: Control, connect: Callable[..., Browser], code: int
) -> None:
    """Both reach the client as they are, up to 123 bytes of UTF-8. In the books it is a kick, whatever the code means
    elsewhere."""
    reason = "räumt auf: " + "x" * 111
    browser = connect()

    with gateway.rises("carillon_connections_closed_total", reason="kicked"):
        assert control.kick(session_id=browser.session, code=code, reason=reason).sessions == 1

        assert browser.receive_close() == (code, reason)


def test_what_was_sent_before_a_kick_still_arrives(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """The goodbye stands behind the messages that were accepted before it, and before none after it."""
    alice = fresh("alice")
    browser = tab(alice)

    for number in range(20):
        control.to_user(alice, event("n", json=str(number)))
    control.kick(user_id=alice)
    control.to_user(alice, event("too-late"))

    assert [browser.receive()["data"] for _ in range(20)] == list(range(20))
    assert browser.receive_close() == (4005, "kicked")


def test_a_kick_of_nobody_counts_zero(control: Control, fresh: Callable[[str], str]) -> None:
    """It is no error."""
    targets = [{"user_id": fresh("nobody")}, {"stream": fresh("stream")}, {"session_id": "0001" + "0" * 16}]

    assert [control.kick(**target).sessions for target in targets] == [0, 0, 0]


@pytest.mark.parametrize(
    "fields, field",
    [
        ({}, "target"),
        ({"user_id": ""}, "user_id"),
        ({"session_id": "nonsense"}, "session_id"),
        ({"stream": "bad name"}, "stream"),
        *[({"user_id": "a", "code": code}, "code") for code in (1, 999, 1001, 1005, 1006, 1015, 2999, 5000, 1 << 31)],
        ({"user_id": "a", "reason": "x" * 124}, "reason"),
        ({"user_id": "a", "reason": "ü" * 62}, "reason"),
    ],
)
def test_a_bad_kick_names_its_field(control: Control, fields: dict[str, Any], field: str) -> None:
    """INVALID_ARGUMENT, and nobody is closed."""
    refusal = control.refused("Kick", pb.KickRequest(**fields))

    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_who_is_kicked_is_not_counted_any_more(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """From the answer on, however soon one asks."""
    alice = fresh("alice")
    for _ in range(50):
        browser = tab(alice, "chat")
        assert control.kick(user_id=alice).sessions == 1
        assert control.count(user_id=alice) == 0
        browser.close()
