"""The bytes that clients receive, parsed by a parser that forgives nothing, while broadcasts, pings, pongs and goodbyes
meet in queues that hold almost nothing: no frame is torn, reordered within its stream, repeated, or sent after a close
frame."""

from __future__ import annotations

import json
import random as chance
import select
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, Publisher, event, stream_item
from support.patience import PATIENCE, dice, scaled
from support.ws import CLOSE, PING, PONG, TEXT, Frame, WebSocket, close_payload, frame_bytes

STREAMS = ["one", "two", "three"]

# The gateway allows 20 control frames a second; pongs to its pings count as well.
PING_GAP, PONG_GAP = 0.15, 0.15


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                {
                    "path": "/tiny",
                    "anonymous": True,
                    "send_buffer_bytes": "2KiB",
                    # The readers are slow on purpose, and this is no test of slow readers.
                    "outbox_bytes": "1GiB",
                    "outbox_messages": 1000000,
                    "write_deadline": "5m",
                    "ping_interval": "100ms",
                    "peer_timeout": "0s",
                }
            ]
        }
    }


class Town:
    """What was published, by stream: a message's number is its place in the list."""

    def __init__(self, control: Control, random: chance.Random) -> None:
        self.payloads: dict[str, list[str]] = {stream: [] for stream in STREAMS}
        self._random = random
        self._publisher: Publisher = control.publisher()
        self._places: list[tuple[str, int]] = []  # by sequence number of the call, less one

    def publish(self, stream: str) -> None:
        """One message, whose content is its own and nobody else's."""
        number = len(self.payloads[stream])
        size = self._random.choice([0, 1, 60, 90, 110, 130, 700, 700, 5000, 20_000, 66_000, 150_000])
        letter = self._random.choice("abcdefghijklmnopqrstuvwxyz")
        self.payloads[stream].append(json.dumps([number, letter * self._random.randint(size // 2, size)]))
        self._places.append((stream, number))
        self._publisher.send([stream_item(stream, event(json=self.payloads[stream][number]))])

    def published(self) -> int:
        """How many there are in all."""
        return len(self._places)

    def acked(self) -> dict[str, int]:
        """How many of each stream are certainly sequenced."""
        counts = dict.fromkeys(STREAMS, 0)
        for stream, number in self._places[: self._publisher.acked]:
            counts[stream] = number + 1
        return counts

    def end(self) -> None:
        """Waits until all are sequenced."""
        assert self._publisher.finish() == []


class Reader:
    """One client: reads in pieces of any size, pings, says goodbye, and believes nothing."""

    def __init__(self, address: str, town: Town, random: chance.Random) -> None:
        self._town = town
        self._random = random
        self._least = town.acked()  # what is sequenced comes before the subscription: it must not arrive
        self._most = dict.fromkeys(STREAMS, 0)  # the same for the other side: from here on, nothing may be missed
        self.socket = WebSocket(
            address, "/tiny?streams=" + ",".join(STREAMS), receive_buffer=random.choice([2048, 8192, 65536])
        )
        self.socket.socket.setblocking(False)
        self.session = ""
        self.greedy = False  # reads whatever it can
        self.goodbye: set[int] = set()  # codes that it may be closed with
        self.ended = ""  # how, once it is over
        self._next: dict[str, int] = {}  # the number that must come next
        self.pinged = self.ponged = 0  # by the gateway
        self._pings = 0
        self._last_pong = 0
        self._unanswered: bytes | None = None
        self._may_ping = self._may_pong = 0.0

    def received(self) -> int:
        """How many messages, counting those from before its time."""
        return sum(self._next.get(stream, self._most[stream]) for stream in STREAMS)

    def caught_up(self) -> bool:
        return bool(self.session) and all(
            self._next.get(stream) == len(payloads) for stream, payloads in self._town.payloads.items()
        )

    def read(self) -> None:
        """One piece of what there is."""
        size = 65536 if self.greedy else self._random.choice([1, 2, 3, 100, 1000, 3000, 20_000])
        try:
            data = self.socket.receive_some(size)
        except BlockingIOError:
            return
        except ConnectionResetError:
            # Allowed to a client that was told goodbye and had not read that far in time, and to no other.
            assert self.goodbye, "reset without a goodbye"
            self.ended = "reset"
            return
        if not data:
            assert self.ended, "the stream ended without a close frame"
            self.ended = "in order"
            self.socket.close()
            return
        for frame in self.socket.parser.feed(data):
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        assert frame.fin
        if frame.opcode == TEXT:
            self._take_message(json.loads(frame.payload), frame.payload)
        elif frame.opcode == PING:
            self._unanswered = frame.payload
            self.pinged += 1
        elif frame.opcode == PONG:
            number = int(frame.payload)
            assert self._last_pong < number <= self._pings, "a pong that is old or answers nothing"
            self._last_pong = number
            self.ponged += 1
        else:
            assert frame.opcode == CLOSE, frame
            assert frame.code in self.goodbye, f"closed with {frame.code} {frame.reason!r}, expected {self.goodbye}"
            self.ended = "closing"
            if frame.code != 1000:
                self._say(frame_bytes(CLOSE, close_payload(frame.code or 1000)))

    def _take_message(self, message: dict[str, Any], raw: bytes) -> None:
        stream = message["stream"]
        if not self.session:
            assert (stream, message["event"]) == ("system", "welcome"), "something came before the welcome"
            self.session = message["data"]["session"]
            self._most = {name: len(payloads) for name, payloads in self._town.payloads.items()}
            return
        number = message["data"][0]
        if stream in self._next:
            assert number == self._next[stream], f"{stream}: {number} came where {self._next[stream]} was due"
        else:
            assert self._least[stream] <= number <= self._most[stream], "the first message is too old or too new"
        assert f'"data":{self._town.payloads[stream][number]},"meta"'.encode() in raw, "another message's bytes"
        self._next[stream] = number + 1

    def talk(self) -> None:
        """A ping, or the pong that it owes, if it is time for either."""
        now = time.monotonic()
        if self.goodbye or self.ended:
            return
        if self._unanswered is not None and now >= self._may_pong:
            self._may_pong = now + PONG_GAP
            self._say(frame_bytes(PONG, self._unanswered))
            self._unanswered = None
        elif now >= self._may_ping:
            self._may_ping = now + PING_GAP
            self._pings += 1
            self._say(frame_bytes(PING, b"%d" % self._pings))

    def say_goodbye(self) -> None:
        self.goodbye.add(1000)
        self.greedy = True
        self._say(frame_bytes(CLOSE, close_payload(1000)))

    def _say(self, frame: bytes) -> None:
        # Frames of a few bytes: the gateway reads on, so there is always room for them.
        self.socket.send(frame)


def test_no_frame_is_torn_reordered_repeated_or_sent_after_a_goodbye(
    gateway: Any, control: Control, keep: Callable[[Any], Any]
) -> None:
    """Six clients behind tiny buffers, three streams, messages of up to 150 KB, pings from both sides; now and then one
    says goodbye or is kicked, and another comes in its place."""
    random = dice()
    town = Town(control, random)
    total = scaled(4000, 300)
    readers: list[Reader] = []
    gone: list[Reader] = []
    deadline = time.monotonic() + 4 * PATIENCE

    def enter() -> None:
        reader = Reader(gateway.edge, town, random)
        keep(reader.socket)
        readers.append(reader)

    def step(wait: float) -> None:
        by_socket = {reader.socket.socket: reader for reader in readers}
        ready, _, _ = select.select(list(by_socket), [], [], wait)
        for each in ready:
            reader = by_socket[each]
            if reader.greedy or random.random() < 0.7:
                reader.read()
        for reader in readers:
            reader.talk()
        for reader in [reader for reader in readers if reader.ended in ("in order", "reset")]:
            readers.remove(reader)
            gone.append(reader)
        assert time.monotonic() < deadline, "not done in time"

    for _ in range(6):
        enter()
    while town.published() < total:
        staying = [reader for reader in readers if not reader.goodbye]
        behind = max((town.published() - reader.received() for reader in staying if reader.session), default=0)
        if behind < 60:
            for _ in range(random.randrange(1, 6)):
                town.publish(random.choice(STREAMS))
        chance_of = random.random()
        if chance_of < 0.02 and len(staying) > 3:
            leaver = random.choice(staying)
            if chance_of < 0.01 or not leaver.session:
                leaver.say_goodbye()
            else:
                leaver.goodbye.add(4005)
                leaver.greedy = True
                assert control.kick(session_id=leaver.session).sessions == 1
        elif chance_of < 0.03 and len(readers) < 9:
            enter()
        step(0.0 if behind < 60 else 1.0)

    for stream in STREAMS:
        town.publish(stream)
    town.end()
    for reader in readers:
        reader.greedy = True
    while not all(reader.goodbye or reader.caught_up() for reader in readers):
        step(1.0)
    for reader in readers:
        if not reader.goodbye:
            reader.say_goodbye()
    while readers:
        step(1.0)

    in_order = sum(reader.ended == "in order" for reader in gone)
    pinged, ponged = sum(reader.pinged for reader in gone), sum(reader.ponged for reader in gone)
    print(f"{town.published()} messages, {pinged} pings, {ponged} pongs, {in_order} of {len(gone)} ends in order")
    assert pinged and ponged and in_order
    gateway.wait_until_empty()
