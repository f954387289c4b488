"""What the real gateway cannot be brought to do at will: a server in this process answers instead."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes import Fake
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration

from carillon_client import CarillonError, Client, InvalidArgument, PartialResult, Position, ResourceExhausted
from carillon_client._pb import control_pb2
from carillon_client.error_details import Details, FieldViolation, read_details

def length_delimited(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def details(*packed: tuple[str, bytes]) -> bytes:
    """An encoded google.rpc.Status with code 8."""
    status = bytes([1 << 3, 8]) + length_delimited(2, b"behind")
    for name, value in packed:
        any_message = AnyMessage(type_url=f"type.googleapis.com/google.rpc.{name}", value=value)
        status += length_delimited(3, any_message.SerializeToString())
    return status


def test_exhausted_says_when_to_try_again(fake: Fake, address: str) -> None:
    delay = Duration(seconds=1, nanos=500_000_000).SerializeToString()
    entry = length_delimited(1, b"shard") + length_delimited(2, b"3")
    status = details(
        ("ErrorInfo", length_delimited(1, b"MAILBOX_FULL") + length_delimited(3, entry)),
        ("RetryInfo", length_delimited(1, delay)),
        ("BadRequest", length_delimited(1, length_delimited(1, b"event") + length_delimited(2, b"too large"))),
    )

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", status),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "behind")

    fake.answer = answer
    with Client(address, "") as client, pytest.raises(ResourceExhausted, match="RESOURCE_EXHAUSTED: behind") as caught:
        client.broadcast_stream("chat", event="said")

    assert caught.value.retry_after == 1.5
    assert caught.value.reason == "MAILBOX_FULL"
    assert caught.value.metadata == {"shard": "3"}
    assert caught.value.field_violations == (FieldViolation("event", "too large"),)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.code, copy.retry_after) == (ResourceExhausted, caught.value.code, 1.5)
    assert len(fake.requests) == 1, "it was tried again"


@pytest.mark.parametrize(
    "status",
    [
        b"",
        details(),
        details(("BadRequest", b"\x0a\x05\x0a")),
        details(("RetryInfo", b"")),
        details(("RetryInfo", b"\x0a\x05\x08")),
        details(("ErrorInfo", b"\x0a\x01\xff")),
        b"\x1a",
        b"\xff" * 40,
        b"\x0d\x00\x00\x00\x00",
    ],
)
def test_details_that_are_absent_or_broken_are_left_out(status: bytes) -> None:
    assert read_details(status) == Details()


def test_a_late_answer_is_deadline_exceeded(fake: Fake, address: str) -> None:
    release = threading.Event()

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        release.wait(10)
        return control_pb2.CountSubscribersResponse()

    fake.answer = answer
    with Client(address, "", timeout=10) as client, pytest.raises(CarillonError) as caught:
        client.count_subscribers(timeout=0.05)
    release.set()

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_close_ends_a_call_that_still_runs(fake: Fake, address: str) -> None:
    begun, release = threading.Event(), threading.Event()

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        begun.set()
        release.wait(10)
        return control_pb2.CountSubscribersResponse()

    fake.answer = answer
    client = Client(address, "", timeout=10)
    with futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.count_subscribers)
        assert begun.wait(10)
        client.close()
        error = call.exception(10)
    release.set()

    assert isinstance(error, CarillonError)
    assert error.code is grpc.StatusCode.CANCELLED


def test_a_partial_list_raises_at_its_end(fake: Fake, address: str) -> None:
    pages = {
        "": control_pb2.SubscribersResponse(
            subscribers=[control_pb2.Subscriber(session_id="a")], next_page_token="2", partial=True
        ),
        "2": control_pb2.SubscribersResponse(next_page_token="3"),
        "3": control_pb2.SubscribersResponse(subscribers=[control_pb2.Subscriber(session_id="b")]),
    }
    fake.answer = lambda request, context: pages[request.page_token]
    seen = []

    with Client(address, "") as client, pytest.raises(PartialResult):
        for each in client.subscribers(stream="chat"):
            seen.append(each.session_id)

    assert seen == ["a", "b"]


def test_a_position_is_passed_on(fake: Fake, address: str) -> None:
    position = {"epoch": "e1", "offset": 7}
    fake.answer = lambda request, context: control_pb2.BroadcastStreamResponse(
        receipt={"message_id": "m", "sessions": 3, "position": position}
    )

    with Client(address, "") as client:
        receipt = client.broadcast_stream("chat", event="said")

    assert receipt.position == Position("e1", 7)
    copy = pickle.loads(pickle.dumps(receipt))
    assert copy == receipt
    assert hash(copy) == hash(receipt)


def test_address_and_token_come_from_the_environment(fake: Fake, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.answer = lambda request, context: control_pb2.CountSubscribersResponse(sessions=5)
    monkeypatch.setenv("CARILLON_ADDRESS", address)
    monkeypatch.setenv("CARILLON_TOKEN", "from-the-environment")

    with Client() as client:
        assert client.count_subscribers() == 5
    assert fake.metadata["authorization"] == "Bearer from-the-environment"

    with Client(token="") as client:
        assert client.count_subscribers() == 5
    assert "authorization" not in fake.metadata


@pytest.fixture(params=["argument", "variable", "file"])
def client_with(
    request: pytest.FixtureRequest, make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str, bytes], Client]:
    """Makes a client of either kind whose key comes in one of the ways."""

    def make(address: str, key: bytes) -> Client:
        if request.param == "argument":
            return make_client(address, key.decode(errors="surrogateescape"))
        if request.param == "variable":
            monkeypatch.setenv("CARILLON_TOKEN", os.fsdecode(key))
        else:
            (tmp_path / "key").write_bytes(key)
            monkeypatch.delenv("CARILLON_TOKEN", raising=False)
            monkeypatch.setenv("CARILLON_TOKEN_FILE", str(tmp_path / "key"))
        return make_client(address)

    return make


def test_white_space_around_a_key_is_taken_off(
    fake: Fake, address: str, client_with: Callable[[str, bytes], Client]
) -> None:
    fake.answer = lambda request, context: control_pb2.CountSubscribersResponse(sessions=5)

    assert client_with(address, b"\t a key \r\n").count_subscribers() == 5
    assert fake.metadata["authorization"] == "Bearer a key"
    assert client_with(address, b" \n").count_subscribers() == 5
    assert "authorization" not in fake.metadata


@pytest.mark.parametrize(
    "key", [b"s3cr3t\ns3cr3t", "s3cr3t-ü".encode(), "\ufeffs3cr3t".encode(), b"s3cr3t\x7f", b"s3cr3t\xff"]
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(
    client_with: Callable[[str, bytes], Client], key: bytes
) -> None:
    whence = "token|CARILLON_TOKEN|CARILLON_TOKEN_FILE .*/key."
    with pytest.raises(ValueError, match=f"^({whence}): .*printable ASCII") as caught:
        client_with("127.0.0.1:1", key)
    assert "s3cr3t" not in str(caught.value)


def test_data_is_written_as_compact_text(fake: Fake, address: str) -> None:
    fake.answer = lambda request, context: control_pb2.BroadcastStreamResponse()

    with Client(address, "") as client:
        for data in ({"a": [1, "ü"]}, bytearray(b"\xff"), None):
            client.broadcast_stream("chat", event="said", data=data)

    events = [request.event for request in fake.requests]
    assert events[0].json == '{"a":[1,"ü"]}'
    assert events[1].binary == b"\xff"
    assert events[2].WhichOneof("payload") is None


@pytest.mark.parametrize("data", [float("nan"), object(), {"a": {1, 2}}, "\ud800"])
def test_data_that_json_cannot_hold_is_not_sent(data: object) -> None:
    with Client("127.0.0.1:1", "") as client, pytest.raises((TypeError, ValueError)):
        client.broadcast_stream("chat", event="said", data=data)


def test_an_empty_name_is_still_a_target(fake: Fake, address: str) -> None:
    """Left out, an empty user would mean every session."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, request.WhichOneof("target") or "nothing")

    fake.answer = answer
    with Client(address, "") as client:
        with pytest.raises(InvalidArgument, match="user_id"):
            client.count_subscribers(user_id="")
        with pytest.raises(InvalidArgument, match="stream"):
            client.kick(stream="")


def test_close_may_be_called_again_and_ends_the_client() -> None:
    client = Client("127.0.0.1:1", "")

    client.close()
    client.close()

    with pytest.raises(CarillonError) as caught:
        client.count_subscribers()
    assert caught.value.code is grpc.StatusCode.CANCELLED


def test_the_stubs_stay_inside_the_package() -> None:
    assert control_pb2.DESCRIPTOR.name == "carillon/v1/control.proto"
    assert control_pb2.KickRequest.__module__ == "carillon_client._pb.control_pb2"
    request = control_pb2.KickRequest(user_id="alice")
    assert pickle.loads(pickle.dumps(request)) == request
