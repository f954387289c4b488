"""The batcher of both clients, against the real gateway."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from browser import Browser
from fakes import Fake, Gate

from carillon_client import CarillonError, Client, DeadlineExceeded, InvalidArgument, Options, Unauthenticated
from carillon_client._pb import control_pb2
from carillon_client.batching import Outbox, make_item, make_request
from carillon_client.calls import broadcast_stream
from carillon_client.settings import Settings
from carillon_client.testing import Gateway

Fresh = Callable[[str], str]
Make = Callable[..., Client]


def kept(gateway: Gateway, stream: str) -> list[Any]:
    with gateway.client() as client:
        return [message.data() for message in client.list_messages(stream=stream, page_size=1000)]


def test_messages_arrive_once_and_in_order(client: Client, gateway: Gateway, fresh: Fresh) -> None:
    stream = fresh("log")

    with client.batcher() as batcher:
        futures = [batcher.broadcast_stream(stream, event="said", data=number) for number in range(250)]
        batcher.flush()
        assert all(future.done() for future in futures)

    assert [future.result() for future in futures] == [None] * 250
    assert kept(gateway, stream) == list(range(250))


def test_every_target(client: Client, connect: Callable[..., Browser], fresh: Fresh) -> None:
    alice, stream = fresh("alice"), fresh("chat")
    browser = connect(alice, stream)

    with client.batcher() as batcher:
        batcher.broadcast_to_user(alice, event="1")
        batcher.broadcast_to_users([alice], event="2")
        batcher.broadcast_stream(stream, event="3")
        batcher.broadcast_all(event="4")
        batcher.send_to_session(browser.session, event="5")

    assert [browser.receive()["event"] for _ in range(5)] == ["1", "2", "3", "4", "5"]


def test_one_bad_message_fails_alone(client: Client, gateway: Gateway, fresh: Fresh) -> None:
    stream, told = fresh("log"), []

    with client.batcher(on_failure=lambda future, error: told.append((future, error))) as batcher:
        good = batcher.broadcast_stream(stream, event="said", data=1)
        bad = batcher.broadcast_stream("no spaces", event="said")
        last = batcher.broadcast_stream(stream, event="said", data=2)

    error = bad.exception()
    assert isinstance(error, InvalidArgument) and "stream" in error.message
    assert (good.result(), last.result()) == (None, None)
    assert kept(gateway, stream) == [1, 2]
    assert len(told) == 1 and told[0][1] is error


def test_what_can_never_be_sent_is_refused_at_once(client: Client) -> None:
    with client.batcher() as batcher:
        with pytest.raises(InvalidArgument, match="bytes"):
            batcher.broadcast_stream("chat", event="said", data=b"x" * (1 << 20))
        with pytest.raises(InvalidArgument, match="report"):
            batcher.broadcast_stream("chat", event="said", options=Options(report=True))
        with pytest.raises((TypeError, ValueError)):
            batcher.broadcast_stream("chat", event="said", data=object())


def test_requests_are_numbered_and_bounded(dice: random.Random) -> None:
    settings = Settings("", "", 5, 0, "", None)
    outbox: Outbox[int] = Outbox()
    sent: list[int] = []
    expected = 1
    added = 0
    while added < 2000 or outbox.outstanding:
        for _ in range(dice.randrange(0, 100) if added < 2000 else 0):
            publish = broadcast_stream("chat", event=str(added), data=b"x" * dice.choice([1, 1, 1, 60_000]))
            outbox.add(make_item(publish, settings, added))
            added += 1
        while (items := outbox.next_items()) is not None:
            encoded = make_request(*items)
            request = control_pb2.PublishStreamRequest.FromString(encoded)
            assert len(encoded) <= 1 << 20
            assert (request.seq, 1 <= len(request.items) <= 64) == (expected, True)
            expected += len(request.items)
            sent += [int(item.broadcast_stream.event.name) for item in request.items]
        acked = dice.randrange(0, expected)
        outbox.take(control_pb2.PublishStreamResponse(acked_to=acked))
        if dice.random() < 0.05:
            sent = sent[: len(sent) - (outbox.outstanding - len(outbox._unsent))]
            outbox.begin_call()
            expected = 1

    assert sent == list(range(added))


def test_publishing_waits_where_too_many_are_on_their_way(fake: Fake, address: str, make_client: Make) -> None:
    release = threading.Event()

    def stream(requests: Any, context: Any) -> Any:
        seen = 0
        for request in requests:
            seen = request.seq + len(request.items) - 1
            release.wait(60)
            yield control_pb2.PublishStreamResponse(acked_to=seen)

    fake.stream = stream
    with make_client(address, "").batcher(max_outstanding=10) as batcher:
        futures = [batcher.broadcast_stream("chat", event="said") for _ in range(10)]
        with pytest.raises(DeadlineExceeded):
            batcher.broadcast_stream("chat", event="said", timeout=0.01)
        with pytest.raises(DeadlineExceeded):
            batcher.flush(timeout=0.01)
        assert not any(future.done() for future in futures)
        release.set()
        futures.append(batcher.broadcast_stream("chat", event="said"))

    assert [future.result() for future in futures] == [None] * 11


def test_a_line_that_is_cut_neither_loses_nor_doubles(
    make_client: Make, gateway: Gateway, fresh: Fresh, dice: random.Random, hasty: None
) -> None:
    stream = fresh("log")
    gate = Gate(gateway.control)
    count = 250
    cuts = dice.sample(range(count), 4)
    try:
        with make_client(gate.address, gateway.key).batcher(max_outstanding=64) as batcher:
            futures = []
            for number in range(count):
                futures.append(batcher.broadcast_stream(stream, event="said", data=number))
                if number in cuts:
                    gate.cut()
    finally:
        gate.close()

    assert [future.result() for future in futures] == [None] * count
    assert kept(gateway, stream) == list(range(count))


def test_a_gateway_that_goes_and_comes_back_gets_everything(
    make_client: Make, start_carillon: Callable[..., Gateway], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It has forgotten which request_ids it had: what it had taken and not acknowledged may come twice."""
    folder = tmp_path_factory.mktemp("c")
    gateway = start_carillon(
        {
            "control": {"listen": f"unix:{folder / 's'}"},
            "engine": {"memory": {"snapshot": str(folder / "snapshot")}},
            "streams": [{"pattern": "log", "log": {"mode": "log", "messages": 10_000}}],
        }
    )
    with make_client(gateway.control, gateway.key).batcher() as batcher:
        futures = [batcher.broadcast_stream("log", event="said", data=number) for number in range(1000)]
        gateway.stop()
        futures += [batcher.broadcast_stream("log", event="said", data=number) for number in range(1000, 1500)]
        gateway.start()
        futures += [batcher.broadcast_stream("log", event="said", data=number) for number in range(1500, 2000)]

    assert [future.result() for future in futures] == [None] * 2000
    first_time = list(dict.fromkeys(kept(gateway, "log")))
    assert first_time == list(range(2000))


def test_a_wrong_key_fails_everything(make_client: Make, gateway: Gateway) -> None:
    with make_client(gateway.control, "not-the-key-but-as-long").batcher() as batcher:
        future = batcher.broadcast_stream("chat", event="said")
        assert isinstance(future.exception(), Unauthenticated)
        with pytest.raises(Unauthenticated):
            batcher.broadcast_stream("chat", event="said")


def test_what_is_left_at_the_end_fails(make_client: Make) -> None:
    batcher = make_client("127.0.0.1:1", "").batcher()
    future = batcher.broadcast_stream("chat", event="said")

    batcher.close(timeout=0.05)
    batcher.close()

    assert isinstance(future.exception(), DeadlineExceeded)
    with pytest.raises(CarillonError, match=r"closed|in time"):
        batcher.broadcast_stream("chat", event="said")


def test_threads_share_a_batcher(gateway: Gateway, fresh: Fresh) -> None:
    stream = fresh("log")
    with gateway.client() as client, client.batcher(max_outstanding=16) as batcher:

        def work(name: int) -> None:
            for number in range(60):
                batcher.broadcast_stream(stream, event="said", data=[name, number])

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        batcher.flush()

        messages = kept(gateway, stream)

    assert len(messages) == 240
    for name in range(4):
        assert [number for who, number in messages if who == name] == list(range(60))


def test_no_thread_is_left(gateway: Gateway, fresh: Fresh) -> None:
    """gRPC asks for requests in a thread of its own, which must not wait for ever."""
    before = set(threading.enumerate())
    with gateway.client() as client:
        with client.batcher() as batcher, client.watch(group=fresh("group")), client.watch():
            batcher.broadcast_stream(fresh("chat"), event="said").result()

    for thread in set(threading.enumerate()) - before:
        thread.join()
