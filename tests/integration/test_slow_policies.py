"""Readers that fall behind, by the policy of what they read: what is dropped for them, what they are told of it, and
what operators see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.control import Control, event, pb
from support.gateway import Gateway
from support.patience import eventually, scaled
from support.ws import CLOSE, TEXT, Browser, ClosedByGateway, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]

LOST = "carillon_messages_lost_total"
SLOW = "carillon_slow_consumers_total"
RECOVERIES = "carillon_recoveries_total"
REPLAYED = "carillon_replayed_total"


def rule(pattern: str, slow: str, **log: Any) -> dict[str, Any]:
    kept = {"mode": "log", "messages": 20000, "max_replay": 20000, "max_bytes": "128MiB"}
    return {"pattern": pattern, "log": {**kept, **log}, "slow": slow}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    small = {"anonymous": True, "send_buffer_bytes": "4KiB", "write_deadline": "5m", "outbox_patience": "0s"}
    return {
        "limits": {"max_publish_bytes": "32KiB"},
        "edge": {"endpoints": [
            {"path": "/ws", "anonymous": True, "outbox_messages": 1000000, "outbox_bytes": "64MiB"},
            {"path": "/bytes", **small, "outbox_bytes": "64KiB", "outbox_messages": 1000000},
            {"path": "/messages", **small, "outbox_bytes": "64MiB", "outbox_messages": 20},
        ]},
        "streams": [
            rule("oldest-*", "drop_oldest"),
            rule("newest-*", "drop_newest"),
            rule("conflate-*", "conflate"),
            rule("log-*", "disconnect"),
            rule("short-oldest-*", "drop_oldest", messages=300),
            rule("short-log-*", "disconnect", messages=300),
            {"pattern": "unlogged-oldest-*", "slow": "drop_oldest"},
            {"pattern": "unlogged-newest-*", "slow": "drop_newest"},
            {"pattern": "unlogged-conflate-*", "slow": "conflate"},
        ],
    }


BOUNDS = pytest.mark.parametrize("path", ["/bytes", "/messages"], ids=["over its bytes", "over its messages"])


# --- Publishing ---


def publish(control: Control, stream: str, number: int, size: int = 3000, **how: Any) -> Any:
    """A message whose payload is its number and some ballast; returns the receipt."""
    message = event(how.pop("name", "n"), json=json.dumps([number, "x" * size]))
    options = pb.PublishOptions(**how)
    request = pb.BroadcastStreamRequest(stream=stream, event=message, options=options)
    return control.call("BroadcastStream", request).receipt


def flood_until_lost(
    gateway: Gateway,
    control: Control,
    stream: str,
    reason: str,
    *,
    first: int = 1,
    least: int = 20,
    keys: int = 0,
    witness: Browser | None = None,
) -> int:
    """Publishes number after number until so many messages more are lost; returns the last one. `witness` must hear
    every one."""
    before = gateway.metrics().value(LOST, reason=reason)
    number = first - 1

    def publish_and_look() -> float:
        nonlocal number
        number += 1
        publish(control, stream, number, name=f"key-{number % keys}" if keys else "n")
        if witness is not None:
            assert witness.receive()["data"][0] == number
        return gateway.metrics().value(LOST, reason=reason) - before

    eventually(publish_and_look, lambda lost: lost >= least, f"messages {reason}")
    return number


# --- Reading ---


@dataclass
class Account:
    """What a reader was given of a stream whose payloads are numbers, equal to the offsets where there is a log."""

    numbers: list[int] = field(default_factory=list)
    markers: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)

    def skipped(self, reason: str) -> int:
        return sum(int(marker.get(reason, 0)) for marker in self.markers)

    @property
    def total(self) -> int:
        reasons = ("filtered", "excluded", "expired", "conflated", "dropped")
        return len(self.numbers) + sum(self.skipped(reason) for reason in reasons)


def read_up_to(
    browser: Browser,
    stream: str,
    last: int,
    first: int = 1,
    logged: bool = True,
    already: Iterable[dict[str, Any]] = (),
) -> Account:
    """Reads until messages and markers together account for the numbers from first to last, and insists that they do so
    exactly: each number once, in order, no marker that goes back or tells of messages that come. `already` was read
    before."""
    received = iter(already)
    account = Account()
    position = first - 1
    told: list[tuple[int, int]] = []  # up to which number, how many were missing
    while account.total < last - first + 1:
        message = next(received, None) or browser.receive()
        if message["event"] == "skip":
            data = message["data"]
            assert data["stream"] == stream
            account.markers.append(data)
            assert ("offset" in data, "epoch" in data) == (logged, logged), data
            if logged:
                assert data["offset"] > position, (data, position)
                position = data["offset"]
                covers = data.get("covers", data["offset"])
                assert covers >= data["offset"]
                told.append((covers, account.total - len(account.numbers)))
            continue
        assert message["stream"] == stream
        number = message["data"][0]
        if logged:
            assert message["meta"]["offset"] == number
        assert number > position, (number, position)
        position = number
        account.numbers.append(number)
        account.data.append(message)
    assert account.total == last - first + 1
    missing = sorted(set(range(first, last + 1)) - set(account.numbers))
    for covers, count in told:
        assert count <= sum(number <= covers for number in missing), (covers, count)
    if logged and told:
        assert max(covers for covers, _ in told) == missing[-1]
    return account


def blocked(connect: Connect, stream: str, path: str, **query: str) -> Browser:
    """A reader that does not read."""
    return connect(with_query(path, streams=stream, **query), receive_buffer=4096)


# --- drop_oldest ---


@BOUNDS
def test_the_oldest_are_dropped(gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, path: str) -> None:
    """What had left already is read, then a marker, then the newest; the session stays and goes on. The metric counts
    exactly what the markers say."""
    stream = fresh("oldest")
    witness = connect(with_query("/ws", streams=stream))
    before = gateway.metrics()
    slow = blocked(connect, stream, path)

    last = flood_until_lost(gateway, control, stream, "dropped", witness=witness)
    account = read_up_to(slow, stream, last)
    after = gateway.metrics()

    assert account.numbers[0] == 1
    assert account.numbers[-1] == last
    assert account.skipped("dropped") == last - len(account.numbers) >= 20
    assert after.value(LOST, reason="dropped") - before.value(LOST, reason="dropped") == account.skipped("dropped")
    assert after.value(SLOW) == before.value(SLOW)
    publish(control, stream, last + 1)
    assert slow.receive()["data"][0] == last + 1


def test_the_oldest_are_dropped_without_a_log(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """The marker has counts and no position: there is none to go back to."""
    stream = fresh("unlogged-oldest")
    slow = blocked(connect, stream, "/bytes")

    last = flood_until_lost(gateway, control, stream, "dropped")
    account = read_up_to(slow, stream, last, logged=False)

    assert account.numbers[-1] == last
    assert account.skipped("dropped") == last - len(account.numbers)


def test_a_reader_that_stops_again_and_again_is_told_each_time(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """Each pause has its own gap; between them everything is live."""
    stream = fresh("oldest")
    slow = blocked(connect, stream, "/bytes")
    first = 1
    for _ in range(3):
        last = flood_until_lost(gateway, control, stream, "dropped", first=first)
        account = read_up_to(slow, stream, last, first)
        assert account.skipped("dropped") >= 20
        first = last + 1

    publish(control, stream, first)
    assert slow.receive()["data"][0] == first


def test_what_may_be_dropped_gives_way_to_what_may_not(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """A session of two streams: messages of the one whose policy is disconnect push out those of the other, and the
    session stays."""
    droppable, firm = fresh("oldest"), fresh("log")
    before = gateway.metrics().value(SLOW)
    slow = blocked(connect, f"{droppable},{firm}", "/bytes")

    flood_until_lost(gateway, control, droppable, "dropped")
    lost = gateway.metrics().value(LOST, reason="dropped")
    for number in range(1, 11):
        publish(control, firm, number)

    gateway.wait_for_metric(LOST, lambda now: now > lost, reason="dropped")
    received = [slow.receive()]
    while received[-1]["stream"] != firm or received[-1]["data"][0] != 10:
        received.append(slow.receive())
    assert [each["data"][0] for each in received if each["stream"] == firm] == list(range(1, 11))
    assert {each["data"]["stream"] for each in received if each["event"] == "skip"} == {droppable}
    assert gateway.metrics().value(SLOW) == before


# --- drop_newest ---


@BOUNDS
def test_the_newest_are_dropped(gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, path: str) -> None:
    """What waits stays, what comes is dropped until there is room; then a marker, and what is live."""
    stream = fresh("newest")
    witness = connect(with_query("/ws", streams=stream))
    before = gateway.metrics()
    slow = blocked(connect, stream, path)

    last = flood_until_lost(gateway, control, stream, "dropped", witness=witness)
    account = read_up_to(slow, stream, last)
    after = gateway.metrics()

    assert account.numbers[:10] == list(range(1, 11))
    assert last not in account.numbers
    assert account.skipped("dropped") == last - len(account.numbers) >= 20
    assert after.value(LOST, reason="dropped") - before.value(LOST, reason="dropped") == account.skipped("dropped")
    assert after.value(SLOW) == before.value(SLOW)
    publish(control, stream, last + 1)
    assert slow.receive()["data"][0] == last + 1


def test_the_newest_are_dropped_without_a_log(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """The counts are told all the same."""
    stream = fresh("unlogged-newest")
    slow = blocked(connect, stream, "/bytes")

    last = flood_until_lost(gateway, control, stream, "dropped")
    account = read_up_to(slow, stream, last, logged=False)

    assert account.numbers[:10] == list(range(1, 11))
    assert account.skipped("dropped") == last - len(account.numbers)


# --- conflate ---


@pytest.mark.parametrize("kind", ["conflate", "unlogged-conflate"])
def test_of_what_waits_the_newest_of_each_key_stays(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, kind: str
) -> None:
    """Nothing is dropped: the rest is conflated, and each key's last value comes."""
    stream = fresh(kind)
    keys = 7
    witness = connect(with_query("/ws", streams=stream))
    before = gateway.metrics()
    slow = blocked(connect, stream, "/messages")

    last = flood_until_lost(gateway, control, stream, "conflated", least=50, keys=keys, witness=witness)
    account = read_up_to(slow, stream, last, logged=kind == "conflate")
    after = gateway.metrics()

    values = {message["event"]: message["data"][0] for message in account.data}
    assert values == {f"key-{number % keys}": number for number in range(last - keys + 1, last + 1)}
    assert account.skipped("conflated") == last - len(account.numbers) >= 50
    assert account.skipped("dropped") == 0
    lost = after.value(LOST, reason="conflated") - before.value(LOST, reason="conflated")
    assert lost == account.skipped("conflated")
    assert after.value(LOST, reason="dropped") == before.value(LOST, reason="dropped")
    assert after.value(SLOW) == before.value(SLOW)


def test_a_slow_reader_of_more_keys_than_fit_loses_the_oldest(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """Where every message has a key of its own, bytes are the bound; it is told of what was dropped, and stays."""
    stream = fresh("conflate")
    before = gateway.metrics().value(SLOW)
    slow = blocked(connect, stream, "/bytes")

    last = flood_until_lost(gateway, control, stream, "dropped", keys=1_000_000)
    account = read_up_to(slow, stream, last)

    assert account.numbers[-1] == last
    assert account.skipped("dropped") > 0
    assert account.skipped("conflated") == 0
    assert gateway.metrics().value(SLOW) == before


@pytest.mark.parametrize("key", ["the event's name", "conflation_key"])
def test_a_reader_at_a_tenth_of_the_rate_sees_the_last_value_of_each_key(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, key: str
) -> None:
    """Over 1,000 keys: the slow reader ends with each key's last value, its offsets never go back, and another reader
    that keeps up sees everything."""
    stream, keys, total, batch = fresh("conflate"), 1000, scaled(10_000, 3000), 50
    fast = connect(with_query("/ws", streams=stream))
    slow = blocked(connect, stream, "/messages")
    before = gateway.metrics()
    publisher = control.publisher()

    def item(number: int) -> Any:
        name = f"key-{number * 7 % keys}"  # 7 and 1,000 have no common factor: every key comes equally often
        by_name = key == "the event's name"
        return pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(
            stream=stream,
            event=event(name if by_name else "n", json=json.dumps([number, name])),
            options=None if by_name else pb.PublishOptions(conflation_key=name),
        ))

    seen: list[int] = []
    early: list[dict[str, Any]] = []
    for first in range(1, total + 1, batch):
        numbers = range(first, min(first + batch, total + 1))
        publisher.wait_acked(publisher.send([item(number) for number in numbers]))
        seen.extend(fast.receive()["data"][0] for _ in numbers)
        early.extend(slow.receive() for _ in range(len(numbers) // 10))
    assert publisher.finish() == []
    account = read_up_to(slow, stream, total, already=early)

    assert seen == list(range(1, total + 1))
    values = {message["data"][1]: message["data"][0] for message in account.data}
    assert values == {f"key-{number * 7 % keys}": number for number in range(total - keys + 1, total + 1)}
    # The fewer of it, the more it was spared: what it read while it was slow, and one message of each key.
    assert account.skipped("conflated") == total - len(account.numbers) > total // 2
    assert account.skipped("dropped") == 0
    after = gateway.metrics()
    lost = after.value(LOST, reason="conflated") - before.value(LOST, reason="conflated")
    assert lost == account.skipped("conflated")
    assert after.value(SLOW) == before.value(SLOW)


# --- disconnect ---


@BOUNDS
def test_a_slow_reader_is_closed_and_recovers(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, path: str
) -> None:
    """Nothing is dropped between what it reads: it is closed with 4101, comes back and gets all the rest."""
    stream = fresh("log")
    before = gateway.metrics()
    slow = blocked(connect, stream, path)
    last = 0

    def publish_and_look() -> float:
        nonlocal last
        last += 1
        publish(control, stream, last)
        return gateway.metrics().value(SLOW, action="disconnect")

    eventually(publish_and_look, lambda now: now == before.value(SLOW) + 1, SLOW)
    for _ in range(20):
        last += 1
        epoch = publish(control, stream, last).position.epoch
    numbers: list[int] = []
    while (frame := slow.next_frame()) is not None and frame.opcode == TEXT:
        numbers.append(json.loads(frame.payload)["data"][0])
    assert frame is not None and (frame.opcode, frame.code) == (CLOSE, 4101)
    slow.answer_close(4101)

    again = connect(with_query("/ws", streams=stream, recover=f"{stream}:{epoch}:{numbers[-1]}"))
    assert again.welcome["logs"][stream]["reason"] == "ok"
    rest = read_up_to(again, stream, last, first=numbers[-1] + 1)

    assert numbers == list(range(1, len(numbers) + 1))
    assert rest.markers == []
    after = gateway.metrics()
    assert after.value(RECOVERIES, result="ok") == before.value(RECOVERIES, result="ok") + 1
    assert after.value(REPLAYED) - before.value(REPLAYED) == last - len(numbers)
    for reason in ("dropped", "conflated", "expired"):
        assert after.value(LOST, reason=reason) == before.value(LOST, reason=reason)


# --- Catching up slowly ---


@BOUNDS
def test_a_replay_to_a_slow_reader_is_complete(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, path: str
) -> None:
    """Recovered messages do not count against the bounds, nor does what is published meanwhile: 300 of them and 100
    more come whole, to a reader that is closed for a tenth of that when it is live."""
    stream = fresh("log")
    for number in range(1, 301):
        publish(control, stream, number)
    before = gateway.metrics()

    slow = blocked(connect, stream, path, recover=f"{stream}::0")
    for number in range(301, 401):
        publish(control, stream, number)
    account = read_up_to(slow, stream, 400)

    assert slow.welcome["logs"][stream]["top"] == 300
    assert account.numbers == list(range(1, 401))
    after = gateway.metrics()
    assert after.value(REPLAYED) - before.value(REPLAYED) == 400
    assert after.value(SLOW) == before.value(SLOW)
    publish(control, stream, 401)
    assert slow.receive()["data"][0] == 401


def test_a_log_that_goes_on_without_a_reader_that_catches_up_is_told_to_it(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """With a policy that drops: it gets what it recovered, a marker for what was trimmed before it came to it, and what
    is kept."""
    stream = fresh("short-oldest")
    for number in range(1, 301):
        publish(control, stream, number)
    before = gateway.metrics()
    slow = blocked(connect, stream, "/bytes", recover=f"{stream}::0")
    for number in range(301, 1001):
        publish(control, stream, number, size=100)
    account = read_up_to(slow, stream, 1000)

    assert account.numbers == [*range(1, 301), *range(701, 1001)]
    assert [marker["dropped"] for marker in account.markers] == [400]
    assert account.markers[0]["offset"] == 700
    after = gateway.metrics()
    assert after.value(LOST, reason="dropped") - before.value(LOST, reason="dropped") == 400
    assert after.value(SLOW) == before.value(SLOW)


def test_a_log_that_goes_on_without_a_reader_closes_it(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh
) -> None:
    """With the policy disconnect: what it recovered is whole, then 4101; and its next recovery is told that it is
    trimmed."""
    stream = fresh("short-log")
    for number in range(1, 301):
        publish(control, stream, number)
    with gateway.rises(SLOW, action="disconnect"), gateway.rises(RECOVERIES, result="trimmed"):
        slow = blocked(connect, stream, "/bytes", recover=f"{stream}::0")
        for number in range(301, 1001):
            epoch = publish(control, stream, number, size=100).position.epoch
        numbers = []
        with pytest.raises(ClosedByGateway) as closed:
            while True:
                numbers.append(slow.receive()["data"][0])
        slow.answer_close(closed.value.code)
        again = connect(with_query("/ws", streams=stream, recover=f"{stream}:{epoch}:{numbers[-1]}"))

    assert closed.value.code == 4101
    assert numbers == list(range(1, 301))
    assert again.welcome["logs"][stream] == {
        "epoch": epoch, "offset": 1000, "top": 1000, "recovered": False, "reason": "trimmed"
    }


@pytest.mark.parametrize("policy", ["oldest", "log"])
def test_a_log_that_is_cleared_under_a_reader_that_catches_up_goes_on(
    control: Control, connect: Connect, fresh: Fresh, policy: str
) -> None:
    """It gets what it recovered, then the new epoch's messages: sessions stay subscribed."""
    stream = fresh(policy)
    for number in range(1, 301):
        publish(control, stream, number)
    slow = blocked(connect, stream, "/bytes", recover=f"{stream}::0")
    cleared = control.call("ClearMessages", pb.ClearMessagesRequest(stream=stream)).position
    publish(control, stream, 1)

    assert [slow.receive()["data"][0] for _ in range(300)] == list(range(1, 301))
    message = slow.receive()
    assert (message["meta"]["epoch"], message["meta"]["offset"]) == (cleared.epoch, 1)
