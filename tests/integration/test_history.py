"""What a stream remembers: positions, recovery with its reasons, where a subscription begins, and a user's inbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, event, pb, stream_item
from support.gateway import Gateway, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.patience import eventually, scaled
from support.ws import TEXT, Browser, frame_bytes, with_query

Connect = Callable[..., Browser]
Fresh = Callable[[str], str]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {"endpoints": [
            {
                "path": "/ws",
                "anonymous": True,
                "outbox_messages": 1000000,
                "outbox_bytes": "64MiB",
                "write_deadline": "5m",
            },
            {"path": "/first", "auth_timeout": "30s"},
        ]},
        "streams": [
            {"pattern": "log-*", "log": {"mode": "log", "messages": 10000, "max_bytes": "64MiB", "max_replay": 10000}},
            {"pattern": "private-*", "log": {"mode": "log"}},
            {"pattern": "short-*", "log": {"mode": "log", "messages": 5}},
            {"pattern": "near-*", "log": {"mode": "log", "max_replay": 3}},
            {"pattern": "brief-*", "log": {"mode": "log", "age": "1s"}},
            {"pattern": "latest-*", "log": {"mode": "latest"}},
        ],
        "inbox": {"mode": "log"},
    }


def publish(control: Control, stream: str, *numbers: int) -> list[Any]:
    """One message for each number; returns their receipts."""
    return [control.to_stream(stream, event("n", json=str(number))) for number in numbers]


def clear(control: Control, **target: str) -> Any:
    return control.call("ClearMessages", pb.ClearMessagesRequest(**target)).position


def at(position: Any, offset: int | None = None) -> dict[str, Any]:
    """A position of a receipt, or another one of its epoch, as clients say it."""
    return {"epoch": position.epoch, "offset": position.offset if offset is None else offset}


def in_url(log: str, position: Any, offset: int | None = None) -> str:
    """The same for ?recover=."""
    return f"{log}:{position.epoch}:{position.offset if offset is None else offset}"


def heard(control: Control, browser: Browser) -> list[dict[str, Any]]:
    """What reached a browser before now: a last message to the session marks its end. Only for those who have caught
    up: what is replayed is not in order with that."""
    control.to_session(browser.session, event("end-of-test"))
    return browser.receive_until("end-of-test")


def receive_data(browser: Browser, count: int) -> list[Any]:
    return [browser.receive()["data"] for _ in range(count)]


def subscribe(browser: Browser, stream: str, **how: Any) -> dict[str, Any]:
    """Subscribes, insists on it, and returns what the reply says of the stream's log."""
    reply = browser.ask("subscribe", streams=[stream], **how)
    assert (reply["event"], reply["data"]["streams"], reply["data"]["refused"]) == ("subscribed", [stream], []), reply
    logs = reply["data"]["logs"]
    assert set(logs) <= {stream}, logs
    return dict(logs.get(stream, {}))


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


# --- A user's inbox ---


def test_a_users_messages_stand_in_the_inbox(control: Control, connect: Connect, fresh: Fresh) -> None:
    """meta.log is "@user" whatever the stream is called, and the offsets are the user's own."""
    user, stream = fresh("user"), fresh("log")
    browser = connect(with_query("/ws", token=token(user), streams=stream))
    inbox = browser.welcome["logs"]["@user"]

    plain = control.to_user(user, event("a"))
    on_stream = control.to_user(user, event("b"), stream=stream)
    elsewhere = control.to_user(user, event("c"), stream="somewhere", any_session=True)

    assert inbox == {"epoch": plain.position.epoch, "offset": 0, "top": 0}
    for receipt, name in ((plain, "@user"), (on_stream, stream), (elsewhere, "somewhere")):
        message = browser.receive()
        assert (message["stream"], message["meta"]["log"]) == (name, "@user")
        assert {key: message["meta"][key] for key in ("epoch", "offset")} == at(receipt.position)
    assert [plain.position.offset, on_stream.position.offset, elsewhere.position.offset] == [1, 2, 3]
    # The stream's own log knows nothing of it.
    assert subscribe(connect(), stream)["top"] == 0


def test_the_inbox_recovers_by_the_url(control: Control, connect: Connect, fresh: Fresh) -> None:
    """?recover=@user:EPOCH:OFFSET, beside a stream's own."""
    user, stream = fresh("user"), fresh("log")
    first = control.to_user(user, event("one"))
    (on_stream, _) = publish(control, stream, 1, 2)
    control.to_user(user, event("two"))
    control.to_user(user, event("three"))

    recover = in_url("@user", first.position) + "," + in_url(stream, on_stream.position)
    browser = connect(with_query("/ws", token=token(user), streams=stream, recover=recover))

    assert browser.welcome["logs"]["@user"] == {**at(first.position), "top": 3, "recovered": True, "reason": "ok"}
    assert browser.welcome["logs"][stream]["reason"] == "ok"
    received = [browser.receive() for _ in range(3)]
    assert [each["event"] for each in received if each["stream"] == "@user"] == ["two", "three"]
    assert [each["meta"]["offset"] for each in received if each["stream"] == "@user"] == [2, 3]
    assert heard(control, browser) == []


def test_the_inbox_recovers_with_the_token_as_first_frame(control: Control, connect: Connect, fresh: Fresh) -> None:
    """{"action":"auth","recover":{"@user":…}} on an endpoint that waits for it: the welcome answers."""
    user, stream = fresh("user"), fresh("log")
    first = control.to_user(user, event("one"))
    (on_stream, _) = publish(control, stream, 1, 2)
    control.to_user(user, event("two"))
    auth = {
        "action": "auth", "token": token(user), "id": 7,
        "recover": {"@user": at(first.position), stream: at(on_stream.position)},
    }

    browser = connect(with_query("/first", streams=stream), early=frame_bytes(TEXT, json.dumps(auth).encode()))
    welcome = browser.receive_welcome()

    assert welcome["user"]["id"] == user
    assert welcome["logs"]["@user"] == {**at(first.position), "top": 2, "recovered": True, "reason": "ok"}
    assert welcome["logs"][stream]["reason"] == "ok"
    received = {message["stream"]: message["event"] for message in (browser.receive(), browser.receive())}
    assert received == {"@user": "two", stream: "n"}


def test_the_inbox_recovers_with_a_token_that_comes_later(control: Control, connect: Connect, fresh: Fresh) -> None:
    """An anonymous session that becomes a user's: the reply to its auth says what became of the inbox."""
    user = fresh("user")
    first = control.to_user(user, event("one"))
    control.to_user(user, event("two"))
    browser = connect()

    reply = browser.ask("auth", token=token(user), recover={"@user": at(first.position)})

    assert reply["event"] == "authenticated"
    assert reply["data"]["logs"] == {"@user": {**at(first.position), "top": 2, "recovered": True, "reason": "ok"}}
    assert browser.receive()["event"] == "two"


def test_the_inbox_is_each_users_own(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Another user's position is worth nothing beyond its number, and gives none of that user's messages."""
    alice, bob = fresh("alice"), fresh("bob")
    first = control.to_user(alice, event("secret"))
    control.to_user(alice, event("secret"))

    browser = connect(with_query("/ws", token=token(bob), recover=in_url("@user", first.position)))

    assert browser.welcome["logs"]["@user"]["reason"] == "epoch_changed"
    assert heard(control, browser) == []


def test_a_cleared_inbox_is_another_epoch(control: Control, connect: Connect, fresh: Fresh) -> None:
    """As with streams, by user_id."""
    user = fresh("user")
    receipt = control.to_user(user, event())
    position = clear(control, user_id=user)

    browser = connect(with_query("/ws", token=token(user), recover=in_url("@user", receipt.position)))

    assert browser.welcome["logs"]["@user"] == {**at(position), "top": 0, "recovered": False, "reason": "epoch_changed"}


def test_each_user_of_several_has_the_message_in_the_inbox(control: Control, connect: Connect, fresh: Fresh) -> None:
    """BroadcastToUsers recovers like BroadcastToUser, each user at an offset of their own."""
    alice, bob = fresh("alice"), fresh("bob")
    start = {user: control.to_user(user, event("start")).position for user in (alice, bob)}
    control.to_user(bob, event("for bob"))
    control.to_users([alice, bob], event("both"))

    browsers = {
        user: connect(with_query("/ws", token=token(user), recover=in_url("@user", position)))
        for user, position in start.items()
    }

    both = browsers[alice].receive()
    assert (both["event"], both["meta"]["offset"]) == ("both", 2)
    received = [browsers[bob].receive() for _ in range(2)]
    assert [(each["event"], each["meta"]["offset"]) for each in received] == [("for bob", 2), ("both", 3)]


def test_a_message_on_a_stream_that_is_not_subscribed_leaves_a_marker(
    control: Control, connect: Connect, fresh: Fresh
) -> None:
    """It uses an offset of the inbox, so that the session hears of it: before the next message, live and on replay."""
    user, stream = fresh("user"), fresh("stream")
    browser = connect(with_query("/ws", token=token(user)))
    start = control.to_user(user, event("start"))
    skipped = [control.to_user(user, event("elsewhere"), stream=stream) for _ in range(2)][-1]
    control.to_user(user, event("next"))
    again = connect(with_query("/ws", token=token(user), recover=in_url("@user", start.position)))
    listens = connect(with_query("/ws", token=token(user), streams=stream, recover=in_url("@user", start.position)))

    assert browser.receive()["event"] == "start"
    for each in (browser, again):
        markers = each.receive_until("next")
        assert {(marker["stream"], marker["event"], marker["data"]["stream"]) for marker in markers} == {
            ("system", "skip", "@user")
        }
        assert sum(marker["data"]["filtered"] for marker in markers) == 2
        assert {key: markers[-1]["data"][key] for key in ("epoch", "offset")} == at(skipped.position)
    assert [message["event"] for message in (listens.receive(), listens.receive(), listens.receive())] == [
        "elsewhere", "elsewhere", "next"
    ]


def test_a_marker_comes_though_nothing_follows_it(control: Control, connect: Connect, fresh: Fresh) -> None:
    """At idle: a client that reconnects much later must not miss what it was never to get."""
    user = fresh("user")
    browser = connect(with_query("/ws", token=token(user)))
    skipped = control.to_user(user, event(), stream=fresh("stream"))

    marker = browser.receive()

    assert marker["event"] == "skip"
    assert marker["data"] == {"stream": "@user", **at(skipped.position), "filtered": 1}


def test_the_inbox_cannot_be_recovered_by_a_subscription(control: Control, connect: Connect, fresh: Fresh) -> None:
    """"@user" belongs to the session's beginning; in a subscribe it is bad_recover, and nothing is subscribed."""
    user, stream = fresh("user"), fresh("log")
    receipt = control.to_user(user, event())
    browser = connect(with_query("/ws", token=token(user)))

    reply = browser.ask("subscribe", streams=[stream], recover={"@user": at(receipt.position)})

    assert (reply["event"], reply["data"]["code"]) == ("error", "bad_recover")
    assert control.count(stream=stream) == 0


# --- What makes no sense ---

EPOCH_TOO_LONG = "e" * 65

BAD_RECOVERIES: dict[str, Any] = {
    "a word": "log-a:e:1",
    "a number": 5,
    "a list": ["log-a"],
    "true": True,
    "a position of nothing": {"log-a": None},
    "a position in words": {"log-a": "e:1"},
    "an empty position": {"log-a": {}},
    "no offset": {"log-a": {"epoch": "e"}},
    "no epoch": {"log-a": {"offset": 1}},
    "an epoch that is a number": {"log-a": {"epoch": 1, "offset": 1}},
    "an epoch of 65 bytes": {"log-a": {"epoch": EPOCH_TOO_LONG, "offset": 1}},
    "an offset below 0": {"log-a": {"epoch": "e", "offset": -1}},
    "half an offset": {"log-a": {"epoch": "e", "offset": 1.5}},
    "an offset in words": {"log-a": {"epoch": "e", "offset": "1"}},
    "an offset that doubles do not hold": {"log-a": {"epoch": "e", "offset": (1 << 53) + 1}},
    "an offset beyond 64 bits": {"log-a": {"epoch": "e", "offset": 1 << 64}},
    "one bad among good ones": {"log-b": {"epoch": "e", "offset": 1}, "log-a": {"epoch": "e", "offset": None}},
    "1,001 streams": {f"log-{number}": {"epoch": "e", "offset": 1} for number in range(1001)},
}

BAD_BEGINNINGS: dict[str, Any] = {
    "another word": "earliest",
    "an empty word": "",
    "a number": 5,
    "a list": [],
    "true": True,
    "an empty object": {},
    "last below 0": {"last": -1},
    "half a last": {"last": 1.5},
    "last in words": {"last": "3"},
    "last of nothing": {"last": None},
    "time below 0": {"time": -1},
    "time in words": {"time": "yesterday"},
    "two wishes": {"last": 3, "time": 1_700_000_000_000},
    "a position and more": {"epoch": "e", "offset": 3, "last": 3},
    "an offset without an epoch": {"offset": 3},
    "an epoch without an offset": {"epoch": "e"},
    "something else": {"first": 3},
}

BAD_FILTERS: dict[str, Any] = {
    "a word": "note",
    "a number": 5,
    "a list": ["note"],
    "true": True,
    "another part": {"user": "alice"},
    "a good part and another": {"events": ["a"], "names": ["b"]},
    "events in a word": {"events": "a"},
    "events of numbers": {"events": [1]},
    "an event without a name": {"events": [""]},
    "an event of 5,000 bytes": {"events": ["e" * 5000]},
    "33 events": {"events": ["e"] * 33},
    "meta in a list": {"meta": ["room"]},
    "meta of numbers": {"meta": {"room": 5}},
    "meta of 5,000 bytes": {"meta": {"room": "v" * 5000}},
    "17 annotations": {"meta": {str(number): "" for number in range(17)}},
}


def bad_command(connect: Connect, control: Control, stream: str, code: str, **fields: Any) -> None:
    """Insists on that error, that nothing was subscribed, and that the session goes on."""
    browser = connect()
    reply = browser.ask("subscribe", streams=[stream], **fields)
    assert (reply["event"], reply["data"]["code"]) == ("error", code), reply
    assert reply["data"]["message"] and reply["data"]["temporary"] is False
    assert control.count(stream=stream) == 0
    assert browser.ask("ping")["event"] == "pong"


@pytest.mark.parametrize("case", BAD_RECOVERIES)
def test_a_bad_recover_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_recover: nobody is subscribed from a place that was not meant."""
    bad_command(connect, control, fresh("log"), "bad_recover", recover=BAD_RECOVERIES[case])


@pytest.mark.parametrize("case", BAD_BEGINNINGS)
def test_a_bad_since_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_recover too: it is the same wish in other words."""
    bad_command(connect, control, fresh("log"), "bad_recover", since=BAD_BEGINNINGS[case])


@pytest.mark.parametrize("case", BAD_FILTERS)
def test_a_bad_filter_is_refused(connect: Connect, control: Control, fresh: Fresh, case: str) -> None:
    """bad_filter: nobody hears more than was asked for."""
    bad_command(connect, control, fresh("log"), "bad_filter", filter=BAD_FILTERS[case])


@pytest.mark.parametrize("case", ["a list", "no offset"])
def test_a_bad_recover_with_a_token_is_refused(connect: Connect, fresh: Fresh, case: str) -> None:
    """The same in an auth: the session does not become the user's."""
    browser = connect()

    reply = browser.ask("auth", token=token(fresh("user")), recover=BAD_RECOVERIES[case])

    assert (reply["event"], reply["data"]["code"]) == ("error", "bad_recover")
    assert browser.ask("auth", token=token(fresh("user")))["event"] == "authenticated"


def test_just_within_the_bounds_is_taken(connect: Connect, fresh: Fresh) -> None:
    """Bounds are where they are said to be."""
    stream = fresh("log")
    long = {"epoch": EPOCH_TOO_LONG[1:], "offset": 1 << 53}
    wide = {"events": ["e" * 90] * 32, "meta": {str(number): "v" * 60 for number in range(16)}}

    log = subscribe(connect(), stream, recover={stream: long}, since=long, filter=wide)

    assert log["reason"] == "epoch_changed"


def test_null_is_as_good_as_nothing(connect: Connect, fresh: Fresh) -> None:
    """Clients may send their fields empty."""
    log = subscribe(connect(), fresh("log"), recover=None, since=None, filter=None)

    assert set(log) == {"epoch", "offset", "top"}


BAD_QUERIES: dict[str, list[str]] = {
    "recover": [
        "log-a", "log-a:e", ":e:1", "::1", ":", "log-a:e:", "log-a:e:x", "log-a:e:-1", "log-a:e:+1", "log-a:e:1.5",
        "log-a:e: 1", "log-a:e:1x", "log-a:e:0x1", f"log-a:{EPOCH_TOO_LONG}:1", "log-a:e:99999999999999999999",
        "log-a:e:1,log-b",
    ],
    "since": [
        "", "earliest", "Latest", "5", "last", "last:", "last:x", "last:-1", "last:+1", "last: 3", "last:1.5", "time:",
        "time:x", "time:-1", "time:1.5", "e:", "e:x", "e:-1", f"{EPOCH_TOO_LONG}:1", "last:99999999999999999999",
    ],
    "resume": [
        "x", "0" * 19, "0" * 21, "A" * 20, "g" * 20, " " + "0" * 20, ".", "." + "0" * 20, "0" * 20 + ".x",
        "0" * 20 + ".." + "0" * 20, "0" * 20 + "," + "0" * 20, "@user", "1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD_QUERIES.items() for value in values])
def test_a_bad_wish_in_the_url_is_400(tcp: Callable[..., RawConnection], name: str, value: str) -> None:
    """Before there is a WebSocket, and saying which of them it is."""
    connection = tcp()

    connection.send(request_bytes(with_query("/ws", streams="log-a", **{name: value}), upgrade_headers("gateway.test")))
    response = connection.read_response()

    assert (response.status, response.error["code"]) == (400, "malformed")
    assert response.error["message"].startswith(name)
