"""Watching the real gateway, with both clients."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from browser import Browser
from conftest import READ_KEY
from fakes import Fake

from carillon_client import (
    Client,
    ClientSaid,
    Ended,
    Event,
    EventKind,
    FailedPrecondition,
    InvalidArgument,
    Lost,
    MemberChange,
    Opened,
    Position,
    Unauthenticated,
    ResourceExhausted,
)
from carillon_client._pb import events_pb2
from carillon_client.testing import KEY, Gateway

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]
Make = Callable[..., Client]
Start = Callable[..., Gateway]


def take(events: Any, count: int) -> list[Event]:
    """So many. The last one counts as dealt with only when another is asked for."""
    return list(itertools.islice(events, count))


def visit(gateway: Gateway, times: int = 1) -> None:
    """So many anonymous sessions come and go: two events each."""
    for _ in range(times):
        Browser(gateway.url()).close()


def offsets(events: list[Event]) -> list[int]:
    return [event.position.offset for event in events]


@pytest.fixture
def own(start_carillon: Start, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Gateway]:
    """A gateway of the test's own, which is at the same address after a restart."""

    def start(snapshot: bool = False, **config: Any) -> Gateway:
        folder = tmp_path_factory.mktemp("own")
        config["control"] = {"listen": f"unix:{folder / 'socket'}"}
        if snapshot:
            config["engine"] = {"memory": {"snapshot": str(folder / "snapshot")}}
        return start_carillon(config)

    return start


def test_what_clients_say_to_backends(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice = fresh("alice")

    with client.watch(users=[alice], kinds=[EventKind.CLIENT_EVENT], client_events=["cart.*"]) as events:
        browser = connect(alice)
        browser.say(action="publish", event="search", data="shoes", id=1)
        told = browser.say(action="publish", event="cart.add", data={"sku": 7}, id=2)
        browser.say(action="publish", event="cart.clear", id=3)
        add, clear = take(events, 2)

    assert (add.kind, add.user_id, add.session_id) == (EventKind.CLIENT_EVENT, alice, browser.session)
    assert isinstance(add.details, ClientSaid) and isinstance(clear.details, ClientSaid)
    assert (add.details.event, add.details.data(), clear.details.event) == ("cart.add", {"sku": 7}, "cart.clear")
    assert add.details.message_id == told["data"]["message_id"]


def test_a_session_from_its_beginning_to_its_end(client: Client, connect: Connect, fresh: Fresh) -> None:
    alice, room = fresh("alice"), fresh("room")

    with client.watch(users=[alice]) as events:
        browser = connect(alice, room, name="Alice", labels={"team": "a"}, roles=["boss"])
        browser.close()
        seen = take(events, 5)

    assert {event.kind for event in seen} == {
        EventKind.SESSION_OPENED,
        EventKind.SUBSCRIBED,
        EventKind.MEMBER_JOINED,
        EventKind.SESSION_CLOSED,
        EventKind.MEMBER_LEFT,
    }
    by_kind = {event.kind: event for event in seen}
    assert by_kind[EventKind.SESSION_OPENED].details == Opened("Alice", {"team": "a"}, ("boss",), ())
    assert by_kind[EventKind.SUBSCRIBED].stream == room
    assert by_kind[EventKind.MEMBER_JOINED].details == MemberChange("Alice", 1)
    end = by_kind[EventKind.SESSION_CLOSED].details
    assert isinstance(end, Ended) and (end.code, end.cause) == (1000, "normal")
    assert {event.session_id for event in seen if event.session_id} == {browser.session}
    assert {event.user_id for event in seen} == {alice}


def test_kinds_and_patterns(client: Client, connect: Connect, fresh: Fresh) -> None:
    name = fresh("chat")

    with client.watch(kinds=[EventKind.SUBSCRIBED], streams=[f"{name}-*"]) as events:
        connect(fresh("alice"), f"{name}-1", "other")
        connect(fresh("bob"), f"{name}-2")
        seen = take(events, 2)

    assert [(event.kind, event.stream) for event in seen] == [
        (EventKind.SUBSCRIBED, f"{name}-1"),
        (EventKind.SUBSCRIBED, f"{name}-2"),
    ]


def test_it_goes_on_where_another_has_ended(client: Client, gateway: Gateway) -> None:
    with client.watch() as events:
        begun = events.position
        visit(gateway, 3)
        first = take(events, 4)
        position = events.position

    assert begun is not None and first[0].position == Position(begun.epoch, begun.offset + 1)
    assert position == first[2].position, "who leaves has not dealt with the last one"
    with client.watch(resume=position) as events:
        again = take(events, 3)
    assert offsets(again) == [position.offset + 1, position.offset + 2, position.offset + 3]
    with client.watch(resume=lambda: first[-1].position) as events:
        assert take(events, 1)[0].position.offset == first[-1].position.offset + 1
    with client.watch(from_oldest=True) as events:
        assert take(events, 1)[0].position.offset <= first[0].position.offset


def test_a_group_remembers_what_was_dealt_with(client: Client, gateway: Gateway, fresh: Fresh) -> None:
    group = fresh("group")
    with client.watch(group=group) as events:
        visit(gateway, 3)
        first = take(events, 4)

    with client.watch(group=group) as events:
        again = take(events, 3)
        events.ack()

    assert offsets(again) == [each + offsets(first)[3] for each in range(3)]
    visit(gateway)
    with client.watch(group=group) as events:
        assert offsets(take(events, 1)) == [offsets(again)[-1] + 1], "ack() says that the last one is dealt with too"


def test_acknowledging_by_hand(client: Client, gateway: Gateway, fresh: Fresh) -> None:
    group = fresh("group")
    with client.watch(group=group, auto_ack=False) as events:
        visit(gateway, 3)
        first = take(events, 6)
        events.ack(first[1])

    with client.watch(group=group, auto_ack=False) as events:
        assert offsets(take(events, 4)) == offsets(first)[2:]


def test_another_member_takes_over(make_client: Make, gateway: Gateway, fresh: Fresh) -> None:
    """One consumer ends without a word; who stands by gets what it has not acknowledged."""
    group = fresh("group")
    dying, heir = make_client(gateway.control, gateway.key), make_client(gateway.control, gateway.key)
    events = dying.watch(group=group)
    events.start()
    with heir.watch(group=group) as inherited:
        visit(gateway, 100)
        first = take(events, 150)
        dying.close()

        again = take(inherited, 50)

    assert offsets(again)[0] <= offsets(first)[-1], "the event in hand was not dealt with"
    assert offsets(again)[0] > offsets(first)[0], "what was dealt with was acknowledged"


def test_parts_are_shared(make_client: Make, gateway: Gateway, fresh: Fresh) -> None:
    group = fresh("group")
    with make_client(gateway.control, gateway.key).watch(group=group, partitions=2) as events:
        visit(gateway, 20)
        seen = take(events, 40)
        with pytest.raises(FailedPrecondition):
            make_client(gateway.control, gateway.key).watch(group=group, partitions=3).start()

    assert {event.partition for event in seen} == {0, 1}
    for part in (0, 1):
        of_part = [event.position.offset for event in seen if event.partition == part]
        assert of_part == sorted(of_part)
    sessions = {event.session_id: event.partition for event in seen}
    assert all(sessions[event.session_id] == event.partition for event in seen)


@pytest.mark.parametrize("group", ["", "workers"])
def test_it_survives_a_restart_with_a_snapshot(make_client: Make, own: Callable[..., Gateway], group: str) -> None:
    gateway = own(snapshot=True)
    lost: list[Lost] = []
    client = make_client(gateway.control, gateway.key)
    with client.watch(group=group, on_lost=lost.append, kinds=[EventKind.SESSION_OPENED]) as events:
        visit(gateway, 10)
        seen = take(events, 7)
        gateway.stop()
        gateway.start()
        visit(gateway, 10)
        seen += take(events, 13)

    assert lost == []
    assert len(set(offsets(seen))) == 20 and offsets(seen) == sorted(offsets(seen))
    assert len({event.position.epoch for event in seen}) == 1


def test_a_snapshot_keeps_the_places_of_groups(make_client: Make, own: Callable[..., Gateway]) -> None:
    """Not the member but the snapshot knows where the group was: the one that comes back has never been there."""
    gateway = own(snapshot=True)
    of_group: dict[str, Any] = {"group": "workers", "partitions": 2, "kinds": [EventKind.SESSION_OPENED]}
    with make_client(gateway.control, gateway.key).watch(**of_group) as events:
        visit(gateway, 10)
        seen = take(events, 7)
    gateway.stop()
    gateway.start()

    with make_client(gateway.control, gateway.key).watch(**of_group) as events:
        again = take(events, 4)

    assert len({*offsets(seen), *offsets(again)}) == 10, "all that was not acknowledged, and one that was in hand"


@pytest.mark.parametrize("group", ["", "workers"])
def test_a_restart_without_a_snapshot_is_told(make_client: Make, own: Callable[..., Gateway], group: str) -> None:
    gateway = own()
    lost: list[Lost] = []
    client = make_client(gateway.control, gateway.key)
    with client.watch(group=group, on_lost=lost.append, kinds=[EventKind.SESSION_OPENED]) as events:
        visit(gateway, 2)
        before = take(events, 2)
        gateway.kill()
        gateway.start()
        with make_client(gateway.control, gateway.key).watch():  # nothing is recorded before somebody watches
            visit(gateway, 2)
        after = take(events, 1)

    assert [each.last for each in lost] == [None]
    assert after[0].position.epoch != before[0].position.epoch


def test_what_was_forgotten_is_told(make_client: Make, own: Callable[..., Gateway]) -> None:
    gateway = own(events={"messages": 10})
    client = make_client(gateway.control, gateway.key)
    with client.watch() as events:
        begun = events.position
    assert begun is not None
    visit(gateway, 20)
    lost: list[Lost] = []

    with client.watch(resume=begun, on_lost=lost.append) as events:
        first = take(events, 1)[0]

    assert [(each.first, each.last) for each in lost] == [(begun.offset + 1, first.position.offset - 1)]


def test_consumers_that_come_and_go_miss_nothing(
    make_client: Make, gateway: Gateway, fresh: Fresh, dice: random.Random
) -> None:
    """Each works for a while and then leaves, or dies in the middle of an event."""
    group = fresh("group")
    seen: set[int] = set()
    with make_client(gateway.control, gateway.key).watch(group=group) as events:
        begun = events.position
    assert begun is not None
    visit(gateway, 150)
    end = begun.offset + 300
    runs = 0
    while end not in seen:
        runs += 1
        client = make_client(gateway.control, gateway.key)
        events = client.watch(group=group)
        mine: list[int] = []
        for _ in range(dice.randrange(2, 90)):
            mine += offsets(take(events, 1))
            if mine[-1] == end:
                break
        assert mine == list(range(mine[0], mine[-1] + 1))
        assert mine[0] <= max(seen, default=begun.offset) + 1, "events were left out"
        seen.update(mine)
        if dice.random() < 0.7:
            events.close()
        client.close()

    assert seen == set(range(begun.offset + 1, end + 1))
    assert runs > 3


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_process_that_is_killed_is_stood_in_for(gateway: Gateway, fresh: Fresh, asynchronous: bool) -> None:
    """It hangs in its fourth event, and is killed there."""
    group = fresh("group")
    with gateway.client() as client:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "consumer.py"), gateway.control, gateway.key, group],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path), "ASYNCHRONOUS": "1" if asynchronous else ""},
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            with client.watch(group=group) as events:
                visit(gateway, 5)
                theirs = [int(process.stdout.readline()) for _ in range(4)]
                process.kill()
                mine = take(events, theirs[0] + 10 - theirs[3])
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    assert offsets(mine)[0] in theirs, "at least the fourth comes again"
    assert offsets(mine)[-1] >= theirs[3] + 1


def test_what_does_not_heal_is_raised(make_client: Make, gateway: Gateway) -> None:
    with pytest.raises(Unauthenticated):
        next(make_client(gateway.control, "not-the-key-but-as-long").watch())
    with pytest.raises(InvalidArgument):
        next(make_client(gateway.control, gateway.key).watch(group="no spaces"))
    with pytest.raises(FailedPrecondition), make_client(gateway.control, READ_KEY).watch(group="g", partitions=2):
        next(make_client(gateway.control, READ_KEY).watch(group="g", partitions=3))
    with pytest.raises(ValueError, match="UNKNOWN"):
        make_client(gateway.control, gateway.key).watch(kinds=[EventKind.UNKNOWN])


def test_as_many_groups_as_there_may_be(make_client: Make, own: Callable[..., Gateway]) -> None:
    """One more is refused for good: it would be tried again for ever."""
    client = make_client(own().control, KEY)
    for number in range(100):
        with client.watch(group=f"g{number}"):
            pass
    with pytest.raises(ResourceExhausted) as caught:
        next(client.watch(group="one-more"))
    assert (caught.value.reason, caught.value.retry_after) == ("LIMIT_REACHED", None)


def test_what_a_connection_has_not_brought_is_not_acknowledged_on_it(
    fake: Fake, address: str, make_client: Make, hasty: None
) -> None:
    """A gateway that was restarted with a snapshot sends again what it was not told of, a piece at a time, and refuses
    acknowledgements of what it has not sent."""
    connections = 0

    def says(offset: int) -> events_pb2.WatchResponse:
        event = events_pb2.FeedEvent(offset=offset, kind=events_pb2.EVENT_KIND_SESSION_OPENED)
        return events_pb2.WatchResponse(events=[event], scanned_to={"epoch": "e", "offset": offset})

    def stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        nonlocal connections
        connections += 1
        next(requests)
        if connections == 1:
            for offset in (1, 2, 3):
                yield says(offset)
                next(requests)  # nothing of which it remembers afterwards
            context.abort(grpc.StatusCode.UNAVAILABLE, "it ends")
        for offset in (1, 2, 3, 4):
            yield says(offset)
            acked = next(requests).ack.offset
            if acked != offset:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"the part was sent up to {offset} only, not {acked}")

    fake.stream = stream
    with make_client(address, "").watch(group="workers") as events:
        assert offsets(take(events, 4)) == [1, 2, 3, 4]


def test_every_kind_is_known() -> None:
    """A new one in the proto needs a line in EventKind, and perhaps details."""
    ours = {f"EVENT_KIND_{kind.name}": kind.value for kind in EventKind if kind is not EventKind.UNKNOWN}
    assert ours == {name: number for name, number in events_pb2.EventKind.items() if number}
