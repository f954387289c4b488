"""Random damage at every door: requests, frames and calls that are almost right. Nothing crashes, nothing hangs,
nothing is left behind, and whoever behaves notices nothing."""

from __future__ import annotations

import random as chance
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from support import http
from support.control import Control, event, pb, stream_item
from support.gateway import token
from support.patience import PATIENCE, dice, scaled
from support.ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Browser, WebSocket, frame_bytes, with_query

STATUSES = {101, 400, 401, 403, 404, 405, 414, 426, 431}

COMMANDS = [
    b'{"action":"subscribe","streams":["a","b","private-c"],"id":1}',
    b'{"action":"unsubscribe","streams":["a"],"id":"x"}',
    b'{"action":"ping","data":{"a":[1,2.5e300,null,true,"\\u00fc"]}}',
    b'{"action":"auth","token":"a.b.c"}',
    b'{"action":"publish","stream":"a","data":1}',
    b"[" * 40,
    "grüße 𝄞".encode(),
]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {
        "edge": {
            "endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/echo", "anonymous": True, "dialect": "echo"}]
        }
    }


def damaged(data: bytes, random: chance.Random) -> bytes:
    """The bytes with some of them changed, lost, doubled or added."""
    out = bytearray(data)
    for _ in range(random.choice([0, 1, 1, 2, 5])):
        at = random.randrange(len(out) + 1)
        size = random.choice([1, 1, 2, 4, 30])
        kind = random.randrange(5)
        if kind == 0:
            out[at : at + size] = random.randbytes(len(out[at : at + size]))
        elif kind == 1:
            del out[at : at + size]
        elif kind == 2:
            out[at:at] = out[at : at + size]
        elif kind == 3:
            out[at:at] = random.choice([b"\r\n", b"\n", b"\0", b" ", b"%", b"%zz", b",", b"\xff", b"\r\n\r\n"])
        else:
            out[at:at] = random.randbytes(size)
    return bytes(out)


def in_pieces(data: bytes, random: chance.Random) -> Iterator[bytes]:
    while data:
        size = random.choice([1, 10, 200, 10_000])
        yield data[:size]
        data = data[size:]


def send_all(connection: http.RawConnection, data: bytes, random: chance.Random) -> None:
    """In pieces, and then the end of our side: the gateway need not wait for more."""
    try:
        for piece in in_pieces(data, random):
            connection.send(piece)
        connection.end_sending()
    except OSError:
        pass  # it has heard enough


def received(connection: http.RawConnection) -> bytes:
    """All that comes, however it ends. What does not end raises TimeoutError."""
    data = b""
    try:
        while piece := connection.receive_some():
            data += piece
    except ConnectionResetError:
        pass
    connection.close()
    return data


def check_in_order(gateway: Any, bystander: Browser) -> None:
    assert bystander.ask("ping")["event"] == "pong"
    gateway.wait_for_metric("carillon_connections", 1)
    metrics = gateway.metrics()
    closed = metrics.value("carillon_connections_closed_total")
    assert metrics.value("carillon_connections_opened_total") - closed == 1
    assert metrics.value("carillon_streams") == 0
    assert http.get(gateway.admin, "/healthz").status == 200


def test_damaged_requests_hurt_nobody(gateway: Any, connect: Callable[..., Browser]) -> None:
    """Each is answered with a status of the handshake's table, or with nothing, and ends."""
    random = dice()
    bystander = connect()
    target = with_query("/ws/a", token=token("alice"), streams="b,c", access_token=None)
    more = {"Origin": "http://localhost", "Sec_WebSocket_Protocol": "carillon.v1.json"}
    good = http.request_bytes(target, http.upgrade_headers(gateway.edge, **more))

    for _ in range(scaled(25, 5)):
        connections = [http.RawConnection(gateway.edge) for _ in range(20)]
        for connection in connections:
            send_all(connection, damaged(good, random), random)
        for connection in connections:
            answer = received(connection)
            assert answer == b"" or int(answer.split(b" ", 2)[1]) in STATUSES, answer

    check_in_order(gateway, bystander)


@pytest.mark.parametrize("path", ["/ws", "/echo"])
def test_damaged_frames_hurt_nobody(gateway: Any, connect: Callable[..., Browser], path: str) -> None:
    """Whatever comes back is well-formed frames, one close frame at most, and then the end."""
    random = dice()
    bystander = connect()

    def some_frames() -> bytes:
        stream = b""
        for _ in range(random.randrange(1, 12)):
            opcode = random.choice([TEXT, TEXT, TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE])
            payload = random.choice([*COMMANDS, b"", b"\x03\xe8", random.randbytes(300)])
            stream += frame_bytes(opcode, payload, fin=random.random() < 0.8, mask=random.randbytes(4))
        return damaged(stream, random)

    for _ in range(scaled(25, 5)):
        clients = [WebSocket(gateway.edge, path) for _ in range(20)]
        for client in clients:
            send_all(client, some_frames(), random)
        for client in clients:
            list(client.parser.feed(received(client)))

    check_in_order(gateway, bystander)


def test_damaged_calls_hurt_nobody(gateway: Any, control: Control, connect: Callable[..., Browser]) -> None:
    """Every call of the control plane, with requests whose bytes are damaged: each ends with a status."""
    random = dice()
    bystander = connect()
    message = event(json='{"a":[1,2]}', meta={"a": "b"})
    requests: dict[str, Any] = {
        "BroadcastToUser": pb.BroadcastToUserRequest(user_id="nobody", stream="a", event=message),
        "BroadcastToUsers": pb.BroadcastToUsersRequest(user_ids=["nobody", "x"], event=message),
        "BroadcastStream": pb.BroadcastStreamRequest(stream="nothing", event=message),
        "SendToSession": pb.SendToSessionRequest(session_id="0" * 20, event=message),
        "Kick": pb.KickRequest(user_id="nobody", code=4005, reason="x"),
        "Subscribers": pb.SubscribersRequest(stream="nothing", page_size=10, page_token="eA"),
        "CountSubscribers": pb.CountSubscribersRequest(stream="nothing"),
        "RevokeTokens": pb.RevokeTokensRequest(user_id="nobody", issued_before={"seconds": 1_000_000}),
        "BlockUser": pb.BlockUserRequest(user_id="nobody", duration={"seconds": 5}, reason="x"),
        "UnblockUser": pb.UnblockUserRequest(user_id="nobody"),
        "ListBlockedUsers": pb.ListBlockedUsersRequest(page_size=10, page_token="eA"),
    }
    calls = []
    for method, request in requests.items():
        raw = control.channel.unary_unary(f"/carillon.v1.ControlService/{method}")
        for _ in range(scaled(100, 20)):
            calls.append(raw.future(damaged(request.SerializeToString(), random), timeout=PATIENCE))
    stream = control.channel.stream_stream("/carillon.v1.ControlService/PublishStream")
    publish = pb.PublishStreamRequest(seq=1, items=[stream_item("nothing", message)] * 3).SerializeToString()
    for _ in range(scaled(100, 20)):
        try:
            list(stream(iter([damaged(publish, random)]), timeout=PATIENCE))
        except grpc.RpcError as error:
            assert error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), error

    for call in calls:
        assert call.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), call.details()
    check_in_order(gateway, bystander)
