"""A backend's call reaches the browsers that it is for, all of them and no others, and says how many they are."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, struct_pb2
from support.control import Control, Event, event, pb
from support.gateway import token
from support.ws import Browser, with_query

MAX_PAYLOAD = 512 << 10


@pytest.fixture
def tab(connect: Callable[..., Browser]) -> Callable[..., Browser]:
    """Opens a tab of a user: tab("alice", "chat", "news")."""
    return lambda user, *streams: connect(with_query("/ws", token=token(user), streams=",".join(streams) or None))


def heard(control: Control, browser: Browser) -> list[str]:
    """The events that reached a browser before now: a last one marks their end."""
    control.to_session(browser.session, event("end-of-test"))
    return [message["event"] for message in browser.receive_until("end-of-test")]


# --- Audiences ---


def test_a_users_every_tab_hears_what_is_for_the_user(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """BroadcastToUser without a stream: all of the user's sessions, nobody else's, on "@user"."""
    alice, bob = fresh("alice"), fresh("bob")
    tabs, other = [tab(alice), tab(alice, "chat"), tab(alice)], tab(bob)

    receipt = control.to_user(alice, event("hello", json='{"n":1}'))

    assert receipt.sessions == 3
    assert receipt.message_id
    for each in tabs:
        message = each.receive()
        assert (message["stream"], message["event"], message["data"]) == ("@user", "hello", {"n": 1})
        assert message["meta"]["id"] == receipt.message_id
    assert heard(control, other) == []


def test_a_stream_narrows_a_users_tabs_to_those_that_listen(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """BroadcastToUser with a stream; any_session reaches the others as well."""
    alice, stream = fresh("alice"), fresh("stream")
    listens, does_not, other = tab(alice, stream), tab(alice), tab(fresh("bob"), stream)

    control.to_user(alice, event("narrow"), stream=stream)
    control.to_user(alice, event("wide"), stream=stream, any_session=True)

    first = listens.receive()
    assert (first["stream"], first["event"]) == (stream, "narrow")
    assert heard(control, listens) == ["wide"]
    assert heard(control, does_not) == ["wide"]
    assert heard(control, other) == []


def test_several_users_hear_the_same_message_once(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """BroadcastToUsers: repeated ids count once, absent users not at all, and the answer says how many there were."""
    alice, bob, nobody = fresh("alice"), fresh("bob"), fresh("nobody")
    tabs = [tab(alice), tab(alice), tab(bob)]

    answer = control.to_users([alice, bob, alice, nobody], event("both"))

    assert (answer.users, answer.receipt.sessions) == (2, 3)
    assert {each.receive()["meta"]["id"] for each in tabs} == {answer.receipt.message_id}
    assert [heard(control, each) for each in tabs] == [[], [], []]


def test_several_users_may_be_narrowed_to_a_stream(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """BroadcastToUsers with a stream, and with any_session."""
    alice, bob, stream = fresh("alice"), fresh("bob"), fresh("stream")
    listens, does_not = tab(alice, stream), tab(bob)

    control.to_users([alice, bob], event("narrow"), stream=stream)
    control.to_users([alice, bob], event("wide"), stream=stream, any_session=True)

    assert heard(control, listens) == ["narrow", "wide"]
    assert heard(control, does_not) == ["wide"]


def test_a_thousand_users_may_be_named_at_once(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """The bound on user_ids is 1,000, and the last one counts."""
    last = fresh("zoe")
    browser = tab(last)

    answer = control.to_users([f"absent-{number}" for number in range(999)] + [last])

    assert (answer.users, answer.receipt.sessions) == (1, 1)
    assert heard(control, browser) == ["note"]


def test_a_stream_reaches_its_subscribers(
    control: Control, tab: Callable[..., Browser], connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """BroadcastStream: of whatever user, or of none, on every shard."""
    stream, other = fresh("stream"), fresh("stream")
    listeners = [tab(fresh("user"), stream) for _ in range(4)] + [connect(with_query("/ws", streams=stream))]
    elsewhere = tab(fresh("user"), other)

    receipt = control.to_stream(stream, event("hello"))

    assert receipt.sessions == 5
    assert [heard(control, each) for each in listeners] == [["hello"]] * 5
    assert heard(control, elsewhere) == []


def test_everyone_hears_what_is_for_all(
    gateway: Any, control: Control, tab: Callable[..., Browser], connect: Callable[..., Browser]
) -> None:
    """BroadcastAll: with or without subscriptions, on "@all" or on the stream that was said."""
    gateway.wait_until_empty()
    browsers = [tab("alice", "chat"), tab("bob"), connect()]

    assert control.to_all(event("plain")).sessions == 3
    assert control.to_all(event("named"), stream="news").sessions == 3

    for each in browsers:
        assert [(m["stream"], m["event"]) for m in (each.receive(), each.receive())] == [
            ("@all", "plain"),
            ("news", "named"),
        ]


def test_one_session_hears_what_is_for_it_alone(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """SendToSession: one tab and not the other, on "@session" or on any stream, subscribed or not."""
    alice = fresh("alice")
    one, other = tab(alice), tab(alice)

    assert control.to_session(one.session, event("first")).sessions == 1
    assert control.to_session(one.session, event("second"), stream="news").sessions == 1

    assert [(m["stream"], m["event"]) for m in (one.receive(), one.receive())] == [
        ("@session", "first"),
        ("news", "second"),
    ]
    assert heard(control, other) == []


def test_nobody_listening_is_a_count_of_zero(control: Control, fresh: Callable[[str], str]) -> None:
    """Every broadcast to nobody is answered OK, with an id."""
    nobody = fresh("nobody")
    receipts = [
        control.to_user(nobody),
        control.to_user(nobody, stream="news"),
        control.to_users([nobody, fresh("nobody")]).receipt,
        control.to_stream(nobody),
        control.to_session("0000" + "0" * 16),
        control.to_session("003f" + "f" * 16),
    ]

    assert [receipt.sessions for receipt in receipts] == [0] * 6
    assert len({receipt.message_id for receipt in receipts}) == 6


def test_who_has_left_is_not_counted(
    control: Control, tab: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """A session that said goodbye is no audience any more; its other tab is."""
    alice, stream = fresh("alice"), fresh("stream")
    stays, leaves = tab(alice, stream), tab(alice, stream)

    leaves.leave()

    assert control.to_user(alice).sessions == 1
    assert control.to_stream(stream).sessions == 1
    assert control.to_session(leaves.session).sessions == 0
    assert heard(control, stays) == ["note", "note"]


def test_empty_topics_vanish(
    gateway: Any, control: Control, connect: Callable[..., Browser], tab: Callable[..., Browser]
) -> None:
    """Streams and users are there while somebody is, and cost nothing afterwards."""
    gateway.wait_until_empty()
    browsers = [tab(f"user-{number}", *(f"stream-{number}-{each}" for each in range(10))) for number in range(5)]
    gateway.wait_for_metric("carillon_streams", 50)
    gateway.wait_for_metric("carillon_users", 5)

    browsers[0].unsubscribe(*(f"stream-0-{each}" for each in range(10)))
    gateway.wait_for_metric("carillon_streams", 40)
    for each in browsers:
        each.close()

    gateway.wait_for_metric("carillon_streams", 0)
    gateway.wait_for_metric("carillon_users", 0)
    assert [control.count(), control.count(stream="stream-1-1"), control.count(user_id="user-1")] == [0, 0, 0]


# --- Payloads ---

VALUE = struct_pb2.Value(
    struct_value=struct_pb2.Struct(
        fields={
            "text": struct_pb2.Value(string_value="grüße 𝄞 \"\\\n\u2028</script>"),
            "list": struct_pb2.Value(list_value=struct_pb2.ListValue(values=[struct_pb2.Value(number_value=1.5)])),
            "none": struct_pb2.Value(null_value=0),
            "yes": struct_pb2.Value(bool_value=True),
        }
    )
)

PAYLOADS: dict[str, tuple[dict[str, Any], Any]] = {
    "an object of JSON": ({"json": '{"a":[1,2,{"b":null}]}'}, {"a": [1, 2, {"b": None}]}),
    "a number of JSON": ({"json": "-1.5e3"}, -1500.0),
    "a string of JSON": ({"json": '"grüße \\ud834\\udd1e 𝄞 \\u0000"'}, "grüße 𝄞 𝄞 \0"),
    "null as JSON": ({"json": "null"}, None),
    "white space around JSON": ({"json": " \n{ } \t"}, {}),
    "a value": (
        {"value": VALUE},
        {"text": "grüße 𝄞 \"\\\n\u2028</script>", "list": [1.5], "none": None, "yes": True},
    ),
    "bytes": ({"binary": bytes(range(256))}, base64.b64encode(bytes(range(256))).decode()),
    "no bytes": ({"binary": b""}, ""),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_payload_arrives_as_it_was_meant(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str], kind: str
) -> None:
    """Each arm of the payload, as JSON clients see it."""
    payload, wanted = PAYLOADS[kind]
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))

    control.to_stream(stream, Event(name="note", **payload))

    assert browser.receive()["data"] == wanted


def test_ready_json_is_sent_byte_for_byte(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Numbers keep their digits, keys their order and repetitions: it is spliced, not parsed and written again."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))
    payload = '{"z":1.10,"a":123456789012345678901234567890,"z":"\\u00fc"}'

    control.to_stream(stream, event(json=payload))

    assert f'"data":{payload},"meta"'.encode() in browser.next_message().payload


def test_a_typed_payload_needs_a_type(control: Control) -> None:
    """One that is registered: see test_typed_events.py."""
    def refused(**fields: str) -> Any:
        request = pb.BroadcastStreamRequest(stream="a", event=Event(name="note", message=any_pb2.Any(**fields)))
        return control.refused("BroadcastStream", request)

    assert refused().fields == ["event.message.type_url"]
    unknown = refused(type_url="type.googleapis.com/shop.v1.Order")
    assert (unknown.code, unknown.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TYPE_UNKNOWN")


def test_annotations_arrive_in_meta(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """Beside the message's id and the time, in milliseconds, when the gateway accepted it."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))
    meta = {"trace-id": "abc", "Zone": "ü\n\"", "a.b_c": "", "k" * 64: "v" * 1024}
    before = int(time.time() * 1000)

    receipt = control.to_stream(stream, event(meta=meta))

    received = browser.receive()["meta"]
    assert received.pop("id") == receipt.message_id
    assert before - 1000 <= received.pop("ts") <= int(time.time() * 1000) + 1000
    assert received == meta
    assert not receipt.HasField("position")


def test_32_annotations_are_taken(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    """The bound is where it is said to be."""
    stream = fresh("stream")
    browser = connect(with_query("/ws", streams=stream))

    control.to_stream(stream, event(meta={f"key-{number}": "x" for number in range(32)}))

    assert len(browser.receive()["meta"]) == 2 + 32


@pytest.mark.parametrize(
    "payload, size",
    [
        ({"json": '"' + "x" * (MAX_PAYLOAD - 2) + '"'}, MAX_PAYLOAD - 2),
        ({"value": struct_pb2.Value(string_value="x" * (MAX_PAYLOAD - 2))}, MAX_PAYLOAD - 2),
        # 393,216 bytes are 524,288 characters of base64.
        ({"binary": b"\0" * (MAX_PAYLOAD * 3 // 4)}, MAX_PAYLOAD),
    ],
    ids=["json", "value", "binary"],
)
def test_the_largest_payload_arrives_whole(
    control: Control, connect: Callable[..., Browser], fresh: Callable[[str], str], payload: dict[str, Any], size: int
) -> None:
    """512 KiB, measured as the text that clients receive."""
    stream = fresh("stream")
    browsers = [connect(with_query("/ws", streams=stream)) for _ in range(3)]

    control.to_stream(stream, Event(name="note", **payload))

    for browser in browsers:
        assert len(browser.receive()["data"]) == size


@pytest.mark.parametrize(
    "payload",
    [
        {"json": '"' + "x" * (MAX_PAYLOAD - 1) + '"'},
        {"value": struct_pb2.Value(string_value="x" * (MAX_PAYLOAD - 1))},
        {"value": struct_pb2.Value(string_value="\n" * (MAX_PAYLOAD // 2))},
        {"binary": b"\0" * (MAX_PAYLOAD * 3 // 4 + 1)},
    ],
    ids=["json", "value", "value that grows when written", "binary"],
)
def test_a_payload_above_the_limit_is_refused(control: Control, payload: dict[str, Any]) -> None:
    """One byte more: INVALID_ARGUMENT, which names the setting."""
    refusal = control.refused("BroadcastAll", pb.BroadcastAllRequest(event=Event(name="note", **payload)))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields[0].startswith("event")
    assert "limits.max_publish_bytes" in refusal.message


def test_the_limit_can_be_lowered(start_gateway: Callable[..., Any]) -> None:
    """limits.max_publish_bytes decides."""
    gateway = start_gateway({"limits": {"max_publish_bytes": "1KiB"}})
    with Control(gateway.control) as control:
        control.to_all(event(json=json.dumps("x" * 1022)))

        refusal = control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event(json=json.dumps("x" * 1023))))

    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
