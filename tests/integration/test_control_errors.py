"""What a backend gets for a bad call: the status that says what to do, the field, and details for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, struct_pb2
from support.control import Control, Event, event, pb, stream_item
from support.patience import eventually
from support.ws import Browser

ALL, PUBLISH, READ, ADMIN = ("all-" + "k" * 16, "publish-" + "k" * 16, "read-" + "k" * 16, "admin-" + "k" * 16)

CALLS: dict[str, tuple[Any, str]] = {
    "BroadcastToUser": (pb.BroadcastToUserRequest(user_id="a", event=event()), PUBLISH),
    "BroadcastToUsers": (pb.BroadcastToUsersRequest(user_ids=["a"], event=event()), PUBLISH),
    "BroadcastStream": (pb.BroadcastStreamRequest(stream="a", event=event()), PUBLISH),
    "BroadcastAll": (pb.BroadcastAllRequest(event=event()), PUBLISH),
    "SendToSession": (pb.SendToSessionRequest(session_id="0" * 20, event=event()), PUBLISH),
    "Kick": (pb.KickRequest(user_id="a"), ADMIN),
    "Subscribers": (pb.SubscribersRequest(user_id="a"), READ),
    "CountSubscribers": (pb.CountSubscribersRequest(), READ),
    "RevokeTokens": (pb.RevokeTokensRequest(user_id="nobody"), ADMIN),
    "BlockUser": (pb.BlockUserRequest(user_id="nobody"), ADMIN),
    "UnblockUser": (pb.UnblockUserRequest(user_id="nobody"), ADMIN),
    "ListBlockedUsers": (pb.ListBlockedUsersRequest(), READ),
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "control": {
            "keys": [
                {"name": "all", "secret": ALL},
                {"name": "publish", "secret": PUBLISH, "verbs": ["publish"]},
                {"name": "read", "secret": READ, "verbs": ["read"]},
                {"name": "admin", "secret": ADMIN, "verbs": ["admin"]},
            ]
        }
    }


@pytest.fixture
def control(gateway: Any) -> Iterator[Control]:
    with Control(gateway.control, ALL) as connected:
        yield connected


# --- Keys ---


@pytest.mark.parametrize("method", CALLS)
def test_a_call_needs_a_key_with_its_verb(control: Control, method: str) -> None:
    """The key with the verb may, the others lack it: PERMISSION_DENIED names the verb."""
    request, right_key = CALLS[method]

    for key in (PUBLISH, READ, ADMIN):
        metadata = (("authorization", f"Bearer {key}"),)
        if key == right_key:
            control.call(method, request, metadata=metadata)
            continue
        refusal = control.refused(method, request, metadata=metadata)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_TOO_NARROW")
        assert right_key.partition("-")[0] in refusal.message
    control.call(method, request)


@pytest.mark.parametrize("method", CALLS)
def test_every_bad_key_gets_the_same_words(control: Control, method: str) -> None:
    """UNAUTHENTICATED does not tell a stranger how near the guess was."""
    request, _ = CALLS[method]
    metadata = [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", f"Basic {ALL}"),),
        (("authorization", ALL),),
        (("authorization", f"Bearer {ALL[:-1]}"),),
        (("authorization", f"Bearer {ALL}k"),),
        (("authorization", f"Bearer {ALL.upper()}"),),
    ]

    refusals = [control.refused(method, request, metadata=each) for each in metadata]

    assert {(each.code, each.reason) for each in refusals} == {(grpc.StatusCode.UNAUTHENTICATED, "KEY_INVALID")}
    assert len({each.message for each in refusals}) == 1


def test_refused_calls_are_counted_and_logged(gateway: Any, control: Control) -> None:
    """By status, with the name of the key that lacks something, and never with the key itself."""
    name = "carillon_control_refused_total"
    guess = "a-guess-at-the-key-0123456789"
    with gateway.rises(name, code="unauthenticated"), gateway.rises(name, code="permission_denied"):
        for key in (guess, READ):
            control.refused("Kick", pb.KickRequest(user_id="x"), metadata=(("authorization", f"Bearer {key}"),))

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in gateway.log_text().splitlines() if "refused a call" in line]

    eventually(lambda: {line["key"] for line in lines()}, lambda keys: keys >= {"", "read"}, "both")
    assert {line["level"] for line in lines()} == {"warn"}
    assert guess not in gateway.log_text() and READ not in gateway.log_text()


def test_a_kick_is_logged_with_its_caller_and_whom_it_met(gateway: Any, control: Control) -> None:
    """For whoever asks afterwards who closed whose connection."""
    control.kick(user_id="the-kicked-one")

    found = eventually(lambda: [line for line in gateway.log_text().splitlines() if "the-kicked-one" in line], bool, "log")
    line = json.loads(found[0])
    assert (line["msg"], line["key"], line["user"]) == ("kick", "all", "the-kicked-one")


def test_publish_stream_needs_a_key_as_well(gateway: Any) -> None:
    """Before the first item is looked at."""
    for key, code in ((None, "UNAUTHENTICATED"), (READ, "PERMISSION_DENIED")):
        with Control(gateway.control, key) as control:
            publisher = control.publisher()
            publisher.send([stream_item("a")])

            assert publisher.refused().code.name == code


def test_a_refused_call_has_had_no_effect(control: Control, connect: Callable[..., Browser]) -> None:
    """A kick without the verb closes nobody."""
    browser = connect()

    control.refused("Kick", pb.KickRequest(session_id=browser.session), metadata=(("authorization", f"Bearer {READ}"),))

    assert browser.ask("ping")["event"] == "pong"


# --- Fields ---


def to_user(**fields: Any) -> tuple[str, Any]:
    return "BroadcastToUser", pb.BroadcastToUserRequest(**{"user_id": "a", "event": event(), **fields})


def with_event(message: Event) -> tuple[str, Any]:
    return "BroadcastStream", pb.BroadcastStreamRequest(stream="a", event=message)


def deep_value(depth: int) -> struct_pb2.Value:
    value = struct_pb2.Value(number_value=1)
    for _ in range(depth):
        value = struct_pb2.Value(list_value=struct_pb2.ListValue(values=[value]))
    return value


BAD_FIELDS = {
    "no user": (*to_user(user_id=""), "user_id"),
    "a user of 257 bytes": (*to_user(user_id="x" * 257), "user_id"),
    "a user with a line break": (*to_user(user_id="a\nb"), "user_id"),
    "a stream with a space": (*to_user(stream="a b"), "stream"),
    "the stream system": (*to_user(stream="system"), "stream"),
    "no users": ("BroadcastToUsers", pb.BroadcastToUsersRequest(event=event()), "user_ids"),
    "1,001 users": (
        "BroadcastToUsers", pb.BroadcastToUsersRequest(user_ids=map(str, range(1001)), event=event()), "user_ids"
    ),
    "one bad user among good ones": (
        "BroadcastToUsers", pb.BroadcastToUsersRequest(user_ids=["a", "", "b"], event=event()), "user_ids[1]"
    ),
    "no stream": ("BroadcastStream", pb.BroadcastStreamRequest(event=event()), "stream"),
    "a stream of 129 bytes": ("BroadcastStream", pb.BroadcastStreamRequest(stream="s" * 129, event=event()), "stream"),
    "a stream with an umlaut": ("BroadcastStream", pb.BroadcastStreamRequest(stream="ä", event=event()), "stream"),
    "a stream beginning with @": ("BroadcastAll", pb.BroadcastAllRequest(stream="@all", event=event()), "stream"),
    "no session": ("SendToSession", pb.SendToSessionRequest(event=event()), "session_id"),
    "a session of 19 digits": (
        "SendToSession", pb.SendToSessionRequest(session_id="0" * 19, event=event()), "session_id"
    ),
    "a session in upper case": (
        "SendToSession", pb.SendToSessionRequest(session_id="A" * 20, event=event()), "session_id"
    ),
    "no event": ("BroadcastAll", pb.BroadcastAllRequest(), "event.name"),
    "no name": (*with_event(Event()), "event.name"),
    "a name of 129 bytes": (*with_event(event("n" * 129)), "event.name"),
    "a name with a control character": (*with_event(event("a\tb")), "event.name"),
    "broken JSON": (*with_event(event(json='{"a":}')), "event.json"),
    "empty JSON": (*with_event(event(json="")), "event.json"),
    "two values of JSON": (*with_event(event(json="1 2")), "event.json"),
    "JSON with a comment": (*with_event(event(json="1 // one")), "event.json"),
    "JSON with NaN": (*with_event(event(json="NaN")), "event.json"),
    "JSON with a raw line break in a string": (*with_event(event(json='"a\nb"')), "event.json"),
    "JSON of 33 levels": (*with_event(event(json="[" * 33 + "]" * 33)), "event.json"),
    "JSON of 100,000 levels": (*with_event(event(json="[" * 100_000)), "event.json"),
    "a value that is none": (*with_event(event(value=struct_pb2.Value())), "event.value"),
    "a value with a field that is none": (
        *with_event(event(value=struct_pb2.Value(struct_value=struct_pb2.Struct(fields={"a": struct_pb2.Value()})))),
        "event.value",
    ),
    "a value with an entry that is none": (
        *with_event(event(value=struct_pb2.Value(list_value=struct_pb2.ListValue(values=[struct_pb2.Value()])))),
        "event.value",
    ),
    "a value that is not a number": (
        *with_event(event(value=struct_pb2.Value(number_value=float("nan")))), "event.value"
    ),
    "an infinite value": (*with_event(event(value=struct_pb2.Value(number_value=float("inf")))), "event.value"),
    "a value of 33 levels": (*with_event(event(value=deep_value(33))), "event.value"),
    "33 annotations": (*with_event(event(meta={str(number): "" for number in range(33)})), "event.meta"),
    "an annotation without a key": (*with_event(event(meta={"": "x"})), "event.meta"),
    "an annotation with a space": (*with_event(event(meta={"a b": "x"})), "event.meta"),
    "an annotation's key of 65 bytes": (*with_event(event(meta={"k" * 65: "x"})), "event.meta"),
    "an annotation of 1,025 bytes": (*with_event(event(meta={"k": "v" * 1025})), "event.meta"),
    **{f"the annotation {key}": (*with_event(event(meta={key: "x"})), "event.meta")
       for key in ("id", "ts", "offset", "epoch", "log")},
    "a count of no stream": ("CountSubscribers", pb.CountSubscribersRequest(stream=""), "stream"),
    "a count of no user": ("CountSubscribers", pb.CountSubscribersRequest(user_id=""), "user_id"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_a_bad_field_is_named(control: Control, case: str) -> None:
    """INVALID_ARGUMENT, with the field in the message for people and in BadRequest for programs."""
    method, request, field = BAD_FIELDS[case]

    refusal = control.refused(method, request)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refusal.fields == [field]
    assert field in refusal.message


def test_a_bad_message_is_refused_before_anybody_is_served(control: Control, connect: Callable[..., Browser]) -> None:
    """No part of a refused call happens."""
    browser = connect()
    users = pb.BroadcastToUsersRequest(user_ids=["a", "b\n"], event=event("half"))

    control.refused("BroadcastToUsers", users)
    control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event("half", json="{")))
    control.to_session(browser.session, event("end"))

    assert browser.receive()["event"] == "end"


def test_just_within_the_bounds_is_taken(control: Control) -> None:
    """Bounds are where they are said to be."""
    control.to_user("x" * 256, event("n" * 128, json="[" * 32 + "]" * 32))
    control.to_stream("s" * 128, event(value=deep_value(32)))


# --- gRPC's own bounds ---


def test_a_request_above_1_mib_is_refused(control: Control) -> None:
    """RESOURCE_EXHAUSTED, before it is looked at; the connection goes on."""
    refusal = control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event(json='"' + "x" * (1 << 20) + '"')))

    assert refusal.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert control.count() >= 0


def test_metadata_above_8_kib_is_refused(gateway: Any, control: Control) -> None:
    """Header floods end at the door, perhaps with their connection; the gateway serves on."""
    with Control(gateway.control, ALL) as flooding:
        metadata = (*flooding.metadata, ("x-note", "x" * 16384))

        refusal = flooding.refused("CountSubscribers", pb.CountSubscribersRequest(), metadata=metadata)

    assert refusal.code != grpc.StatusCode.DEADLINE_EXCEEDED
    assert control.count() >= 0


def test_bytes_that_are_no_message_are_refused(gateway: Any) -> None:
    """A method with garbage (which gRPC 1.51 words in its own way), and a method that there is not."""
    metadata = (("authorization", f"Bearer {ALL}"),)
    with Control(gateway.control, ALL) as control:
        for method, wanted in (("Kick", ("INTERNAL", "UNIMPLEMENTED")), ("Dance", ("UNIMPLEMENTED",))):
            raw = control.channel.unary_unary(f"/carillon.v1.ControlService/{method}")
            with pytest.raises(grpc.RpcError) as caught:
                raw(b"\xff\xff\xff\xff", timeout=30, metadata=metadata)
            assert caught.value.code().name in wanted


def test_a_deadline_that_has_passed_is_no_crash(control: Control) -> None:
    """DEADLINE_EXCEEDED or the answer; and the next call is served."""
    for _ in range(50):
        try:
            control.call("Kick", pb.KickRequest(user_id="nobody"), timeout=0.0005)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    assert control.count() >= 0


# --- Health and reflection ---


def test_health_is_open_to_everyone(gateway: Any) -> None:
    """Probes have no keys. Unknown services are NOT_FOUND to Check and SERVICE_UNKNOWN to Watch."""
    with Control(gateway.control) as control:
        assert control.health() == "SERVING"
        assert control.health("carillon.v1.ControlService") == "SERVING"
        with pytest.raises(grpc.RpcError) as caught:
            control.health("nothing")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert next(control.watch_health("carillon.v1.ControlService")) == "SERVING"
        assert next(control.watch_health("nothing")) == "SERVICE_UNKNOWN"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_and_describes(control: Control, version: str) -> None:
    """What grpcurl needs: the services, and the files of a symbol with all that they import."""
    services = [each.name for each in control.reflect(version, list_services="*").list_services_response.service]
    assert {
        "carillon.v1.ControlService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= set(services)

    for symbol in [*services, "carillon.v1.Envelope", "carillon.v1.ControlService.Kick"]:
        answer = control.reflect(version, file_containing_symbol=symbol)
        files = {
            file.name: file
            for file in map(
                descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto
            )
        }
        assert files, symbol
        assert {name for file in files.values() for name in file.dependency} <= files.keys()
        assert control.reflect(version, file_by_filename=next(iter(files))).file_descriptor_response

    assert control.reflect(version, file_containing_symbol="no.such.Thing").error_response.error_code == 5


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_wants_a_key(gateway: Any, version: str) -> None:
    """Any key will do; none will not."""
    with Control(gateway.control) as control:
        with pytest.raises(grpc.RpcError) as caught:
            control.reflect(version, list_services="*")
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with Control(gateway.control, READ) as control:
        assert control.reflect(version, list_services="*").list_services_response.service


def test_reflection_can_be_switched_off(start_gateway: Callable[..., Any]) -> None:
    """control.reflection: false leaves nothing of it."""
    with Control(start_gateway({"control": {"reflection": False}}).control) as control:
        with pytest.raises(grpc.RpcError) as caught:
            control.reflect("v1", list_services="*")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert control.health() == "SERVING"
