"""Where a subscription begins: at a position, a time, the last messages, or the latest value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control
from support.history import (
    HISTORY_CONFIG,
    Connect,
    Fresh,
    at,
    clear,
    heard,
    in_url,
    publish,
    receive_data,
    subscribe,
)
from support.patience import eventually
from support.ws import with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return HISTORY_CONFIG


# --- Where a subscription begins ---


BEGINNINGS: dict[str, tuple[Callable[[str], Any], Callable[[str], str], list[int]]] = {
    "latest": (lambda epoch: "latest", lambda epoch: "latest", [5]),
    "the last 0": (lambda epoch: {"last": 0}, lambda epoch: "last:0", []),
    "the last 2": (lambda epoch: {"last": 2}, lambda epoch: "last:2", [4, 5]),
    "the last 99": (lambda epoch: {"last": 99}, lambda epoch: "last:99", [1, 2, 3, 4, 5]),
    "a position": (lambda epoch: {"epoch": epoch, "offset": 3}, lambda epoch: f"{epoch}:3", [4, 5]),
    "the beginning": (lambda epoch: {"epoch": "", "offset": 0}, lambda epoch: ":0", [1, 2, 3, 4, 5]),
    "a time to come": (lambda epoch: {"time": 1 << 42}, lambda epoch: f"time:{1 << 42}", []),
}


@pytest.mark.parametrize("by_url", [False, True], ids=["by the action", "by the URL"])
@pytest.mark.parametrize("case", BEGINNINGS)
def test_a_subscription_may_begin_earlier(
    control: Control, connect: Connect, fresh: Fresh, case: str, by_url: bool
) -> None:
    """"since", by the action and by the URL: it gets exactly these, then what is live."""
    in_action, in_query, wanted = BEGINNINGS[case]
    stream = fresh("log")
    epoch = publish(control, stream, 1, 2, 3, 4, 5)[0].position.epoch

    if by_url:
        browser = connect(with_query("/ws", streams=stream, since=in_query(epoch)))
        log = browser.welcome["logs"][stream]
    else:
        browser = connect()
        log = subscribe(browser, stream, since=in_action(epoch))
    publish(control, stream, 6)

    assert log == {"epoch": epoch, "offset": 5 - len(wanted), "top": 5, "recovered": True, "reason": "ok"}
    assert receive_data(browser, len(wanted) + 1) == [*wanted, 6]
    assert heard(control, browser) == []


@pytest.mark.parametrize("by_url", [False, True], ids=["by the action", "by the URL"])
def test_a_subscription_may_begin_at_a_time(control: Control, connect: Connect, fresh: Fresh, by_url: bool) -> None:
    """Milliseconds, as meta.ts has them: what is newer comes, what is older does not."""
    stream = fresh("log")
    witness = connect(with_query("/ws", streams=stream))
    times: list[int] = []

    def publish_and_look() -> int:
        publish(control, stream, len(times) + 1)
        times.append(witness.receive()["meta"]["ts"])
        return times[-1] - times[0]

    eventually(publish_and_look, lambda passed: passed >= 4, "milliseconds between the messages")
    since = times[0] + 2
    wanted = [number for number, ts in enumerate(times, 1) if ts >= since]

    if by_url:
        browser = connect(with_query("/ws", streams=stream, since=f"time:{since}"))
        log = browser.welcome["logs"][stream]
    else:
        browser = connect()
        log = subscribe(browser, stream, since={"time": since})

    assert (log["offset"], log["top"], log["reason"]) == (len(times) - len(wanted), len(times), "ok")
    assert 0 < len(wanted) < len(times)
    assert receive_data(browser, len(wanted)) == wanted
    assert heard(control, browser) == []


def test_a_time_that_the_log_does_not_reach_back_to_is_not_recovered(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """Before the log began: it is another life of it. Before what was trimmed: trimmed."""
    stream, trimmed = fresh("log"), fresh("short")
    witness = connect(with_query("/ws", streams=trimmed))
    publish(control, stream, 1)
    publish(control, trimmed, *range(1, 9))
    first_ts = witness.receive()["meta"]["ts"]

    assert subscribe(connect(), stream, since={"time": 1})["reason"] == "epoch_changed"
    assert subscribe(connect(), trimmed, since={"time": first_ts})["reason"] == "trimmed"


def test_the_last_messages_are_bounded_by_what_is_replayed_at_once(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """max_replay of 3 gives the last 3 to who asks for 99."""
    stream = fresh("near")
    publish(control, stream, *range(1, 9))
    browser = connect()

    subscribe(browser, stream, since={"last": 99})
    publish(control, stream, 9)

    assert receive_data(browser, 4) == [6, 7, 8, 9]


def test_recover_goes_before_since(control: Control, connect: Connect, fresh: Fresh) -> None:
    """"since" is for the streams that "recover" does not name."""
    known, new = fresh("log"), fresh("log")
    receipts = publish(control, known, 1, 2, 3)
    publish(control, new, 1, 2, 3)
    browser = connect(with_query(
        "/ws", streams=f"{known},{new}", recover=in_url(known, receipts[0].position), since="last:1"
    ))

    received = [browser.receive() for _ in range(3)]

    assert [each["data"] for each in received if each["stream"] == known] == [2, 3]
    assert [each["data"] for each in received if each["stream"] == new] == [3]
    assert heard(control, browser) == []


def test_a_path_stream_recovers_too(control: Control, connect: Connect, fresh: Fresh) -> None:
    """/ws/STREAM?recover= is the same as ?streams=STREAM&recover=."""
    stream = fresh("log")
    receipts = publish(control, stream, 1, 2)

    browser = connect(with_query(f"/ws/{stream}", recover=in_url(stream, receipts[0].position)))

    assert browser.welcome["logs"][stream]["reason"] == "ok"
    assert receive_data(browser, 1) == [2]


# --- The latest value ---


def test_a_stream_of_latest_values_greets_with_its_value(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Whoever subscribes gets the newest message first, with its offset, and then what is live."""
    stream = fresh("latest")
    early = connect(with_query("/ws", streams=stream))
    receipts = publish(control, stream, 1, 2, 3)
    by_url, by_action = connect(with_query("/ws", streams=stream)), connect()

    log = subscribe(by_action, stream)
    publish(control, stream, 4)

    wanted = {"epoch": receipts[0].position.epoch, "offset": 2, "top": 3}
    assert [by_url.welcome["logs"][stream], log] == [wanted, wanted]
    for browser in (by_url, by_action):
        first, second = browser.receive(), browser.receive()
        assert (first["data"], first["meta"]["offset"], second["data"]) == (3, 3, 4)
    assert [message["data"] for message in heard(control, early)] == [1, 2, 3, 4]


def test_the_latest_value_stands_for_all_that_was_missed(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Recovery of such a stream is ok however long ago: a marker counts what the value replaces, then it comes."""
    stream = fresh("latest")
    receipts = publish(control, stream, *range(1, 8))
    epoch = receipts[0].position.epoch
    browser = connect()

    log = subscribe(browser, stream, recover={stream: at(receipts[1].position)})

    assert log == {"epoch": epoch, "offset": 2, "top": 7, "recovered": True, "reason": "ok"}
    skip = browser.receive()
    assert (skip["stream"], skip["event"]) == ("system", "skip")
    assert skip["data"] == {"stream": stream, "epoch": epoch, "offset": 6, "conflated": 4}
    value = browser.receive()
    assert (value["data"], value["meta"]["offset"]) == (7, 7)


def test_nothing_greets_where_there_is_no_value(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A latest stream without a message, or whose message was cleared."""
    never, cleared = fresh("latest"), fresh("latest")
    publish(control, cleared, 1)
    position = clear(control, stream=cleared)

    browser = connect(with_query("/ws", streams=f"{never},{cleared}"))

    assert browser.welcome["logs"][never]["top"] == 0
    assert browser.welcome["logs"][cleared] == {"epoch": position.epoch, "offset": 0, "top": 0}
    assert heard(control, browser) == []
