"""PublishStream: many messages over one call, acknowledged in order, none lost however far behind the gateway is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.control import Control, Refusal, event, pb, stream_item
from support.gateway import token
from support.patience import eventually, scaled
from support.ws import Browser, with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "hub": {"mailbox_messages": 64},
        "edge": {
            "endpoints": [
                {"path": "/ws", "anonymous": True},
                # Readers of these tests are slower than publishers, and are no test of slow readers.
                {
                    "path": "/patient",
                    "anonymous": True,
                    "outbox_bytes": "1GiB",
                    "outbox_messages": 1000000,
                    "write_deadline": "5m",
                },
            ]
        },
    }


def numbered(stream: str, first: int, count: int) -> list[Any]:
    return [stream_item(stream, event("n", json=str(number))) for number in range(first, first + count)]


def receive_numbers(browser: Browser, count: int) -> list[int]:
    return [browser.receive()["data"] for _ in range(count)]


def test_items_arrive_in_order_and_are_acknowledged(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Requests of every size; finish() insists that the last number is acknowledged."""
    stream = fresh("stream")
    browser = connect(with_query("/patient", streams=stream))
    publisher = control.publisher()

    first = 0
    for size in (1, 64, 2, 63, 10):
        publisher.send(numbered(stream, first, size))
        first += size

    assert publisher.finish() == []
    assert publisher.acked == 140
    assert receive_numbers(browser, 140) == list(range(140))


def test_an_item_may_go_anywhere(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Each target of the unary calls is one of PublishStream, with the same rules."""
    user, stream = fresh("user"), fresh("stream")
    browser = connect(with_query("/ws", token=token(user), streams=stream))
    publisher = control.publisher()

    publisher.send(
        [
            stream_item(stream, event("a")),
            pb.PublishItem(broadcast_to_user=pb.BroadcastToUserRequest(user_id=user, event=event("b"))),
            pb.PublishItem(broadcast_to_users=pb.BroadcastToUsersRequest(user_ids=[user, user], event=event("c"))),
            pb.PublishItem(broadcast_all=pb.BroadcastAllRequest(event=event("d"))),
            pb.PublishItem(send_to_session=pb.SendToSessionRequest(session_id=browser.session, event=event("e"))),
        ]
    )

    assert publisher.finish() == []
    assert [browser.receive()["event"] for _ in range(5)] == ["a", "b", "c", "d", "e"]


def test_each_answer_says_how_far_the_gateway_is(control: Control, fresh: Callable[[str], str]) -> None:
    """A caller that waits for its acknowledgement gets it, without sending more."""
    publisher = control.publisher()

    for number in range(1, 6):
        publisher.send([stream_item(fresh("nobody"))])
        publisher.wait_acked(number)

    assert publisher.finish() == []


def test_a_bad_item_is_reported_and_the_others_go_on(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Failures carry the item's number, its status and the field; the call does not end."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))
    publisher = control.publisher()

    publisher.send([*numbered(stream, 1, 2), stream_item("bad name"), *numbered(stream, 4, 1), pb.PublishItem()])
    publisher.send([stream_item(stream, event(json="{")), *numbered(stream, 7, 1)])
    failures = publisher.finish()

    assert [(each.seq, each.code) for each in failures] == [(3, 3), (5, 3), (6, 3)]
    assert {each.reason for each in failures} == {"FIELD_INVALID"}
    assert [each.field for each in failures] == ["stream", "target", "event.json"]
    assert [("stream" in failures[0].message), ("target" in failures[1].message)] == [True, True]
    assert "event.json" in failures[2].message
    assert receive_numbers(browser, 4) == [1, 2, 4, 7]


@pytest.mark.parametrize("seq", [0, 2, 1 << 63])
def test_a_call_begins_with_number_1(control: Control, seq: int) -> None:
    """Any other number ends the call, naming seq."""
    publisher = control.publisher()
    publisher.send([stream_item("a")], seq=seq)

    refusal = publisher.refused()

    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["seq"])


@pytest.mark.parametrize("seq", [3, 5], ids=["a repetition", "a gap"])
def test_a_wrong_number_ends_the_call_and_publishes_nothing(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str], seq: int
) -> None:
    """What came before it stands and is acknowledged."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))
    publisher = control.publisher()
    publisher.send(numbered(stream, 1, 3))
    publisher.send([stream_item(stream, event("wrong"))], seq=seq)

    refusal = publisher.refused()

    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["seq"])
    assert publisher.acked == 3
    control.to_session(browser.session, event("end"))
    assert [message["data"] for message in browser.receive_until("end")] == [1, 2, 3]


@pytest.mark.parametrize("count", [0, 65])
def test_a_request_holds_1_to_64_items(control: Control, count: int) -> None:
    """Others end the call, naming items."""
    publisher = control.publisher()
    publisher.send(numbered("a", 1, count))

    refusal = publisher.refused()

    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["items"])


def test_a_request_above_1_mib_ends_the_call(control: Control) -> None:
    """gRPC's own limit: RESOURCE_EXHAUSTED."""
    publisher = control.publisher()
    publisher.send([stream_item("a", event(json='"' + "x" * 400_000 + '"'))] * 3)

    assert publisher.refused().code == grpc.StatusCode.RESOURCE_EXHAUSTED


def once_there_is_room(publish: Callable[[], Any]) -> Any:
    """A unary publish as RetryInfo asks for it: again, while the gateway is behind."""

    def attempt() -> Any:
        try:
            return publish()
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                return None
            raise

    return eventually(attempt, lambda receipt: receipt is not None, "room in the mailbox")


def test_a_caller_that_is_cancelled_midway_leaves_nothing_behind(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """What was acknowledged arrives, in order; what arrives beyond it goes on without a hole; and others publish on."""
    stream = fresh("stream")
    browser = connect(with_query("/patient", streams=stream))
    publisher = control.publisher()
    for first in range(0, 640, 64):
        publisher.send(numbered(stream, first, 64))
    publisher.wait_acked(64)

    publisher.cancel()
    acked = publisher.acked
    # The gateway may still be at work on what it had read.
    assert once_there_is_room(lambda: control.to_stream(stream, event("probe"))).sessions == 1
    once_there_is_room(lambda: control.to_session(browser.session, event("end")))

    numbers = [message["data"] for message in browser.receive_until("end") if message["event"] == "n"]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= acked


def test_a_caller_that_reads_no_answers_still_gets_through(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Acknowledgements are cumulative: none has to be read for the next request to be taken."""
    stream = fresh("stream")
    count = scaled(100, 10)
    browser = connect(with_query("/patient", streams=stream))
    call = control.channel.stream_stream(
        "/carillon.v1.ControlService/PublishStream",
        request_serializer=pb.PublishStreamRequest.SerializeToString,
        response_deserializer=pb.PublishStreamResponse.FromString,
    )
    requests = (
        pb.PublishStreamRequest(seq=1 + first, items=numbered(stream, first, 64)) for first in range(0, count * 64, 64)
    )

    responses = call(requests, timeout=120)

    assert receive_numbers(browser, count * 64) == list(range(count * 64))
    assert list(responses)[-1].acked_to == count * 64


def test_nothing_is_lost_when_the_mailboxes_are_full(
    gateway: Any, control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Publishers that together outrun the shards are made to wait: every item arrives, in each publisher's order."""
    count = scaled(6000, 600)
    streams = [fresh("stream") for _ in range(4)]
    browsers = [connect(with_query("/patient", streams=",".join(streams))) for _ in range(3)]
    publishers = {stream: control.publisher() for stream in streams}
    refused_before = gateway.metrics().value("carillon_publish_refused_total")

    for first in range(0, count, 60):
        for stream, publisher in publishers.items():
            publisher.send(numbered(stream, first, 60))
    failures = [publisher.finish() for publisher in publishers.values()]

    assert failures == [[]] * 4
    for browser in browsers:
        received: dict[str, list[int]] = {stream: [] for stream in streams}
        for _ in range(4 * count):
            message = browser.receive()
            received[message["stream"]].append(message["data"])
        assert all(numbers == list(range(count)) for numbers in received.values())
    print("waits:", gateway.metrics().value("carillon_publish_refused_total") - refused_before)


def test_a_unary_call_is_refused_or_delivered_but_never_lost(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Many at once, into a small mailbox: RESOURCE_EXHAUSTED says when to come back; every OK arrives exactly once."""
    stream = fresh("stream")
    count = scaled(3000, 300)
    browsers = [connect(with_query("/patient", streams=stream)) for _ in range(3)]
    call = control.channel.unary_unary(
        "/carillon.v1.ControlService/BroadcastStream",
        request_serializer=pb.BroadcastStreamRequest.SerializeToString,
        response_deserializer=pb.BroadcastStreamResponse.FromString,
    )

    sent = [
        call.future(pb.BroadcastStreamRequest(stream=stream, event=event("n", json=str(number))), timeout=60)
        for number in range(count)
    ]
    taken = [number for number, future in enumerate(sent) if future.exception() is None]
    refusals = [Refusal(future) for future in sent if future.exception() is not None]
    print(f"{len(taken)} taken, {len(refusals)} refused")
    control.to_stream(stream, event("end"))

    for refusal in refusals:
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GATEWAY_BEHIND")
        assert refusal.retry_after_ms is not None and refusal.retry_after_ms > 0
    for browser in browsers:
        assert sorted(message["data"] for message in browser.receive_until("end")) == taken
