"""Subscribing and unsubscribing while publishers run flat out: nothing from before the subscribe, no hole and no
repetition until the unsubscribe, nothing after it."""

from __future__ import annotations

import random as chance
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, Publisher, event, stream_item
from support.patience import dice, scaled
from support.swarm import Swarm
from support.ws import Browser, WebSocket, with_query

STREAM = "flood"
BATCH = 16


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [
                # The readers are slower than the publishers, and this is no test of slow readers.
                {
                    "path": "/patient",
                    "anonymous": True,
                    "outbox_bytes": "1GiB",
                    "outbox_messages": 1000000,
                    "write_deadline": "5m",
                }
            ]
        }
    }


class Flood:
    """A backend that publishes numbered messages as fast as it may, from its own thread."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self._control = Control(address)
        self.publisher: Publisher = self._control.publisher()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            first = number + 1
            number += BATCH
            self.publisher.send(
                stream_item(STREAM, event(self.name, json=str(each))) for each in range(first, number + 1)
            )

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        assert self.publisher.finish() == []
        self._control.close()


class Interval:
    """What one subscription heard of one publisher."""

    def __init__(self, flood: Flood) -> None:
        self.flood = flood
        self.acked_before = flood.publisher.acked  # the subscribe is not sent yet
        self.sent_at_reply = 0
        self.numbers: list[int] = []

    def judge(self) -> None:
        if not self.numbers:
            return
        first, last = self.numbers[0], self.numbers[-1]
        assert first > self.acked_before, f"{first} came before the subscribe, as did all to {self.acked_before}"
        assert first <= self.sent_at_reply + 1, f"began with {first}, but {self.sent_at_reply + 1} came after the reply"
        assert self.numbers == list(range(first, last + 1)), "a hole or a repetition"


def listen(browser: Browser, floods: list[Flood], random: chance.Random) -> int:
    """Subscribes, hears some messages, unsubscribes; returns how many it heard."""
    intervals = {flood.name: Interval(flood) for flood in floods}
    browser.send_json({"action": "subscribe", "streams": [STREAM]})
    reply = browser.receive()
    for interval in intervals.values():
        interval.sent_at_reply = interval.flood.publisher.sent
    assert reply["event"] == "subscribed" and reply["data"]["streams"] == [STREAM], reply

    wanted = random.choice([0, 1, 10, 100, 400])
    heard = 0
    while heard < wanted:
        message = browser.receive()
        intervals[message["event"]].numbers.append(message["data"])
        heard += 1
    browser.send_json({"action": "unsubscribe", "streams": [STREAM]})
    for message in browser.receive_until("unsubscribed"):
        intervals[message["event"]].numbers.append(message["data"])
        heard += 1

    for interval in intervals.values():
        interval.judge()
    return heard


def test_a_subscription_has_no_hole_while_publishers_run_flat_out(
    gateway: Any, connect: Callable[..., Browser], keep: Callable[[Any], Any]
) -> None:
    """Three readers subscribe and unsubscribe at random, two publishers never pause, and other sessions of the stream
    come and go, with and without a goodbye."""
    random = dice()
    # A crowd makes each message some work for the shards, so that messages wait in their mailboxes.
    keep(Swarm(gateway.edge, [with_query("/patient", streams=STREAM)] * scaled(150, 40)))
    floods = [keep(Flood(gateway.control, name)) for name in ("a", "b")]
    browsers = [connect("/patient") for _ in range(3)]
    heard = [0] * len(browsers)
    failures: list[BaseException] = []
    done = threading.Event()

    def read(number: int, own: chance.Random) -> None:
        try:
            for _ in range(scaled(40, 6)):
                heard[number] += listen(browsers[number], floods, own)
        except BaseException as error:
            failures.append(error)

    def come_and_go(own: chance.Random) -> None:
        try:
            while not done.is_set():
                visitor = WebSocket(gateway.edge, with_query("/patient", streams=STREAM))
                if own.random() < 0.5:
                    visitor.leave()
                else:
                    visitor.close()
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(each, chance.Random(random.random()))) for each in range(3)]
    visitor = threading.Thread(target=come_and_go, args=(chance.Random(random.random()),))
    for thread in (*readers, visitor):
        thread.start()
    for thread in readers:
        thread.join()
    done.set()
    visitor.join()

    if failures:
        raise failures[0]
    print(f"heard {heard} of {[flood.publisher.sent for flood in floods]}")
    assert all(heard)
