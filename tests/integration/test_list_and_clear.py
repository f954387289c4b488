"""A backend reads a log page by page, and makes it forget."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from support.control import Control, event, pb, stream_item
from support.gateway import token
from support.patience import eventually
from support.ws import Browser, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

ALL, PUBLISH, READ, ADMIN = ("all-" + "k" * 16, "publish-" + "k" * 16, "read-" + "k" * 16, "admin-" + "k" * 16)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {"keys": [
            {"name": "all", "secret": ALL},
            {"name": "publish", "secret": PUBLISH, "verbs": ["publish"]},
            {"name": "read", "secret": READ, "verbs": ["read"]},
            {"name": "admin", "secret": ADMIN, "verbs": ["admin"]},
        ]},
        "streams": [
            {"pattern": "log-*", "log": {"mode": "log", "messages": 5000, "max_bytes": "64MiB"}},
            {"pattern": "short-*", "log": {"mode": "log", "messages": 5}},
            {"pattern": "latest-*", "log": {"mode": "latest"}},
        ],
        "inbox": {"mode": "log"},
    }


@pytest.fixture
def control(gateway: Any) -> Iterator[Control]:
    with Control(gateway.control, ALL) as connected:
        yield connected


def publish(control: Control, stream: str, *numbers: int) -> list[Any]:
    """One message for each number; returns their positions."""
    return [control.to_stream(stream, event("n", json=str(number))).position for number in numbers]


def publish_many(control: Control, stream: str, count: int) -> None:
    """The numbers from 1 to count."""
    publisher = control.publisher()
    for first in range(1, count + 1, 50):
        last = min(first + 49, count)
        publisher.send([stream_item(stream, event("n", json=str(number))) for number in range(first, last + 1)])
    assert publisher.finish() == []


def page(control: Control, **fields: Any) -> Any:
    return control.call("ListMessages", pb.ListMessagesRequest(**fields))


def pages(control: Control, **fields: Any) -> list[Any]:
    """All pages, as a caller walks through them."""
    found = [page(control, **fields)]
    while found[-1].next_page_token:
        found.append(page(control, **{**fields, "page_token": found[-1].next_page_token}))
    return found


def clear(control: Control, **target: str) -> Any:
    return control.call("ClearMessages", pb.ClearMessagesRequest(**target))


def offsets(answer: Any) -> list[int]:
    return [message.position.offset for message in answer.messages]


def refused(control: Control, method: str, code: str, reason: str, **fields: Any) -> Any:
    kinds: dict[str, Any] = {"ListMessages": pb.ListMessagesRequest, "ClearMessages": pb.ClearMessagesRequest}
    request = kinds[method](**fields)
    refusal = control.refused(method, request)
    assert (refusal.code.name, refusal.reason) == (code, reason), refusal
    return refusal


# --- ListMessages ---


def test_a_page_holds_the_messages_as_they_were_published(control: Control, fresh: Fresh) -> None:
    """Whole envelopes: what the backend said, and what the gateway added."""
    stream = fresh("log")
    receipts = [
        control.to_stream(stream, event("a", json='{"n":1}', meta={"room": "5"})),
        control.to_stream(stream, event("b", binary=b"\x00\xff")),
    ]

    answer = page(control, stream=stream)

    first, second = answer.messages
    assert (first.stream, first.event, first.json, dict(first.meta)) == (stream, "a", '{"n":1}', {"room": "5"})
    assert (second.event, second.binary) == ("b", b"\x00\xff")
    assert [message.id for message in answer.messages] == [receipt.message_id for receipt in receipts]
    assert [message.position for message in answer.messages] == [receipt.position for receipt in receipts]
    assert second.time.ToNanoseconds() >= first.time.ToNanoseconds() > 0
    assert answer.position == receipts[1].position
    assert answer.next_page_token == ""


@pytest.mark.parametrize("size", [1, 7, 49, 50, 51, 1000])
def test_pages_hold_everything_once_and_in_order(control: Control, fresh: Fresh, size: int) -> None:
    """Whatever the page's size; each page says where the log stands."""
    stream = fresh("log")
    publish_many(control, stream, 50)

    found = pages(control, stream=stream, page_size=size)

    assert [offset for each in found for offset in offsets(each)] == list(range(1, 51))
    assert [int(message.json) for each in found for message in each.messages] == list(range(1, 51))
    assert [len(each.messages) for each in found[:-1]] == [size] * (len(found) - 1)
    assert {each.position.offset for each in found} == {50}


@pytest.mark.parametrize("asked, given", [(0, 100), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_size_is_bounded(control: Control, fresh: Fresh, asked: int, given: int) -> None:
    """100 where nothing is said, 1,000 at most."""
    stream = fresh("log")
    publish_many(control, stream, 1100)

    answer = page(control, stream=stream, page_size=asked)

    assert offsets(answer) == list(range(1, given + 1))
    assert answer.next_page_token


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_a_negative_page_size_is_refused(control: Control, fresh: Fresh, size: int) -> None:
    """INVALID_ARGUMENT, naming it."""
    refusal = refused(control, "ListMessages", "INVALID_ARGUMENT", "FIELD_INVALID", stream=fresh("log"), page_size=size)

    assert refusal.fields == ["page_size"]


def test_a_page_of_large_messages_ends_sooner(control: Control, fresh: Fresh) -> None:
    """At about 1 MiB; the pages together still hold everything, and every one of them fits gRPC's 4 MiB."""
    stream = fresh("log")
    for number in range(1, 13):
        control.to_stream(stream, event("n", json=json.dumps("x" * 300_000)))

    found = pages(control, stream=stream)

    assert [offset for each in found for offset in offsets(each)] == list(range(1, 13))
    assert len(found) >= 3
    assert all(1 <= len(each.messages) <= 4 for each in found)


def test_messages_after_a_position(control: Control, fresh: Fresh) -> None:
    """Only those; none after the top; and pages go on from there."""
    stream = fresh("log")
    positions = publish(control, stream, *range(1, 8))

    assert offsets(page(control, stream=stream, after=positions[4])) == [6, 7]
    assert offsets(page(control, stream=stream, after=positions[6])) == []
    assert offsets(page(control, stream=stream, after=positions[0])) == [2, 3, 4, 5, 6, 7]
    beginning = type(positions[0])(epoch=positions[0].epoch)
    assert offsets(page(control, stream=stream, after=beginning)) == [1, 2, 3, 4, 5, 6, 7]
    found = pages(control, stream=stream, after=positions[1], page_size=2)
    assert [offsets(each) for each in found] == [[3, 4], [5, 6], [7]]


def test_pages_grow_with_the_log(control: Control, fresh: Fresh) -> None:
    """What is published between two pages comes with the later ones."""
    stream = fresh("log")
    publish(control, stream, 1, 2, 3)
    first = page(control, stream=stream, page_size=2)

    publish(control, stream, 4)
    second = page(control, stream=stream, page_size=2, page_token=first.next_page_token)

    assert (offsets(first), offsets(second)) == ([1, 2], [3, 4])
    assert (first.position.offset, second.position.offset) == (3, 4)


def test_an_empty_log_has_an_empty_page_and_a_position(control: Control, fresh: Fresh) -> None:
    """Where nothing was published yet: the position is the one that the first message follows."""
    stream = fresh("log")

    answer = page(control, stream=stream)
    (position,) = publish(control, stream, 1)

    assert (offsets(answer), answer.next_page_token) == ([], "")
    assert (answer.position.offset, answer.position.epoch) == (0, position.epoch)
    assert offsets(page(control, stream=stream, after=answer.position)) == [1]


def test_a_log_begins_with_the_oldest_that_is_kept(control: Control, fresh: Fresh) -> None:
    """The rule's bound of 5; and of a latest stream the value."""
    short, latest = fresh("short"), fresh("latest")
    publish(control, short, *range(1, 9))
    publish(control, latest, 1, 2, 3)

    assert offsets(page(control, stream=short)) == [4, 5, 6, 7, 8]
    assert offsets(page(control, stream=latest)) == [3]


def test_a_position_that_is_no_longer_whole_is_aborted(control: Control, fresh: Fresh) -> None:
    """POSITION_MISMATCH where messages after it are gone, in another epoch, or beyond the top; not just before the
    oldest."""
    stream = fresh("short")
    positions = publish(control, stream, *range(1, 9))
    position = type(positions[0])

    assert offsets(page(control, stream=stream, after=positions[2])) == [4, 5, 6, 7, 8]
    for after in (
        positions[1],
        position(epoch=positions[0].epoch, offset=0),
        position(epoch=positions[0].epoch, offset=9),
        position(epoch="another", offset=5),
    ):
        refusal = refused(control, "ListMessages", "ABORTED", "POSITION_MISMATCH", stream=stream, after=after)
        assert positions[0].epoch in refusal.message


def test_a_page_token_ends_with_what_it_stood_for(control: Control, fresh: Fresh) -> None:
    """ABORTED where the log was cleared or trimmed beyond it meanwhile: a walk never jumps."""
    cleared, trimmed = fresh("log"), fresh("short")
    publish(control, cleared, 1, 2, 3)
    publish(control, trimmed, *range(1, 6))
    tokens = {stream: page(control, stream=stream, page_size=1).next_page_token for stream in (cleared, trimmed)}

    clear(control, stream=cleared)
    publish(control, trimmed, 6, 7)

    for stream, page_token in tokens.items():
        refused(control, "ListMessages", "ABORTED", "POSITION_MISMATCH", stream=stream, page_token=page_token)


@pytest.mark.parametrize(
    "page_token",
    ["x", "%%%", "0" * 20, base64.urlsafe_b64encode(b"epoch").decode(), base64.urlsafe_b64encode(b":5").decode(),
     base64.urlsafe_b64encode(b"epoch:x").decode(), base64.urlsafe_b64encode(b"epoch:-1").decode()],
)  # fmt: skip
def test_a_page_token_of_ones_own_is_refused(control: Control, fresh: Fresh, page_token: str) -> None:
    """INVALID_ARGUMENT, naming it."""
    stream = fresh("log")
    publish(control, stream, 1)

    refusal = refused(
        control, "ListMessages", "INVALID_ARGUMENT", "FIELD_INVALID", stream=stream, page_token=page_token
    )

    assert refusal.fields == ["page_token"]


def test_a_page_token_of_another_call_is_refused(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Subscribers' tokens name sessions, and not positions."""
    stream = fresh("log")
    for _ in range(2):
        connect(with_query("/ws", streams=stream))
    foreign = control.page(stream=stream, page_size=1).next_page_token
    assert foreign

    refusal = refused(control, "ListMessages", "INVALID_ARGUMENT", "FIELD_INVALID", stream=stream, page_token=foreign)

    assert refusal.fields == ["page_token"]


def test_an_inbox_is_listed_by_its_user(control: Control, fresh: Fresh) -> None:
    """What BroadcastToUser sent, on whatever stream; messages to the stream itself are elsewhere."""
    user, other, stream = fresh("user"), fresh("user"), fresh("log")
    control.to_user(user, event("a"))
    control.to_user(user, event("b"), stream=stream)
    control.to_users([user, other], event("c"))
    publish(control, stream, 1)

    answer = page(control, user_id=user)

    assert [(each.stream, each.event, each.log) for each in answer.messages] == [
        ("@user", "a", "@user"), (stream, "b", "@user"), ("@user", "c", "@user")
    ]
    assert offsets(answer) == [1, 2, 3]
    assert [each.event for each in page(control, user_id=other).messages] == ["c"]


def test_expired_messages_are_left_out(control: Control, fresh: Fresh) -> None:
    """Of ttl, and of deliver_within: the others keep their offsets, and pages go on across the gaps."""
    stream = fresh("log")
    soon = duration_pb2.Duration(nanos=1_000_000)
    for options in (
        pb.PublishOptions(), pb.PublishOptions(ttl=soon), pb.PublishOptions(deliver_within=soon), pb.PublishOptions()
    ):
        request = pb.BroadcastStreamRequest(stream=stream, event=event(), options=options)
        control.call("BroadcastStream", request)

    answer = eventually(lambda: page(control, stream=stream), lambda answer: len(answer.messages) == 2, "the page")

    assert offsets(answer) == [1, 4]
    assert answer.position.offset == 4
    assert [offsets(each) for each in pages(control, stream=stream, page_size=1)] == [[1], [], [], [4]]


BAD_TARGETS: dict[str, tuple[dict[str, str], str]] = {
    "no target": ({}, "target"),
    "no stream": ({"stream": ""}, "stream"),
    "a stream with a space": ({"stream": "log- a"}, "stream"),
    "the stream system": ({"stream": "system"}, "stream"),
    "the stream @user": ({"stream": "@user"}, "stream"),
    "no user": ({"user_id": ""}, "user_id"),
    "a user of 257 bytes": ({"user_id": "x" * 257}, "user_id"),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
@pytest.mark.parametrize("method", ["ListMessages", "ClearMessages"])
def test_a_bad_target_is_named(control: Control, method: str, case: str) -> None:
    """INVALID_ARGUMENT, with the field."""
    target, field = BAD_TARGETS[case]

    assert refused(control, method, "INVALID_ARGUMENT", "FIELD_INVALID", **target).fields == [field]


def test_an_after_without_an_epoch_is_refused(control: Control, fresh: Fresh) -> None:
    """A position is what a receipt or a page said: both parts of it."""
    after = pb.ListMessagesRequest().after

    refusal = refused(control, "ListMessages", "INVALID_ARGUMENT", "FIELD_INVALID", stream=fresh("log"), after=after)

    assert refusal.fields == ["after.epoch"]


@pytest.mark.parametrize("method", ["ListMessages", "ClearMessages"])
def test_a_stream_without_a_log_has_nothing_to_read_or_clear(control: Control, fresh: Fresh, method: str) -> None:
    """FAILED_PRECONDITION, with a reason for programs."""
    stream = fresh("unlogged")

    assert stream in refused(control, method, "FAILED_PRECONDITION", "NO_LOG", stream=stream).message


@pytest.mark.parametrize("method", ["ListMessages", "ClearMessages"])
def test_users_without_an_inbox_have_nothing_to_read_or_clear(
    start_gateway: Callable[..., Any], method: str
) -> None:
    """By default inboxes are off."""
    with Control(start_gateway().control) as control:
        refusal = refused(control, method, "FAILED_PRECONDITION", "NO_LOG", user_id="alice")

    assert "inbox" in refusal.message


# --- ClearMessages ---


def test_a_cleared_log_is_empty_under_a_new_epoch(control: Control, fresh: Fresh) -> None:
    """It says how many messages were forgotten; offsets begin anew."""
    stream = fresh("log")
    before = publish(control, stream, 1, 2, 3)

    cleared = clear(control, stream=stream)
    answer = page(control, stream=stream)
    (after,) = publish(control, stream, 4)

    assert (cleared.messages, cleared.position.offset) == (3, 0)
    assert cleared.position.epoch not in ("", before[0].epoch)
    assert (offsets(answer), answer.position) == ([], cleared.position)
    assert (after.epoch, after.offset) == (cleared.position.epoch, 1)


def test_clearing_twice_makes_two_epochs(control: Control, fresh: Fresh) -> None:
    """Also a log that was empty: whoever clears may count on a new epoch."""
    stream = fresh("log")

    first, second = clear(control, stream=stream), clear(control, stream=stream)

    assert (first.messages, second.messages) == (0, 0)
    assert first.position.epoch != second.position.epoch
    assert page(control, stream=stream).position == second.position


def test_clearing_leaves_other_logs_alone(control: Control, fresh: Fresh) -> None:
    """Neither another stream's, nor the inbox of a user who has that name."""
    name, other = fresh("log"), fresh("log")
    publish(control, name, 1)
    publish(control, other, 1)
    control.to_user(name, event())

    assert clear(control, stream=name).messages == 1

    assert len(page(control, stream=other).messages) == 1
    assert len(page(control, user_id=name).messages) == 1
    assert clear(control, user_id=name).messages == 1
    assert len(page(control, user_id=name).messages) == 0


def test_subscribers_stay_and_hear_the_new_epoch(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Nobody is closed or told; the next message is number 1 of the epoch that ClearMessages said."""
    stream, user = fresh("log"), fresh("user")
    browser = connect(with_query("/ws", token=token(user), streams=stream))
    publish(control, stream, 1, 2)
    control.to_user(user, event())
    for _ in range(3):
        browser.receive()

    positions = [clear(control, stream=stream).position, clear(control, user_id=user).position]
    (receipt,) = publish(control, stream, 3)
    to_user = control.to_user(user, event("u"))

    assert (receipt.offset, to_user.position.offset) == (1, 1)
    for position, wanted in zip(positions, ("n", "u"), strict=True):
        message = browser.receive()
        assert message["event"] == wanted
        assert (message["meta"]["epoch"], message["meta"]["offset"]) == (position.epoch, 1)
    assert control.count(stream=stream) == 1


def test_a_cleared_latest_stream_has_no_value(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Whoever subscribes then hears nothing until the next message."""
    stream = fresh("latest")
    publish(control, stream, 1, 2)

    assert clear(control, stream=stream).messages == 1
    browser = connect(with_query("/ws", streams=stream))
    publish(control, stream, 3)

    assert browser.receive()["data"] == 3


# --- Keys ---


@pytest.mark.parametrize("method, right_key", [("ListMessages", READ), ("ClearMessages", ADMIN)])
def test_a_call_needs_a_key_with_its_verb(control: Control, fresh: Fresh, method: str, right_key: str) -> None:
    """Reading is not publishing, clearing is neither; and a refused clear forgets nothing."""
    stream = fresh("log")
    publish(control, stream, 1)
    kinds: dict[str, Any] = {"ListMessages": pb.ListMessagesRequest, "ClearMessages": pb.ClearMessagesRequest}
    request = kinds[method](stream=stream)

    for key in (PUBLISH, READ, ADMIN):
        if key == right_key:
            continue
        refusal = control.refused(method, request, metadata=(("authorization", f"Bearer {key}"),))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_TOO_NARROW")
        assert right_key.partition("-")[0] in refusal.message
    assert len(page(control, stream=stream).messages) == 1
    control.call(method, request, metadata=(("authorization", f"Bearer {right_key}"),))


@pytest.mark.parametrize("method", ["ListMessages", "ClearMessages"])
def test_a_call_needs_a_key(gateway: Any, fresh: Fresh, method: str) -> None:
    """UNAUTHENTICATED without one, and with one that there is not."""
    for key in (None, "x" * 20):
        with Control(gateway.control, key) as stranger:
            refused(stranger, method, "UNAUTHENTICATED", "KEY_INVALID", stream=fresh("log"))


def test_a_clear_is_logged_with_its_caller(gateway: Any, control: Control, fresh: Fresh) -> None:
    """For whoever asks afterwards where the messages went."""
    stream = fresh("log")
    publish(control, stream, 1, 2)
    clear(control, stream=stream)

    found = eventually(lambda: [line for line in gateway.log_text().splitlines() if stream in line], bool, "log")
    line = json.loads(found[0])
    assert (line["msg"], line["key"], line["stream"], line["messages"]) == ("cleared a log", "all", stream, 2)
