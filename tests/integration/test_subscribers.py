"""Subscribers and CountSubscribers: who is there, a page at a time, nobody twice and nobody missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, pb
from support.gateway import token
from support.patience import PATIENCE, scaled
from support.swarm import Swarm
from support.ws import Browser, with_query


def all_pages(control: Control, **fields: Any) -> list[list[Any]]:
    """The pages of a listing, each as a list of subscribers."""
    pages = []
    page_token = ""
    while True:
        page = control.page(page_token=page_token, **fields)
        assert not page.partial
        pages.append(list(page.subscribers))
        page_token = page.next_page_token
        if not page_token:
            return pages


def test_ten_thousand_sessions_are_listed_page_by_page(
    gateway: Any, control: Control, keep: Callable[[Any], Any]
) -> None:
    """Every page size gives the same list: sorted by session, each once, all of them, with their users."""
    count = scaled(10_000, 1_200)
    users = [f"user-{number % 100}" for number in range(count)]
    tokens = {user: token(user) for user in set(users)}
    swarm = keep(Swarm(gateway.edge, [with_query("/ws/crowd", token=tokens[user]) for user in users]))

    assert control.count(stream="crowd") == control.count() == count
    listings = {size: all_pages(control, stream="crowd", page_size=size) for size in (0, 1000, 5000, 777)}
    whole = [each.session_id for page in listings[1000] for each in page]

    assert whole == sorted(set(whole)) and len(whole) == count
    for size, pages in listings.items():
        assert [each.session_id for page in pages for each in page] == whole, size
        expected = min(size or 100, 1000)
        assert all(len(page) == expected for page in pages[:-1]) and 1 <= len(pages[-1]) <= expected
    for user in ("user-0", "user-99"):
        of_user = [each.session_id for page in all_pages(control, user_id=user, page_size=7) for each in page]
        of_stream = [each.session_id for page in listings[0] for each in page if each.user_id == user]
        assert of_user == of_stream and len(of_user) == users.count(user)
        assert control.count(user_id=user) == users.count(user)
    swarm.close()
    gateway.wait_until_empty()
    assert control.count() == control.count(stream="crowd") == 0


def test_a_page_may_hold_one(control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]) -> None:
    """The smallest page; the last one has no token, and no empty page follows it."""
    stream = fresh("stream")
    sessions = sorted(connect(f"/ws/{stream}").session for _ in range(5))

    pages = all_pages(control, stream=stream, page_size=1)

    assert [[each.session_id for each in page] for page in pages] == [[session] for session in sessions]


def test_a_subscriber_is_described(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Session, user, when it connected, and the labels of its token; an anonymous one has no user."""
    stream = fresh("stream")
    before = time.time()
    named = connect(with_query("/ws", token=token("alice", labels={"tab": "1", "ä": "ü"}), streams=stream))
    anonymous = connect(with_query("/ws", streams=stream))

    ((first, second),) = all_pages(control, stream=stream)
    by_session = {each.session_id: each for each in (first, second)}

    assert by_session[named.session].user_id == "alice"
    assert dict(by_session[named.session].labels) == {"tab": "1", "ä": "ü"}
    assert by_session[anonymous.session].user_id == ""
    assert dict(by_session[anonymous.session].labels) == {}
    for each in (first, second):
        assert before - 1 <= each.connected_time.ToMicroseconds() / 1e6 <= time.time() + 1


def test_a_listing_goes_on_while_sessions_come_and_go(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Those that were there all the time are listed exactly once."""
    stream = fresh("stream")
    stay = {connect(f"/ws/{stream}").session for _ in range(10)}
    listed: list[str] = []
    page_token = ""
    while True:
        leaves, comes = connect(f"/ws/{stream}"), connect(f"/ws/{stream}")
        page = control.page(stream=stream, page_size=2, page_token=page_token)
        leaves.leave()
        comes.leave()
        listed += [each.session_id for each in page.subscribers]
        page_token = page.next_page_token
        if not page_token:
            break

    assert len(listed) == len(set(listed))
    assert stay <= set(listed)


def test_nobody_is_an_empty_page(control: Control, fresh: Callable[[str], str]) -> None:
    """And no error."""
    assert all_pages(control, stream=fresh("stream")) == [[]]
    assert all_pages(control, user_id=fresh("nobody")) == [[]]


def test_counts_follow_those_who_come_and_go(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Of a stream, of a user, of all."""
    gateway.wait_until_empty()
    stream, alice = fresh("stream"), fresh("alice")
    tabs = [connect(with_query("/ws", token=token(alice), streams=stream)) for _ in range(3)]
    connect()

    assert [control.count(stream=stream), control.count(user_id=alice), control.count()] == [3, 3, 4]
    tabs[0].unsubscribe(stream)
    assert [control.count(stream=stream), control.count(user_id=alice), control.count()] == [2, 3, 4]
    tabs[1].leave()
    assert [control.count(stream=stream), control.count(user_id=alice), control.count()] == [1, 2, 3]


@pytest.mark.parametrize(
    "fields, field",
    [
        ({}, "target"),
        ({"stream": ""}, "stream"),
        ({"user_id": ""}, "user_id"),
        ({"stream": "a", "page_size": -1}, "page_size"),
        ({"stream": "a", "page_token": "nonsense"}, "page_token"),
        ({"stream": "a", "page_token": "!"}, "page_token"),
        ({"stream": "a", "page_token": "AAAA"}, "page_token"),
    ],
)
def test_a_bad_listing_names_its_field(control: Control, fields: dict[str, Any], field: str) -> None:
    """INVALID_ARGUMENT."""
    refusal = control.refused("Subscribers", pb.SubscribersRequest(**fields), timeout=PATIENCE)

    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
