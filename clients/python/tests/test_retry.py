"""What is tried again, and that nothing is done twice by it. For both clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import grpc
import pytest
from browser import Browser
from fakes import Fake, failing

from carillon_client import CarillonError, Client, Options, ResourceExhausted, Unavailable
from carillon_client._pb import control_pb2
from carillon_client.testing import Gateway

Make = Callable[..., Client]

PUBLISHING: dict[str, Callable[[Client], object]] = {
    "BroadcastToUser": lambda client: client.broadcast_to_user("alice", event="note"),
    "BroadcastToUsers": lambda client: client.broadcast_to_users(["alice"], event="note"),
    "BroadcastStream": lambda client: client.broadcast_stream("chat", event="note"),
    "BroadcastAll": lambda client: client.broadcast_all(event="note"),
    "SendToSession": lambda client: client.send_to_session("s", event="note"),
}
REPEATABLE: dict[str, Callable[[Client], object]] = {
    "Kick": lambda client: client.kick(user_id="alice"),
    "SubscribeUser": lambda client: client.subscribe_user("alice", "chat"),
    "UnsubscribeUser": lambda client: client.unsubscribe_user("alice", "chat"),
    "CountSubscribers": lambda client: client.count_subscribers(),
    "Subscribers": lambda client: list(client.subscribers(stream="chat")),
    "GetPresence": lambda client: client.count_presence("chat"),
    "ListMessages": lambda client: list(client.list_messages(stream="chat")),
    "BlockUser": lambda client: client.block_user("alice"),
    "UnblockUser": lambda client: client.unblock_user("alice"),
    "ListBlockedUsers": lambda client: list(client.blocked_users()),
    "RevokeTokens": lambda client: client.revoke_tokens(token_id="t"),
}
ONCE: dict[str, Callable[[Client], object]] = {
    "ClearMessages": lambda client: client.clear_messages(stream="chat"),
    "RevokeTokens": lambda client: client.revoke_tokens(user_id="alice"),
}


def response_of(method: str) -> Any:
    return getattr(control_pb2, f"{method}Response")


@pytest.mark.parametrize("method", PUBLISHING)
def test_publishing_is_tried_again_under_one_request_id(
    fake: Fake, address: str, make_client: Make, hasty: None, method: str
) -> None:
    fake.answer = failing(3, grpc.StatusCode.UNAVAILABLE, response_of(method)())
    client = make_client(address, "")

    PUBLISHING[method](client)
    PUBLISHING[method](client)

    ids = [request.options.request_id for request in fake.requests]
    assert len(ids) == 5
    assert len(set(ids[:4])) == 1, "another attempt had another request_id"
    assert ids[0] != ids[4] and all(ids)


@pytest.mark.parametrize("method", REPEATABLE)
def test_what_may_be_repeated_is(fake: Fake, address: str, make_client: Make, hasty: None, method: str) -> None:
    fake.answer = failing(2, grpc.StatusCode.UNAVAILABLE, response_of(method)())

    REPEATABLE[method](make_client(address, ""))

    assert len(fake.requests) == 3


@pytest.mark.parametrize("method", ONCE)
def test_what_may_not_be_repeated_is_not(fake: Fake, address: str, make_client: Make, hasty: None, method: str) -> None:
    fake.answer = failing(1, grpc.StatusCode.UNAVAILABLE, response_of(method)())

    with pytest.raises(Unavailable):
        ONCE[method](make_client(address, ""))

    assert len(fake.requests) == 1


def test_revoking_before_a_time_may_be_repeated(fake: Fake, address: str, make_client: Make, hasty: None) -> None:
    fake.answer = failing(1, grpc.StatusCode.UNAVAILABLE, control_pb2.RevokeTokensResponse())

    make_client(address, "").revoke_tokens(user_id="alice", issued_before=datetime.now(timezone.utc))

    assert len(fake.requests) == 2


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name not in ("OK", "UNAVAILABLE")])
def test_nothing_but_unavailable_is_tried_again(
    fake: Fake, address: str, make_client: Make, hasty: None, code: grpc.StatusCode
) -> None:
    fake.answer = failing(1, code, control_pb2.CountSubscribersResponse())

    with pytest.raises(CarillonError) as caught:
        make_client(address, "").count_subscribers()

    assert caught.value.code is code
    assert len(fake.requests) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_counted(fake: Fake, address: str, make_client: Make, hasty: None, retries: int) -> None:
    fake.answer = failing(10, grpc.StatusCode.UNAVAILABLE, control_pb2.CountSubscribersResponse())

    with pytest.raises(Unavailable):
        make_client(address, "", retries=retries).count_subscribers()

    assert len(fake.requests) == retries + 1


def test_retries_stay_within_the_timeout(fake: Fake, address: str, make_client: Make) -> None:
    """Pauses of 0.05, 0.1, 0.2 … seconds and more: the fifth does not fit."""
    fake.answer = failing(1000, grpc.StatusCode.UNAVAILABLE, control_pb2.CountSubscribersResponse())

    with pytest.raises(Unavailable):
        make_client(address, "", retries=1000).count_subscribers(timeout=0.7)

    assert 1 <= len(fake.requests) <= 5


def test_an_answer_that_is_lost_does_not_publish_twice(
    fake: Fake, address: str, make_client: Make, hasty: None, gateway: Gateway, connect: Callable[..., Browser]
) -> None:
    """The message reaches the gateway each time, and the answers do not come back."""
    stream = "log-lost-answers"
    browser = connect("alice", stream)
    with gateway.client() as behind:
        start = behind.list_messages(stream=stream).head()
        stub = behind._connect()["ControlService"]
        metadata = (("authorization", f"Bearer {gateway.key}"),)
        left = 3

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            nonlocal left
            response = stub.BroadcastStream(request, metadata=metadata)
            left -= 1
            if left >= 0:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
            return response

        fake.answer = answer
        # The position is the old one when it is tried again: that it was the right one is remembered.
        options = Options(expected_position=start)
        receipt = make_client(address, "").broadcast_stream(stream, event="once", options=options)
        behind.broadcast_stream(stream, event="end")
        kept = [message.event for message in behind.list_messages(stream=stream, after=start)]

    assert len(fake.requests) == 4
    assert receipt.duplicate
    assert [browser.receive()["event"] for _ in range(2)] == kept == ["once", "end"]


def test_a_gateway_that_is_behind_is_not_pressed(fake: Fake, address: str, make_client: Make) -> None:
    fake.answer = failing(1, grpc.StatusCode.RESOURCE_EXHAUSTED, control_pb2.BroadcastStreamResponse())

    with pytest.raises(ResourceExhausted):
        make_client(address, "").broadcast_stream("chat", event="note")

    assert len(fake.requests) == 1


def test_a_gateway_that_comes_back_is_found(
    make_client: Make, start_carillon: Callable[..., Gateway], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One call stands for the whole time in which the gateway is away."""
    socket_path = tmp_path_factory.mktemp("c") / "s"
    gateway = start_carillon({"control": {"listen": f"unix:{socket_path}"}})
    client = make_client(gateway.control, gateway.key, timeout=60.0, retries=1000)
    assert client.count_subscribers() == 0
    gateway.stop()
    starting = threading.Thread(target=gateway.start)
    starting.start()

    assert client.broadcast_all(event="note").sessions == 0
    starting.join()
