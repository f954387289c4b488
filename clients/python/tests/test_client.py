"""The client against the real gateway, whose path is in CARILLON_BINARY."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from browser import Browser
from conftest import READ_KEY

from carillon_client import (
    CarillonError,
    Client,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from carillon_client.testing import Gateway

Connect = Callable[..., Browser]
Make = Callable[..., Client]
Fresh = Callable[[str], str]


def test_broadcast_to_user_reaches_every_tab(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    tabs = [connect(alice), connect(alice)]

    receipt = client.broadcast_to_user(alice, event="note", data={"id": 1}, meta={"trace": "abc"})

    assert receipt.sessions == 2
    assert receipt.message_id
    for tab in tabs:
        message = tab.receive()
        assert (message["stream"], message["event"], message["data"]) == ("@user", "note", {"id": 1})
        assert message["meta"]["id"] == receipt.message_id
        assert message["meta"]["trace"] == "abc"


def test_broadcast_to_nobody_is_a_count_of_zero(client: Client, fresh: Fresh) -> None:
    assert client.broadcast_to_user(fresh("nobody"), event="note").sessions == 0


def test_any_session_reaches_tabs_that_do_not_subscribe(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, stream = fresh("alice"), fresh("chat")
    elsewhere = connect(alice, fresh("other"))

    client.broadcast_to_user(alice, event="first", stream=stream)
    client.broadcast_to_user(alice, event="second", stream=stream, any_session=True)

    message = elsewhere.receive()
    assert (message["stream"], message["event"]) == (stream, "second")


def test_broadcast_to_users_counts_users(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    tabs = [connect(alice), connect(alice), connect(bob)]

    receipt = client.broadcast_to_users([alice, bob, fresh("nobody")], event="note", data="hello")

    assert (receipt.users, receipt.sessions) == (2, 3)
    assert [tab.receive()["data"] for tab in tabs] == ["hello"] * 3


@pytest.mark.parametrize(
    ("data", "arrives"),
    [
        (None, None),
        (True, True),
        (7.5, 7.5),
        ("grüße 🔔", "grüße 🔔"),
        ([1, [2]], [1, [2]]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        (b"\x00\xff", "AP8="),
    ],
)
def test_broadcast_stream_carries_data(
    client: Client, connect: Connect, fresh: Fresh, data: object, arrives: object
) -> None:
    stream = fresh("chat")
    browser = connect(fresh("alice"), stream)

    receipt = client.broadcast_stream(stream, event="said", data=data)

    message = browser.receive()
    assert receipt.sessions == 1
    assert (message["stream"], message["event"], message["data"]) == (stream, "said", arrives)


def test_broadcast_all_reaches_everyone(client: Client, connect: Connect, fresh: Fresh) -> None:
    browser = connect(fresh("alice"))

    receipt = client.broadcast_all(event="maintenance", data={"minutes": 5})

    message = browser.receive()
    assert receipt.sessions >= 1
    assert (message["stream"], message["event"], message["data"]) == ("@all", "maintenance", {"minutes": 5})


def test_send_to_session_reaches_that_session_alone(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    wanted, other = connect(alice), connect(alice)

    receipt = client.send_to_session(wanted.session, event="first")
    client.broadcast_to_user(alice, event="second")

    assert receipt.sessions == 1
    message = wanted.receive()
    assert (message["stream"], message["event"]) == ("@session", "first")
    assert other.receive()["event"] == "second"


def test_kick_closes_one_session(client: Client, connect: Connect, fresh: Fresh) -> None:
    browser = connect(fresh("alice"))

    result = client.kick(session_id=browser.session, code=4999, reason="moved away")

    assert (result.sessions, result.partial) == (1, False)
    assert browser.receive_close() == (4999, "moved away")
    assert client.send_to_session(browser.session, event="late").sessions == 0


def test_kick_closes_all_of_a_users_sessions(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    tabs = [connect(alice), connect(alice)]

    result = client.kick(user_id=alice)

    assert result.sessions == 2
    assert [tab.receive_close() for tab in tabs] == [(4005, "kicked")] * 2


def test_kick_closes_a_streams_sessions(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("chat")
    browser = connect(fresh("alice"), stream)

    assert client.kick(stream=stream).sessions == 1
    assert browser.receive_close()[0] == 4005


def test_subscribers_goes_through_all_pages(client: Client, connect: Connect, fresh: Fresh) -> None:
    stream = fresh("chat")
    users = {fresh("alice"): {"team": "a"}, fresh("bob"): {}, fresh("carol"): {"team": "b", "role": "lead"}}
    sessions = {connect(user, stream, labels=labels).session: user for user, labels in users.items()}

    listed = list(client.subscribers(stream=stream, page_size=1))

    assert {each.session_id: each.user_id for each in listed} == sessions
    assert len(listed) == 3
    for each in listed:
        assert each.labels == users[each.user_id]
        assert abs(datetime.now(timezone.utc) - each.connected_time) < timedelta(minutes=1)


def test_subscribers_lists_a_users_sessions(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")
    sessions = {connect(alice).session, connect(alice).session}

    assert {each.session_id for each in client.subscribers(user_id=alice)} == sessions
    assert list(client.subscribers(user_id=fresh("nobody"))) == []


def test_count_subscribers(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, stream = fresh("alice"), fresh("chat")
    connect(alice, stream)
    connect(alice)

    assert client.count_subscribers(stream=stream) == 1
    assert client.count_subscribers(user_id=alice) == 2
    assert client.count_subscribers() >= 2


def test_a_bad_field_is_named(client: Client, fresh: Fresh) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client.broadcast_stream("no spaces allowed", event="said")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "stream" in caught.value.message
    assert caught.value.reason == "FIELD_INVALID"
    assert [each.field for each in caught.value.field_violations] == ["stream"]

    with pytest.raises(InvalidArgument, match="name"):
        client.broadcast_stream(fresh("chat"), event="")

    with pytest.raises(InvalidArgument):
        list(client.subscribers(stream=fresh("chat"), page_size=-1))


def test_a_request_that_is_too_large_has_no_reason(client: Client, fresh: Fresh) -> None:
    with pytest.raises(ResourceExhausted) as caught:
        client.broadcast_stream(fresh("chat"), event="said", data="x" * (1 << 20))
    assert (caught.value.reason, caught.value.retry_after) == ("", None)


def test_a_wrong_token_is_unauthenticated(make_client: Make, gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated):
        make_client(gateway.control, "not-the-key-but-as-long").count_subscribers()


def test_no_token_is_unauthenticated(make_client: Make, gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated):
        make_client(gateway.control, "").count_subscribers()


def test_a_key_without_the_verb_is_denied(make_client: Make, gateway: Gateway, fresh: Fresh) -> None:
    reader = make_client(gateway.control, READ_KEY)
    assert reader.count_subscribers() >= 0
    with pytest.raises(PermissionDenied):
        reader.broadcast_all(event="note")
    with pytest.raises(PermissionDenied):
        reader.kick(user_id=fresh("alice"))


def test_a_gateway_that_is_not_there_is_unavailable(make_client: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound but not listening: connections to it are refused.
        with pytest.raises(Unavailable) as caught:
            make_client("{}:{}".format(*taken.getsockname()), "", retries=1).count_subscribers()

    assert isinstance(caught.value, CarillonError)
    assert isinstance(caught.value.__cause__, grpc.RpcError)
