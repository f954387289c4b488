"""Consumers that share the feed of events: each event is for one of them, and what is not acknowledged comes again."""

from __future__ import annotations

import queue
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control
from support.feed import Ended, Watch, kind, kinds
from support.gateway import Gateway
from support.patience import dice, eventually, scaled
from support.ws import Browser, with_query

Join = Callable[..., Watch]


@pytest.fixture
def group(fresh: Callable[[str], str]) -> str:
    return fresh("group")


@pytest.fixture
def join(control: Control, group: str, keep: Callable[[Any], Any]) -> Join:
    """Joins the test's group: join(**begin)."""
    return lambda **begin: keep(Watch(control, group=group, **begin)).begun()


def leave(gateway: Gateway, sessions: int, *streams: str) -> None:
    """So many sessions come and go: two events each, and two more for each stream that is theirs alone."""
    for _ in range(sessions):
        Browser(gateway.edge, with_query("/ws", streams=",".join(streams) or None)).leave()


def nothing(feed: Watch) -> bool:
    try:
        feed.response(patience=0.1)
    except queue.Empty:
        return True
    return False


def reassigned(feed: Watch) -> Watch:
    """Once its parts have changed."""
    response = feed.response()
    assert response.HasField("assignment") and not response.events, response
    return feed


def test_one_works_and_the_others_stand_by(gateway: Gateway, join: Join) -> None:
    first, second, third = join(), join(), join()
    assert (first.parts, second.parts, third.parts) == ([0], [], [])
    leave(gateway, 2)
    events = first.take(4)
    first.ack(events[1].offset)
    assert nothing(second)
    leave(gateway, 1)
    events += first.take(2)
    first.close()
    heir = reassigned(second) if second.parts == [] else second
    assert heir.parts == [0]
    again = second.take(4)
    assert [event.offset for event in again] == [event.offset for event in events[2:]]
    second.ack(again[-1].offset)
    leave(gateway, 1)
    assert second.take(2)[0].offset == again[-1].offset + 1
    assert nothing(third)


def test_what_was_acknowledged_does_not_come_again(gateway: Gateway, join: Join) -> None:
    """Also when nobody was there meanwhile; `resume` counts for new groups only."""
    feed = join()
    leave(gateway, 3)
    events = feed.take(6)
    feed.ack(events[3].offset)
    feed.ack(events[2].offset)  # less than before changes nothing
    leave(gateway, 1)
    feed.take(2)
    feed.close()
    leave(gateway, 1)
    again = join(resume={"epoch": feed.scanned.epoch, "offset": 0}, from_oldest=True)
    assert [event.offset for event in again.take(6)] == [events[3].offset + i for i in range(1, 7)]


def test_so_many_may_be_on_their_way(gateway: Gateway, join: Join) -> None:
    feed = join(max_unacknowledged=3)
    leave(gateway, 4)
    events = feed.take(3)
    assert nothing(feed)
    feed.ack(events[1].offset)
    events += feed.take(2)
    assert nothing(feed)
    feed.ack(events[-1].offset)
    events += feed.take(3)
    assert [event.offset for event in events] == [events[0].offset + i for i in range(8)]


def test_what_a_filter_leaves_out_needs_no_acknowledgement(start_gateway: Callable[..., Gateway]) -> None:
    """However much of it there is, it is neither sent again nor lost."""
    gateway = start_gateway({"events": {"messages": 20}})
    wanted = {"kinds": kinds("subscribed")}
    with Control(gateway.control) as control:
        with Watch(control, group="g", filter=wanted).begun() as feed:
            for _ in range(5):
                leave(gateway, 5)
                gateway.wait_for_metric("carillon_feed_events_total", lambda value: value % 10 == 0)
            Browser(gateway.edge, "/ws?streams=a")
            (event,) = feed.take(1)
            feed.ack(event.offset)
            gateway.wait_for_metric("carillon_feed_unacknowledged", 0, app="default")
        with Watch(control, group="g", filter=wanted).begun() as feed:
            Browser(gateway.edge, "/ws?streams=a")
            (event,) = feed.take(1)
            assert event.offset > 50


def test_parts_are_shared_out(gateway: Gateway, join: Join) -> None:
    """Evenly, and anew when somebody comes or goes; a session's events stay in one part."""
    first = join(partitions=4)
    assert first.parts == [0, 1, 2, 3]
    second = join(partitions=4)
    reassigned(first)
    assert sorted(first.parts + second.parts) == [0, 1, 2, 3]
    assert len(first.parts) == 2
    third = join(partitions=4)
    responses = [first, second]
    while sorted(len(feed.parts) for feed in (first, second, third)) != [1, 1, 2]:
        for feed in list(responses):
            if not nothing(feed):
                responses.remove(feed)
    assert sorted(first.parts + second.parts + third.parts) == [0, 1, 2, 3]

    leave(gateway, 40)
    parts: dict[str, set[int]] = defaultdict(set)
    order: dict[str, list[str]] = defaultdict(list)
    while sum(len(each) for each in order.values()) < 80:
        for feed in (first, second, third):
            try:
                response = feed.response(patience=0.05)
            except queue.Empty:
                continue
            assert not response.events or response.partition in feed.parts
            for event in response.events:
                parts[event.session_id].add(response.partition)
                order[event.session_id].append(kind(event))
            if response.events:
                feed.ack(response.events[-1].offset, response.partition)
    assert all(len(each) == 1 for each in parts.values())
    assert all(each == ["session_opened", "session_closed"] for each in order.values())
    assert set().union(*parts.values()) == {0, 1, 2, 3}


def test_a_member_that_comes_takes_what_was_not_acknowledged(gateway: Gateway, join: Join) -> None:
    first = join(partitions=2)
    leave(gateway, 10)
    seen: dict[int, int] = {}
    while len(seen) < 20:
        response = first.response()
        seen.update({event.offset: response.partition for event in response.events})
    second = join(partitions=2)
    (taken,) = second.parts
    again: set[int] = set()
    expected = {offset for offset, part in seen.items() if part == taken}
    while again != expected:
        again |= {event.offset for event in second.response().events}
    reassigned(first)
    assert first.parts == [1 - taken]
    first.ack(max(expected), taken)  # too late: it is not its part any more
    second.ack(max(expected), taken)
    leave(gateway, 1)


def test_members_must_agree(join: Join, control: Control, group: str) -> None:
    join(partitions=2)
    with pytest.raises(Ended) as ended:
        Watch(control, group=group).response()
    assert (ended.value.status, ended.value.message) == (
        "FAILED_PRECONDITION", f"begin.partitions: the group {group} has 2",
    )  # fmt: skip


def test_a_group_that_nobody_needs_is_forgotten(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway({"events": {"age": "1s"}})
    with Control(gateway.control) as control:
        with Watch(control, group="g", partitions=2).begun():
            pass

        def other_parts() -> bool:
            try:
                with Watch(control, group="g").begun():
                    return True
            except Ended:
                return False

        eventually(other_parts, bool, "the group is forgotten")


# --- Under fire ---


class Consumer:
    """Reads as one of a group, acknowledges most of it, and is killed now and then."""

    def __init__(self, gateway: Gateway, group: str, random_: random.Random, partitions: int) -> None:
        self.control = Control(gateway.control)
        self.watch = Watch(self.control, group=group, partitions=partitions, max_unacknowledged=200)
        self.random = random_
        self.seen: list[tuple[int, int, Any]] = []  # part, offset, event
        self.acked: dict[int, int] = {}
        self.lost = False
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                response = self.watch.response(patience=0.05)
            except queue.Empty:
                continue
            except Ended:
                return
            self.lost = self.lost or response.HasField("lost")
            self.seen += [(response.partition, event.offset, event) for event in response.events]
            if response.events and self.random.random() < 0.7:
                offset = self.random.choice(response.events).offset
                self.watch.ack(offset, response.partition)
                self.acked[response.partition] = max(offset, self.acked.get(response.partition, 0))

    def kill(self) -> None:
        self.watch.close()
        self.stopped.set()
        self.thread.join()
        self.control.close()


@pytest.mark.parametrize("partitions", [1, 4])
def test_watch_under_fire(start_gateway: Callable[..., Gateway], partitions: int) -> None:
    """Consumers are killed 50 times while clients come, subscribe and go, some 20,000 events in all. Every event is seen
    at least once, numbers have no hole, a session's events are in order, and what was not acknowledged came again."""
    gateway = start_gateway({"hub": {"shards": 3}, "limits": {"handshakes_per_address": 0}})
    random_ = dice()
    kills = 50
    events = scaled(20_000, least=2_000)
    expected: dict[str, list[str]] = {}
    guard = threading.Lock()

    def client(seed: int) -> None:
        own = random.Random(seed)
        while gateway.metrics().value("carillon_feed_events_total") < events:
            for _ in range(20):
                browser = Browser(gateway.edge)
                happened = ["session_opened"]
                for number in range(own.randrange(4)):
                    browser.subscribe(f"s{own.randrange(5)}-{number}")
                    happened.append("subscribed")
                browser.leave()
                with guard:
                    expected[browser.session] = [*happened, "session_closed"]

    control = Control(gateway.control)
    start = Watch(control).begun()
    begin = start.scanned.offset
    start.close()
    consumers = [Consumer(gateway, "g", random_, partitions) for _ in range(2)]
    everybody = list(consumers)
    clients = [threading.Thread(target=client, args=(random_.random(),)) for _ in range(4)]
    for thread in clients:
        thread.start()
    for _ in range(kills):
        victim = consumers.pop(random_.randrange(len(consumers)))
        before = len(victim.seen)
        while any(thread.is_alive() for thread in clients) and len(victim.seen) == before:
            victim.stopped.wait(0.01)
        victim.kill()
        consumers.append(Consumer(gateway, "g", random_, partitions))
        everybody.append(consumers[-1])
    for thread in clients:
        thread.join()
    total = int(gateway.metrics().value("carillon_feed_events_total"))
    last = Consumer(gateway, "g", random_, partitions)  # whoever is left reads the rest, and this one nothing is owed to
    everybody.append(last)

    def seen() -> set[int]:
        return {offset for consumer in everybody for _, offset, _ in list(consumer.seen)}

    whole = set(range(begin + 1, begin + total + 1))

    def rest() -> set[int]:
        for consumer in (*consumers, last):
            for part in range(partitions):
                consumer.watch.ack(max((o for p, o, _ in list(consumer.seen) if p == part), default=0), part)
        return whole - seen()

    eventually(rest, lambda missing: not missing, "everything is seen")
    for consumer in (*consumers, last):
        consumer.kill()
    control.close()
    assert seen() == whole
    assert not any(consumer.lost for consumer in everybody)
    assert len(everybody) == kills + 3

    # In each session the order is true.
    by_offset: dict[int, Any] = {}
    for consumer in everybody:
        by_offset.update({offset: event for _, offset, event in consumer.seen})
    told: dict[str, list[str]] = defaultdict(list)
    for offset in sorted(by_offset):
        event = by_offset[offset]
        if event.session_id:
            told[event.session_id].append(kind(event))
    assert {session: told[session] for session in expected} == expected


def test_groups_go_on_after_a_restart(start_gateway: Callable[..., Gateway], tmp_path: Any, keep: Callable[[Any], Any]) -> None:
    """Each part where it was, with a snapshot; what was not acknowledged comes again, and what happened meanwhile."""
    config = {"engine": {"memory": {"snapshot": str(tmp_path / "logs")}}, "drain": {"window": "1s"}}
    first = start_gateway(config)
    wish = {"kinds": kinds("session_opened")}
    offsets: dict[int, list[int]] = defaultdict(list)
    with Control(first.control) as control:
        feed = keep(Watch(control, group="writers", partitions=2, filter=wish)).begun()
        leave(first, 20)
        while sum(map(len, offsets.values())) < 20:
            response = feed.response()
            offsets[response.partition] += [event.offset for event in response.events]
        dealt_with = {part: numbers[len(numbers) // 2 - 1] for part, numbers in offsets.items() if len(numbers) > 1}
        for part, offset in dealt_with.items():
            feed.ack(offset, part)
        eventually(lambda: first.metrics().value("carillon_feed_unacknowledged", app="default"),
                   lambda left: left == sum(len([n for n in numbers if n > dealt_with.get(part, 0)]) for part, numbers in offsets.items()), "acknowledged")  # fmt: skip
    first.stop()
    second = start_gateway(config)
    Browser(second.edge).leave()
    open_still = {n for part, numbers in offsets.items() for n in numbers if n > dealt_with.get(part, 0)}
    with Control(second.control) as control:
        feed = keep(Watch(control, group="writers", partitions=2, filter=wish)).begun()
        again = {event.offset for event in feed.take(len(open_still) + 1)}
    assert open_still < again and len(again - open_still) == 1
    assert min(again - open_still) > max(max(numbers) for numbers in offsets.values())
