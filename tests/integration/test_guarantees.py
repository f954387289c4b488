"""docs/guarantees.md against clients that lose their connections at random while messages are published flat out: each of
them ends with every message exactly once and in order, or was told that it was not recovered, with the true reason, or
has a marker for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.control import Control, event, stream_item
from support.followers import Followers
from support.gateway import Gateway
from support.patience import SCALE, eventually, scaled

CLIENTS = 200
MESSAGES = scaled(20_000)
KEPT = 5_000
MAX_REPLAY = 3_000


def stream_rule(pattern: str, slow: str = "disconnect", **log: Any) -> dict[str, Any]:
    return {
        "pattern": pattern,
        "log": {"mode": "log", "messages": KEPT, "max_replay": MAX_REPLAY, "max_bytes": "1GiB", "age": "1h", **log},
        "slow": slow,
    }


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """One stream for each policy; the outboxes are small, so that policies have something to do."""
    return {
        "edge": {"endpoints": [
            {"path": "/ws", "anonymous": True},
            {"path": "/small", "anonymous": True, "outbox_bytes": "64KiB", "outbox_messages": 50,
             "outbox_patience": "50ms", "send_buffer_bytes": "4KiB"},
        ]},
        "limits": {"max_publish_bytes": "32KiB"},
        "engine": {"memory": {"log_bytes": "2GiB"}},
        "streams": [
            stream_rule("oldest-*", "drop_oldest"),
            stream_rule("newest-*", "drop_newest"),
            stream_rule("conflate-*", "conflate"),
            stream_rule("short-*", messages=100, max_replay=50),
            stream_rule("whole-*", messages=MESSAGES, max_replay=MESSAGES),
            stream_rule("*"),
        ],
    }


@pytest.fixture
def follow(binary: str, gateway: Gateway) -> Iterator[Callable[..., Followers]]:
    """Starts followers: follow(stream, **orders)."""
    running: list[Followers] = []

    def start(stream: str, clients: int = CLIENTS, **orders: Any) -> Followers:
        orders = {"max_replay": MAX_REPLAY, "kept": KEPT, **orders}
        running.append(Followers(binary, gateway.edge, stream, clients, **orders))
        return running[-1]

    yield start
    for each in running:
        each.close()


def publish_numbers(control: Control, stream: str, first: int, last: int, keys: int = 0) -> tuple[str, int]:
    """The numbers from first to last, as fast as the gateway takes them; returns where the last one stands."""
    publisher = control.publisher()
    for begin in range(first, last, 64):
        items = []
        for number in range(begin, min(begin + 64, last)):
            name = f"key-{number % keys}" if keys else "n"
            items.append(stream_item(stream, event(name, json=str(number))))
        publisher.send(items)
    assert not publisher.finish()
    receipt = control.to_stream(stream, event(json=str(last)))
    return receipt.position.epoch, receipt.position.offset


def test_every_message_comes_once_and_in_order(
    follow: Callable[..., Followers], control: Control, fresh: Callable[[str], str]
) -> None:
    """Over some thousand broken connections; the log keeps everything, so that nobody has an excuse."""
    stream = fresh("whole")
    followers = follow(stream, breaks_every=1000, max_replay=MESSAGES, kept=MESSAGES)

    end = publish_numbers(control, stream, 1, MESSAGES)
    report = followers.finish(*end)

    assert end[1] == MESSAGES
    assert report["messages"] == CLIENTS * MESSAGES
    assert set(report["recoveries"]) == {"ok"}
    assert report["recoveries"]["ok"] > 5 * CLIENTS * SCALE
    assert report["skipped"] == {}


def test_while_subscribers_come_and_go(
    follow: Callable[..., Followers], control: Control, fresh: Callable[[str], str]
) -> None:
    """On the same connection, and on new ones."""
    stream = fresh("whole")
    followers = follow(stream, leaves_every=1000, breaks_every=4000, max_replay=MESSAGES, kept=MESSAGES)

    report = followers.finish(*publish_numbers(control, stream, 1, MESSAGES))

    assert report["messages"] == CLIENTS * MESSAGES
    assert set(report["recoveries"]) == {"ok"}


def test_who_misses_too_much_is_told_the_true_reason(
    follow: Callable[..., Followers], control: Control, fresh: Callable[[str], str]
) -> None:
    """A log of 100 messages, of which 50 are replayed, cannot help everybody."""
    stream = fresh("short")
    followers = follow(stream, breaks_every=500, max_replay=50, kept=100)

    report = followers.finish(*publish_numbers(control, stream, 1, MESSAGES))

    assert report["recoveries"].get("trimmed", 0) + report["recoveries"].get("too_far", 0) > 0
    assert "epoch_changed" not in report["recoveries"]


@pytest.mark.parametrize(
    "policy, reason", [("oldest", "dropped"), ("newest", "dropped"), ("conflate", "conflated"), ("log", None)]
)
def test_slow_readers_are_told_of_everything_that_is_missing(
    follow: Callable[..., Followers], control: Control, fresh: Callable[[str], str], policy: str, reason: str | None
) -> None:
    """With every policy: each number that does not come is covered by a marker, or the client was closed and recovered."""
    stream = fresh(policy)
    followers = follow(stream, path="/small", slow=0.3, slow_bytes=2048, slow_pause_ms=20, breaks_every=1000)

    report = followers.finish(*publish_numbers(control, stream, 1, MESSAGES, keys=50))

    if reason is None:
        assert report["skipped"] == {}
        assert report["closes"].get("4101", 0) > 0
    else:
        assert report["skipped"].get(reason, 0) > 0
        assert "4101" not in report["closes"]


@pytest.mark.parametrize("snapshot", [True, False], ids=["with a snapshot", "without"])
def test_across_a_drain_and_a_restart(
    binary: str,
    start_gateway: Callable[..., Gateway],
    shards: int,
    config: dict[str, Any],
    tmp_path: Any,
    snapshot: bool,
) -> None:
    """The process ends in the middle and another takes its place: with a snapshot nobody misses anything, without one
    everybody is told that the log began anew."""
    settings = {
        **config,
        "hub": {"shards": shards},
        # What was published before the drain began may still be on its way: nobody is cut off before it has read that.
        "drain": {"window": "1s", "timeout": "25s"},
        "engine": {"memory": {"log_bytes": "2GiB", "snapshot": str(tmp_path / "logs") if snapshot else ""}},
    }
    first = start_gateway(settings)
    followers = Followers(
        binary, first.edge, "whole-a", CLIENTS, max_replay=MESSAGES, kept=MESSAGES, breaks_every=MESSAGES,
        honest_numbers=snapshot,
    )
    try:
        half = MESSAGES // 2
        with Control(first.control) as control:
            publish_numbers(control, "whole-a", 1, half - 500)
            eventually(first.metrics, lambda metrics: metrics.value("carillon_connections") == CLIENTS, "all there")
            first.begin_stop()
            # Backends go on until the last client is gone.
            publish_numbers(control, "whole-a", half - 499, half)
        assert first.wait() == 0
        first.stop()
        second = start_gateway({**settings, "edge": {**settings["edge"], "listen": first.edge}})
        with Control(second.control) as control:
            publish_numbers(control, "whole-a", half + 1, half + 500)
            eventually(second.metrics, lambda metrics: metrics.value("carillon_recoveries_total") >= CLIENTS, "all back")
            end = publish_numbers(control, "whole-a", half + 501, MESSAGES)
            report = followers.finish(*end)
    finally:
        followers.close()

    # The others had just lost their connection, and were refused until the next process was there.
    assert 0 < report["closes"].get("4200", 0) <= CLIENTS
    if snapshot:
        assert end[1] == MESSAGES
        assert report["recoveries"].get("ok", 0) >= CLIENTS
        assert set(report["recoveries"]) == {"ok"}
    else:
        assert end[1] < MESSAGES
        assert report["recoveries"].get("epoch_changed", 0) == CLIENTS
