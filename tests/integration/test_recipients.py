"""For whom a message is: selectors, exclusions, a subscriber's own filter, and the report of who was given it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.control import Control, event, pb, stream_item
from support.gateway import token
from support.patience import eventually
from support.publishing import (
    PUBLISH_CONFIG,
    Connect,
    Fresh,
    counts_of,
    heard,
    position_of,
    replayed,
    tab,
    to_stream,
    to_stream_refused,
)
from support.ws import with_query


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return PUBLISH_CONFIG


# --- Selectors ---


SELECTORS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a label": ({"labels": {"room": "5"}}, ["alice", "bob"]),
    "two labels": ({"labels": {"room": "5", "floor": "1"}}, ["alice"]),
    "a label that nobody has": ({"labels": {"room": "6"}}, []),
    "an empty label": ({"labels": {"room": ""}}, []),
    "a user": ({"user_ids": ["bob"]}, ["bob"]),
    "two users": ({"user_ids": ["bob", "carol", "nobody"]}, ["bob", "carol"]),
    "a role": ({"roles": ["admin"]}, ["bob", "carol"]),
    "one of two roles": ({"roles": ["admin", "editor"]}, ["alice", "bob", "carol"]),
    "a label and a role": ({"labels": {"room": "5"}, "roles": ["admin"]}, ["bob"]),
    "a user and a role": ({"user_ids": ["alice", "carol"], "roles": ["admin"]}, ["carol"]),
    "a user and a label that contradict each other": ({"user_ids": ["carol"], "labels": {"room": "5"}}, []),
    "all three": ({"user_ids": ["alice", "bob"], "labels": {"room": "5"}, "roles": ["editor"]}, ["alice"]),
}

PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {"labels": {"room": "5", "floor": "1"}, "roles": ["editor"]},
    "bob": {"labels": {"room": "5"}, "roles": ["admin", "guest"]},
    "carol": {"labels": {"floor": "1"}, "roles": ["admin"]},
    "dave": {},
}


@pytest.mark.parametrize("case", SELECTORS)
def test_a_selector_says_for_whom_a_message_is(control: Control, connect: Connect, fresh: Fresh, case: str) -> None:
    """Every part of it must hold, live and on replay. Sessions without an identity match none."""
    parts, wanted = SELECTORS[case]
    stream = fresh("log")
    browsers = {user: tab(connect, user, stream, **claims) for user, claims in PEOPLE.items()}
    browsers["nobody in particular"] = connect(with_query("/ws", streams=stream))

    receipt = to_stream(control, stream, event("chosen"), selector=pb.Selector(**parts))
    control.to_stream(stream, event("all"))

    assert receipt.sessions == 5
    assert [user for user, browser in browsers.items() if heard(control, browser) == ["chosen", "all"]] == wanted
    for user, claims in PEOPLE.items():
        names, skipped = replayed(connect, stream, 2, token=token(user, **claims))
        given = (["chosen", "all"], {}) if user in wanted else (["all"], {"filtered": 1})
        assert (names, skipped) == given, user
    assert replayed(connect, stream, 2) == (["all"], {"filtered": 1})


def test_a_selector_narrows_everyone_and_a_user_too(control: Control, connect: Connect, fresh: Fresh) -> None:
    """BroadcastAll by role, BroadcastToUser by a label that only some of the user's tabs have."""
    user = fresh("user")
    phone = tab(connect, user, "", labels={"device": "phone"}, roles=["tester"])
    desk = tab(connect, user, "", labels={"device": "desk"})

    control.to_all(event("all"), options=pb.PublishOptions(selector=pb.Selector(roles=["tester"])))
    control.to_user(user, event("one"), options=pb.PublishOptions(selector=pb.Selector(labels={"device": "desk"})))

    assert heard(control, phone) == ["all"]
    assert heard(control, desk) == ["one"]


# --- Exclusions ---


def test_sessions_and_users_may_be_left_out(control: Control, connect: Connect, fresh: Fresh) -> None:
    """The sender's own tab, or all tabs of a user; everybody else hears it."""
    stream, alice, bob = fresh("log"), fresh("alice"), fresh("bob")
    alices = [tab(connect, alice, stream) for _ in range(2)]
    bobs = tab(connect, bob, stream)
    anonymous = connect(with_query("/ws", streams=stream))

    to_stream(control, stream, event("not this tab"), exclude_sessions=[alices[0].session, anonymous.session])
    to_stream(control, stream, event("not bob"), exclude_users=[bob, fresh("nobody")])
    to_stream(control, stream, event("not them"), exclude_users=[alice], exclude_sessions=[bobs.session])

    assert heard(control, alices[0]) == ["not bob"]
    assert heard(control, alices[1]) == ["not this tab", "not bob"]
    assert heard(control, bobs) == ["not this tab"]
    assert heard(control, anonymous) == ["not bob", "not them"]


def test_exclusions_hold_on_replay(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A left-out user gets a marker in the message's place, in whatever session; so does a session that subscribes
    anew."""
    stream, alice = fresh("log"), fresh("alice")
    browser = tab(connect, alice, stream)
    position = control.to_stream(stream, event("a")).position
    to_stream(control, stream, event("not alice"), exclude_users=[alice])
    to_stream(control, stream, event("not this tab"), exclude_sessions=[browser.session])
    control.to_stream(stream, event("b"))
    live = heard(control, browser)

    reply = browser.ask("subscribe", streams=[stream], recover={stream: {"epoch": position.epoch, "offset": 1}})

    assert live == ["a", "b"]
    assert reply["data"]["logs"][stream]["reason"] == "ok"
    assert counts_of(browser.receive()) == {"excluded": 2}
    assert browser.receive()["event"] == "b"
    assert replayed(connect, stream, 4, token=token(alice)) == (["a", "not this tab", "b"], {"excluded": 1})
    assert replayed(connect, stream, 4) == (["a", "not alice", "not this tab", "b"], {})


def test_a_sender_that_comes_back_is_recognised(control: Control, connect: Connect, fresh: Fresh) -> None:
    """?resume= of the welcome's "resume": what its former self was left out of does not come on replay, twice in a row;
    nor live."""
    stream = fresh("log")
    first = connect(with_query("/ws", streams=stream))
    to_stream(control, stream, event("by the first"), exclude_sessions=[first.session])
    first.leave()
    second = connect(with_query("/ws", streams=stream, resume=first.welcome["resume"]))
    to_stream(control, stream, event("by the second"), exclude_sessions=[second.session])
    to_stream(control, stream, event("by the first, late"), exclude_sessions=[first.session])
    control.to_stream(stream, event("by another"))

    assert heard(control, second) == ["by another"]
    second.leave()
    resumed = replayed(connect, stream, 4, resume=second.welcome["resume"])
    assert resumed == (["by another"], {"excluded": 3})
    once = replayed(connect, stream, 4, resume=first.welcome["resume"])
    assert once == (["by the second", "by another"], {"excluded": 2})
    assert len(replayed(connect, stream, 4)[0]) == 4


def test_a_resume_names_the_session_itself(connect: Connect) -> None:
    """Without a former self it is the session's own id; with one, both."""
    first = connect()
    second = connect(with_query("/ws", resume=first.welcome["resume"]))

    assert first.session in first.welcome["resume"]
    assert first.session in second.welcome["resume"] and second.session in second.welcome["resume"]


# --- A subscriber's own filter ---


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a name": ({"events": ["a"]}, ["a"]),
    "two names": ({"events": ["a", "b.one"]}, ["a", "b.one"]),
    "a beginning": ({"events": ["b.*"]}, ["b.one", "b.two"]),
    "a name and a beginning": ({"events": ["a", "b.t*"]}, ["a", "b.two"]),
    "any name": ({"events": ["*"]}, ["a", "b.one", "b.two", "c"]),
    "a name that never comes": ({"events": ["b"]}, []),
    "meta": ({"meta": {"room": "5"}}, ["a", "b.one"]),
    "two annotations": ({"meta": {"room": "5", "floor": "1"}}, ["b.one"]),
    "an annotation that never comes": ({"meta": {"room": ""}}, []),
    "a beginning and meta": ({"events": ["b.*"], "meta": {"room": "5"}}, ["b.one"]),
    "nothing": ({}, ["a", "b.one", "b.two", "c"]),
    "empty parts": ({"events": [], "meta": {}}, ["a", "b.one", "b.two", "c"]),
}


def publish_for_filters(control: Control, stream: str) -> Any:
    """Returns the last receipt."""
    control.to_stream(stream, event("a", meta={"room": "5"}))
    control.to_stream(stream, event("b.one", meta={"room": "5", "floor": "1"}))
    control.to_stream(stream, event("b.two", meta={"room": "6"}))
    return control.to_stream(stream, event("c"))


@pytest.mark.parametrize("case", FILTERS)
def test_a_subscriber_may_filter(control: Control, connect: Connect, fresh: Fresh, case: str) -> None:
    """By name and by meta, both of which must hold; live and on replay it is given the same."""
    wish, wanted = FILTERS[case]
    stream = fresh("log")
    live, late = connect(), connect()
    live.ask("subscribe", streams=[stream], filter=wish)
    epoch = publish_for_filters(control, stream).position.epoch
    late.ask("subscribe", streams=[stream], filter=wish, recover={stream: {"epoch": epoch, "offset": 0}})
    end = control.to_stream(stream, event("end", meta={"room": "5", "floor": "1"})).position.offset

    for browser in (live, late):
        names: list[str] = []
        offset = 0
        while offset < end:
            message = browser.receive()
            if message["event"] == "skip":
                counts = counts_of(message)
                assert set(counts) == {"filtered"}
                assert message["data"]["offset"] == offset + counts["filtered"]
                offset = message["data"]["offset"]
            else:
                assert message["meta"]["offset"] == offset + 1
                offset += 1
                names.append(message["event"])
        assert [name for name in names if name != "end"] == wanted


def test_a_marker_stands_before_the_next_message(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A client that has a message knows the fate of all before it."""
    stream = fresh("log")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    for name in ("yes", "no", "no", "yes"):
        last = control.to_stream(stream, event(name))

    received = browser.receive_until("yes"), browser.receive_until("yes")

    assert received[0] == []
    assert sum(counts_of(marker)["filtered"] for marker in received[1]) == 2
    assert received[1][-1]["data"]["offset"] == last.position.offset - 1


def test_a_marker_comes_at_idle(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Nothing else has to happen: a client's position never falls far behind."""
    stream = fresh("log")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    receipt = control.to_stream(stream, event("no"))

    marker = browser.receive()

    assert marker["data"] == {
        "stream": stream, "epoch": receipt.position.epoch, "offset": receipt.position.offset, "filtered": 1
    }


def test_what_is_filtered_without_a_log_leaves_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """There is no position that could have a hole."""
    stream = fresh("unlogged")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["yes"]})
    for name in ("no", "yes", "no", "yes"):
        control.to_stream(stream, event(name))

    received = [browser.receive(), browser.receive()]

    assert [message["event"] for message in received] == ["yes", "yes"]


def test_a_filter_is_of_one_subscription(control: Control, connect: Connect, fresh: Fresh) -> None:
    """It changes with the next filter, ends with the subscription, and touches no other stream."""
    stream, other = fresh("unlogged"), fresh("unlogged")
    browser = connect(with_query("/ws", streams=other))

    def publish_and_hear() -> list[str]:
        for name in ("a", "b"):
            control.to_stream(stream, event(name))
            control.to_stream(other, event("other"))
        return heard(control, browser)

    browser.ask("subscribe", streams=[stream], filter={"events": ["a"]})
    assert publish_and_hear() == ["a", "other", "other"]
    browser.ask("subscribe", streams=[stream], filter={"events": ["b"]})
    assert publish_and_hear() == ["other", "b", "other"]
    browser.unsubscribe(stream)
    browser.subscribe(stream)
    assert publish_and_hear() == ["a", "other", "b", "other"]


# --- report ---


def counted(report: Any) -> tuple[int, int, int, int]:
    assert not report.partial
    return report.queued, report.filtered, report.dropped, report.replaying


def test_a_report_counts_who_was_given_it(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Queued, and filtered by a selector, an exclusion or the subscriber itself; absent where nobody asked."""
    stream = fresh("log")
    browsers = [connect(with_query("/ws", streams=stream)) for _ in range(3)]
    filtering = connect()
    filtering.ask("subscribe", streams=[stream], filter={"events": ["other"]})
    tab(connect, "alice", stream, roles=["admin"])

    plain = to_stream(control, stream, report=True)
    excluded = to_stream(control, stream, event("other"), report=True, exclude_sessions=[browsers[0].session])
    selected = to_stream(control, stream, event("other"), report=True, selector=pb.Selector(roles=["admin"]))

    assert counted(plain.report) == (4, 1, 0, 0)
    assert counted(excluded.report) == (4, 1, 0, 0)
    assert counted(selected.report) == (1, 4, 0, 0)
    assert {receipt.sessions for receipt in (plain, excluded, selected)} == {5}
    assert not to_stream(control, stream).HasField("report")


def test_every_target_reports(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A user's tabs, several users', one session; and nobody at all."""
    alice, bob, stream = fresh("alice"), fresh("bob"), fresh("stream")
    tabs = [tab(connect, alice, stream), tab(connect, alice, ""), tab(connect, bob, "")]
    options = pb.PublishOptions(report=True)

    assert counted(control.to_user(alice, options=options).report) == (2, 0, 0, 0)
    assert counted(control.to_user(alice, stream=stream, options=options).report) == (1, 1, 0, 0)
    assert counted(control.to_users([alice, bob], options=options).receipt.report) == (3, 0, 0, 0)
    assert counted(control.to_session(tabs[0].session, options=options).report) == (1, 0, 0, 0)
    assert control.to_all(options=options).report.queued >= 3
    for receipt in (
        control.to_user(fresh("nobody"), options=options),
        control.to_session("0" * 20, options=options),
        to_stream(control, fresh("stream"), report=True),
    ):
        assert receipt.HasField("report")
        assert counted(receipt.report) == (0, 0, 0, 0)


def test_a_report_counts_whom_a_message_was_dropped_for(control: Control, connect: Connect, fresh: Fresh) -> None:
    """A reader that does not read, where the newest messages are dropped; the others are given it."""
    stream = fresh("newest")
    keeps_up = connect(with_query("/ws", streams=stream))
    connect(with_query("/tight", streams=stream), receive_buffer=4096)
    filling = event("filling", json=json.dumps("x" * 100_000))

    def publish_and_look() -> tuple[int, int, int, int]:
        receipt = to_stream(control, stream, filling, report=True)
        assert keeps_up.receive()["event"] == "filling"
        return counted(receipt.report)

    assert publish_and_look() == (2, 0, 0, 0)
    eventually(publish_and_look, lambda counts: counts == (1, 0, 1, 0), "the report")


def test_a_report_counts_who_is_still_catching_up(control: Control, connect: Connect, fresh: Fresh) -> None:
    """They get it from the log, after what they missed."""
    stream = fresh("log")
    for number in range(60):
        control.to_stream(stream, event("old", json=json.dumps([number, "x" * 50_000])))
    keeps_up = connect(with_query("/ws", streams=stream))
    behind = connect(with_query("/patient", streams=stream, recover=f"{stream}::0"), receive_buffer=4096)

    receipt = to_stream(control, stream, event("new"), report=True)

    assert counted(receipt.report) == (1, 0, 0, 1)
    assert keeps_up.receive()["event"] == "new"
    assert [message["data"][0] for message in behind.receive_until("new")] == list(range(60))


def test_a_duplicate_reports_nothing(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Nothing was sent, so there is nothing to count; the answer comes all the same."""
    stream = fresh("log")
    connect(with_query("/ws", streams=stream))
    to_stream(control, stream, request_id="1", report=True)

    receipt = to_stream(control, stream, request_id="1", report=True)

    assert receipt.duplicate and not receipt.HasField("report")


def test_publish_stream_does_not_report(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Its answers have no place for it: the item fails, naming the field, and is not published."""
    stream = fresh("log")
    browser = connect(with_query("/ws", streams=stream))
    publisher = control.publisher()
    options = pb.PublishOptions(report=True)

    publisher.send([
        pb.PublishItem(broadcast_stream=pb.BroadcastStreamRequest(stream=stream, event=event("no"), options=options)),
        stream_item(stream, event("yes")),
    ])
    (failure,) = publisher.finish()

    assert (failure.seq, failure.code) == (1, 3)
    assert "options.report" in failure.message
    assert heard(control, browser) == ["yes"]


def test_a_refused_call_with_a_report_is_answered(control: Control, fresh: Fresh) -> None:
    """At once, with the refusal."""
    refusal = to_stream_refused(control, fresh("unlogged"), report=True, expected_position=position_of("e", 1))

    assert refusal.reason == "NO_LOG"


def test_a_new_token_leaves_the_filter_as_it_is(control: Control, connect: Connect, fresh: Fresh) -> None:
    """Also where the token grants the stream and asks for what was missed."""
    stream = fresh("chat")
    browser = connect()
    browser.ask("subscribe", streams=[stream], filter={"events": ["wanted"]})
    reply = browser.ask("auth", token=token(fresh("ann"), streams=[stream]), since="latest")
    assert reply["data"]["streams"] == [stream]
    control.to_stream(stream, event("unwanted"))
    control.to_stream(stream, event("wanted"))
    heard = [message["event"] for message in (browser.receive(),)]
    assert heard in (["wanted"], ["skip"])
