"""What a stream remembers: positions, and recovery with its reasons."""

from __future__ import annotations

from typing import Any

import pytest
from support.control import Control, event, pb, stream_item
from support.gateway import Gateway, token
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
from support.patience import eventually, scaled
from support.ws import with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return HISTORY_CONFIG


# --- Positions ---


def test_receipts_and_messages_of_a_logged_stream_carry_the_same_position(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """Offsets count from 1 without holes, within one epoch; subscribers read them in meta."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))

    receipts = publish(control, stream, 1, 2, 3)

    assert [receipt.position.offset for receipt in receipts] == [1, 2, 3]
    assert len({receipt.position.epoch for receipt in receipts}) == 1
    for receipt in receipts:
        meta = browser.receive()["meta"]
        assert {"epoch": meta["epoch"], "offset": meta["offset"]} == at(receipt.position)
        assert "log" not in meta


def test_nothing_else_has_a_position(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Not streams without a log, not what goes to a session, to everyone, or to several users at once."""
    user, stream = fresh("user"), fresh("unlogged")
    browser = connect(with_query("/ws", token=token(user), streams=stream))

    receipts = [
        control.to_stream(stream, event()),
        control.to_session(browser.session, event()),
        control.to_all(event()),
        control.to_users([user, fresh("nobody")], event()).receipt,
    ]

    assert [receipt.HasField("position") for receipt in receipts] == [False] * 4
    for receipt in receipts[:3]:
        meta = browser.receive()["meta"]
        assert meta["id"] == receipt.message_id
        assert not {"offset", "epoch", "log"} & set(meta)
    # A message to several users stands in each one's inbox; only the receipt has no place for that many positions.
    meta = browser.receive()["meta"]
    assert (meta["id"], meta["log"], meta["offset"]) == (receipts[3].message_id, "@user", 1)


def test_the_reply_says_where_the_log_stands(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Also where nothing was published yet, with the epoch that the first message will have; and not without a log."""
    stream, unlogged = fresh("log"), fresh("unlogged")
    browser = connect()

    empty = subscribe(browser, stream)
    (receipt, _) = publish(control, stream, 1, 2)
    full = subscribe(connect(), stream)

    assert empty == {"epoch": receipt.position.epoch, "offset": 0, "top": 0}
    assert full == {"epoch": receipt.position.epoch, "offset": 2, "top": 2}
    assert subscribe(browser, unlogged) == {}
    welcome = connect(with_query("/ws", streams=f"{stream},{unlogged}")).welcome
    assert welcome["logs"] == {stream: full}


def test_a_subscription_begins_with_what_comes_after_it(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Without recover or since nothing is replayed, however much the log holds."""
    stream = fresh("log")
    publish(control, stream, 1, 2, 3)
    browser = connect(with_query("/ws", streams=stream))

    publish(control, stream, 4)

    assert [message["data"] for message in heard(control, browser)] == [4]


# --- Recovery ---


@pytest.mark.parametrize("by_url", [False, True], ids=["by the action", "by the URL"])
def test_what_was_missed_is_replayed_in_order_and_with_its_offsets(
    control: Control, connect: Connect, fresh: Fresh, by_url: bool
) -> None:
    """The reply says ok, the position that it begins at and the log's top; then come the messages themselves."""
    stream = fresh("log")
    receipts = publish(control, stream, 1, 2, 3, 4, 5)
    epoch = receipts[0].position.epoch

    if by_url:
        browser = connect(with_query("/ws", streams=stream, recover=in_url(stream, receipts[1].position)))
        log = browser.welcome["logs"][stream]
    else:
        browser = connect()
        log = subscribe(browser, stream, recover={stream: at(receipts[1].position)})
    publish(control, stream, 6)

    assert log == {"epoch": epoch, "offset": 2, "top": 5, "recovered": True, "reason": "ok"}
    for number in range(3, 7):
        message = browser.receive()
        assert (message["stream"], message["event"], message["data"]) == (stream, "n", number)
        assert (message["meta"]["offset"], message["meta"]["epoch"]) == (number, epoch)
        assert number == 6 or message["meta"]["id"] == receipts[number - 1].message_id


def test_who_missed_nothing_is_recovered_with_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """ok at the top, and at the beginning of a log that has no messages yet."""
    stream, empty = fresh("log"), fresh("log")
    (receipt,) = publish(control, stream, 1)
    browser = connect()
    begun = subscribe(browser, empty)

    log = subscribe(browser, stream, recover={stream: at(receipt.position)})
    again = subscribe(connect(), empty, recover={empty: {"epoch": begun["epoch"], "offset": 0}})

    assert log == {**at(receipt.position), "top": 1, "recovered": True, "reason": "ok"}
    assert again == {**begun, "recovered": True, "reason": "ok"}
    assert heard(control, browser) == []


def test_a_position_without_an_epoch_is_the_beginning(control: Control, connect: Connect, fresh: Fresh) -> None:
    """For those who want everything and know nothing yet. Only with offset 0: any other belongs to some epoch."""
    stream = fresh("log")
    publish(control, stream, 1, 2)
    browser = connect()

    assert subscribe(browser, stream, recover={stream: {"epoch": "", "offset": 0}})["reason"] == "ok"
    assert receive_data(browser, 2) == [1, 2]
    assert subscribe(connect(), stream, recover={stream: {"epoch": "", "offset": 1}})["reason"] == "epoch_changed"


def test_replayed_messages_come_before_live_ones(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Subscribers that come while messages are published flat out read every number from their position on."""
    stream, count, late = fresh("log"), scaled(5000, 500), 5
    (first,) = publish(control, stream, 1)
    publisher = control.publisher()
    browsers = []
    for number in range(2, count + 1):
        publisher.send([stream_item(stream, event("n", json=str(number)))])
        if number % (count // late) == 0:
            browsers.append(connect(with_query("/ws", streams=stream, recover=in_url(stream, first.position))))
    assert publisher.finish() == []

    assert len(browsers) == late
    for browser in browsers:
        log = browser.welcome["logs"][stream]
        assert (log["offset"], log["reason"]) == (1, "ok")
        numbers = [browser.receive() for _ in range(count - 1)]
        assert [(each["data"], each["meta"]["offset"]) for each in numbers] == [
            (number, number) for number in range(2, count + 1)
        ]
        assert heard(control, browser) == []


def test_a_second_recovery_repeats_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Whoever comes back again from where the last message stood gets what is newer than that one."""
    stream = fresh("log")
    (start, *_) = publish(control, stream, 1, 2, 3)
    position = at(start.position)
    received = []
    for number in (4, 6, 8):
        browser = connect()
        log = subscribe(browser, stream, recover={stream: position})
        for _ in range(log["top"] - log["offset"]):
            message = browser.receive()
            received.append(message["data"])
            position = {key: message["meta"][key] for key in ("epoch", "offset")}
        browser.leave()
        publish(control, stream, number, number + 1)

    assert received == [2, 3, 4, 5, 6, 7]


def test_recovering_on_a_stream_that_is_subscribed_begins_it_anew(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """It replays from there, then goes on live: once, for a session is never subscribed twice."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    receipts = publish(control, stream, 1, 2, 3)
    assert receive_data(browser, 3) == [1, 2, 3]

    log = subscribe(browser, stream, recover={stream: at(receipts[0].position)})
    publish(control, stream, 4)

    assert (log["offset"], log["top"], log["reason"]) == (1, 3, "ok")
    assert receive_data(browser, 3) == [2, 3, 4]
    assert control.count(stream=stream) == 1
    assert heard(control, browser) == []


def test_subscribing_again_without_a_position_changes_nothing(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """Nothing is replayed and nothing comes twice."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    publish(control, stream, 1)

    assert subscribe(browser, stream) == {}
    publish(control, stream, 2)

    assert [message["data"] for message in heard(control, browser)] == [1, 2]


def test_several_streams_recover_each_from_its_own_position(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """One reply says each one's reason; streams that are not named in "recover" begin now."""
    streams = [fresh("log") for _ in range(3)]
    receipts = [publish(control, stream, 1, 2, 3) for stream in streams]
    browser = connect()

    reply = browser.ask("subscribe", streams=streams, recover={
        streams[0]: at(receipts[0][0].position), streams[1]: at(receipts[1][1].position)
    })

    logs = reply["data"]["logs"]
    states = [(logs[stream]["offset"], logs[stream].get("reason")) for stream in streams]
    assert states == [(1, "ok"), (2, "ok"), (3, None)]
    received = [browser.receive() for _ in range(3)]
    assert [each["data"] for each in received if each["stream"] == streams[0]] == [2, 3]
    assert [each["data"] for each in received if each["stream"] == streams[1]] == [3]
    assert heard(control, browser) == []


def not_recovered(control: Control, connect: Connect, stream: str, position: Any, top: Any, reason: str) -> None:
    """Insists on that reason, by the action and by the URL; that nothing is replayed; and that it goes on from the
    top."""
    for by_url in (False, True):
        if by_url:
            recover = f"{stream}:{position['epoch']}:{position['offset']}"
            browser = connect(with_query("/ws", streams=stream, recover=recover))
            log = browser.welcome["logs"][stream]
        else:
            browser = connect()
            log = subscribe(browser, stream, recover={stream: position})
        wanted = {} if top is None else {**at(top), "top": top.offset}
        assert log == {**wanted, "recovered": False, "reason": reason}
        assert heard(control, browser) == []
    (receipt,) = publish(control, stream, 77)
    message = browser.receive()
    assert (message["data"], message["meta"]["id"]) == (77, receipt.message_id)


def test_a_cleared_log_is_another_epoch(control: Control, connect: Connect, fresh: Fresh) -> None:
    """ClearMessages makes every position of before worthless: epoch_changed, also for who had missed nothing."""
    stream = fresh("log")
    receipts = publish(control, stream, 1, 2)

    top = clear(control, stream=stream)

    not_recovered(control, connect, stream, at(receipts[1].position), top, "epoch_changed")


@pytest.mark.parametrize("wrong", ["epoch", "offset"])
def test_a_position_that_the_log_never_had_is_another_epoch(
    control: Control, connect: Connect, fresh: Fresh, wrong: str
) -> None:
    """A foreign epoch, or an offset beyond the top: the log that gave it out is gone."""
    stream = fresh("log")
    (receipt,) = publish(control, stream, 1)
    position = {"epoch": "made-up", "offset": 1} if wrong == "epoch" else at(receipt.position, 2)

    not_recovered(control, connect, stream, position, receipt.position, "epoch_changed")


def test_what_the_log_has_forgotten_is_trimmed(control: Control, connect: Connect, fresh: Fresh) -> None:
    """All or nothing: with one message missing, none is replayed; with none missing, all that are kept."""
    stream = fresh("short")
    receipts = publish(control, stream, *range(1, 9))  # keeps 5: from 4 on
    browser = connect()

    assert subscribe(browser, stream, recover={stream: at(receipts[2].position)})["reason"] == "ok"
    assert receive_data(browser, 5) == [4, 5, 6, 7, 8]
    not_recovered(control, connect, stream, at(receipts[1].position), receipts[-1].position, "trimmed")


def test_what_is_too_old_is_trimmed(control: Control, connect: Connect, fresh: Fresh) -> None:
    """The log's age: its messages go, and its position stays."""
    stream = fresh("brief")
    receipts = publish(control, stream, 1, 2)
    page = pb.ListMessagesRequest(stream=stream)

    eventually(lambda: len(control.call("ListMessages", page).messages), lambda count: count == 0, "messages kept")

    not_recovered(control, connect, stream, at(receipts[0].position), receipts[1].position, "trimmed")


def test_who_missed_more_than_is_replayed_at_once_is_too_far(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """max_replay of 3: three come, four do not, though the log has them."""
    stream = fresh("near")
    receipts = publish(control, stream, 1, 2, 3, 4)
    browser = connect()

    assert subscribe(browser, stream, recover={stream: at(receipts[0].position)})["reason"] == "ok"
    assert receive_data(browser, 3) == [2, 3, 4]
    not_recovered(control, connect, stream, at(receipts[0].position, 0), receipts[-1].position, "too_far")


def test_without_a_log_recovery_is_disabled(control: Control, connect: Connect, fresh: Fresh) -> None:
    """The client is told at once that this stream never recovers, and is subscribed all the same."""
    not_recovered(control, connect, fresh("unlogged"), {"epoch": "e", "offset": 1}, None, "disabled")


@pytest.mark.parametrize("by_url", [False, True], ids=["by the action", "by the URL"])
def test_a_stream_that_may_not_be_subscribed_any_more_is_revoked(
    gateway: Gateway, control: Control, connect: Connect, fresh: Fresh, by_url: bool
) -> None:
    """A private stream without an identity: refused, and the log says revoked and nothing of its position. With one it
    recovers."""
    stream = fresh("private")
    receipts = publish(control, stream, 1, 2)
    with gateway.rises("carillon_recoveries_total", 1, result="revoked"):
        if by_url:
            answer = connect(with_query("/ws", streams=stream, recover=in_url(stream, receipts[0].position))).welcome
        else:
            answer = connect().ask("subscribe", streams=[stream], recover={stream: at(receipts[0].position)})["data"]

    assert answer["streams"] == []
    assert [(each["stream"], each["code"]) for each in answer["refused"]] == [(stream, "forbidden")]
    assert answer["logs"] == {stream: {"recovered": False, "reason": "revoked"}}
    known = connect(with_query("/ws", token=token(fresh("user"))))
    assert subscribe(known, stream, recover={stream: at(receipts[0].position)})["reason"] == "ok"
    assert receive_data(known, 1) == [2]


def test_recoveries_are_counted(gateway: Gateway, control: Control, connect: Connect, fresh: Fresh) -> None:
    """By what they got, and how many messages were replayed; who asks for nothing is not counted."""
    stream, unlogged = fresh("log"), fresh("unlogged")
    receipts = publish(control, stream, 1, 2, 3)
    name = "carillon_recoveries_total"

    with gateway.rises(name, 1, result="ok"), gateway.rises(name, 1, result="disabled"), gateway.rises(name, 2), \
            gateway.rises("carillon_replayed_total", 2):
        browser = connect()
        subscribe(browser, stream, recover={stream: at(receipts[0].position)})
        subscribe(browser, unlogged, recover={unlogged: {"epoch": "e", "offset": 1}})
        subscribe(connect(), stream)
        assert receive_data(browser, 2) == [2, 3]
