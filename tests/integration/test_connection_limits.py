"""How many may connect, and how fast: in all, of a user, of an address; and whose address it is behind a proxy."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.control import Control
from support.gateway import Gateway, merged, token
from support.http import RawConnection, Response, request_bytes, upgrade_headers
from support.network import in_network_of_its_own
from support.patience import eventually
from support.ws import TEXT, Browser, frame_bytes, with_query

Start = Callable[..., Gateway]
Keep = Callable[[Any], Any]

#: Everybody in these tests comes over loopback, as from a proxy.
BEHIND_A_PROXY = {"edge": {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"]}}


class Knocker:
    """Begins handshakes and keeps the connections."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connections: list[RawConnection] = []

    def knock(self, target: str = "/ws", forwarded: list[str] | None = None) -> Response:
        connection = RawConnection(self.address)
        self.connections.append(connection)
        headers = upgrade_headers("gateway.test")
        headers += [("X-Forwarded-For", value) for value in forwarded or []]
        connection.send(request_bytes(target, headers))
        return connection.read_response()

    def status(self, *forwarded: str) -> int:
        return self.knock(forwarded=list(forwarded)).status

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


@pytest.fixture
def knocker(keep: Keep) -> Callable[[Gateway], Knocker]:
    return lambda gateway: keep(Knocker(gateway.edge))


def test_an_address_may_have_so_many_connections(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    """The next one gets 429; another address does not mind; a place that is given back can be had again."""
    gateway = start_gateway(merged(BEHIND_A_PROXY, {"limits": {"connections_per_address": 5}}))
    door = knocker(gateway)
    assert [door.status("203.0.113.1") for _ in range(5)] == [101] * 5

    with gateway.rises("carillon_handshakes_rejected_total", reason="address_limit"):
        response = door.knock(forwarded=["203.0.113.1"])
    assert response.status == 429
    assert response.error["code"] == "address_limit"
    assert response.error["setting"] == "limits.connections_per_address"
    assert 1 <= int(response.headers["retry-after"]) <= 10
    assert door.status("203.0.113.2") == 101

    door.connections[0].close()
    eventually(lambda: door.status("203.0.113.1"), lambda status: status == 101, "a free place")
    assert door.status("203.0.113.1") == 429


#: What a proxy says, and whether it means the address that is full already.
FORWARDED: dict[str, tuple[list[str], bool]] = {
    "the address": (["203.0.113.1"], True),
    "another": (["203.0.113.2"], False),
    "with a port": (["203.0.113.1:4711"], True),
    "in IPv6's clothes": (["::ffff:203.0.113.1"], True),
    "behind what the client wrote": (["9.9.9.9, 203.0.113.1"], True),
    "what the client wrote": (["203.0.113.1, 9.9.9.9"], False),
    "through a second proxy": (["203.0.113.1, 10.0.0.9"], True),
    "in two headers": (["9.9.9.9", "203.0.113.1"], True),
    "in two headers, the other way": (["203.0.113.1", "9.9.9.9"], False),
    "nonsense": (["203.0.113.1, unknown"], False),
    "nothing": ([], False),
    "empty": ([""], False),
}


@pytest.mark.parametrize("kind", FORWARDED)
def test_what_a_proxy_says(start_gateway: Start, knocker: Callable[..., Knocker], kind: str) -> None:
    """The right-most address that is no trusted proxy's is the client's."""
    forwarded, full = FORWARDED[kind]
    door = knocker(start_gateway(merged(BEHIND_A_PROXY, {"limits": {"connections_per_address": 1}})))
    assert door.status("203.0.113.1") == 101
    assert door.status(*forwarded) == (429 if full else 101)


def test_strangers_cannot_say_who_they_are(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    """Without trusted proxies the header is not looked at; and loopback has no such limits."""
    door = knocker(start_gateway({"limits": {"connections_per_address": 1, "handshakes_per_address": 1}}))
    assert [door.status("203.0.113.1") for _ in range(20)] == [101] * 20


def test_a_real_address_counts(binary: str, tmp_path: Path) -> None:
    """Of a peer that is neither loopback nor a proxy, whatever it says."""
    ours = "10.99.0.1"
    answers: list[int] = []

    def inside() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(ours))
            fcntl.ioctl(any_socket, 0x8916, address)  # SIOCSIFADDR
        settings = {
            "edge": {"listen": "0.0.0.0:0", "endpoints": [{"path": "/ws", "anonymous": True}]},
            "limits": {"connections_per_address": 2},
        }
        gateway = Gateway(binary, tmp_path / "gateway", settings)
        door = Knocker(f"{ours}:{gateway.edge.rpartition(':')[2]}")
        answers.extend(door.status(f"203.0.113.{number}") for number in range(4))
        door.close()
        gateway.stop()

    if os.geteuid() != 0:
        pytest.skip("a network of one's own takes root")
    in_network_of_its_own(inside)
    assert answers == [101, 101, 429, 429]


def test_an_address_may_come_so_fast(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    """Two at once, then one a second: the others get 429, also with a token that would have cost work."""
    gateway = start_gateway(merged(BEHIND_A_PROXY, {"limits": {"handshakes_per_address": 1}}))
    door = knocker(gateway)
    began = time.monotonic()
    responses = [door.knock("/ws?token=nonsense", ["203.0.113.1"]) for _ in range(30)]
    passed = [response for response in responses if response.status != 429]
    assert 2 <= len(passed) <= 3 + (time.monotonic() - began)
    assert {response.status for response in passed} == {401}
    refused = next(response for response in responses if response.status == 429)
    assert (refused.error["code"], refused.error["setting"]) == ("address_rate", "limits.handshakes_per_address")
    assert "retry-after" in refused.headers
    assert door.status("203.0.113.2") == 101


def test_all_may_come_so_fast(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    """A storm of those who come back is told to come later: 503."""
    gateway = start_gateway({"limits": {"handshakes": 1}})
    door = knocker(gateway)
    began = time.monotonic()
    responses = [door.knock() for _ in range(30)]
    passed = sum(response.status == 101 for response in responses)
    assert 2 <= passed <= 3 + (time.monotonic() - began)
    refused = next(response for response in responses if response.status != 101)
    assert (refused.status, refused.error["code"]) == (503, "accept_rate")
    assert "retry-after" in refused.headers


def test_a_user_may_have_so_many_sessions(start_gateway: Start, keep: Keep, knocker: Callable[..., Knocker]) -> None:
    """Wherever they say who they are."""
    gateway = start_gateway({
        "hub": {"shards": 3},
        "edge": {"endpoints": [{"path": "/ws", "anonymous": True}, {"path": "/first", "auth_timeout": "30s"}]},
        "limits": {"connections_per_user": 5},
    })  # fmt: skip
    target = with_query("/ws", token=token("alice"))
    tabs = [keep(Browser(gateway.edge, target)) for _ in range(5)]
    door = knocker(gateway)

    with gateway.rises("carillon_handshakes_rejected_total", reason="user_limit"):
        response = door.knock(target)
    assert (response.status, response.error["code"]) == (503, "user_limit")
    assert "retry-after" in response.headers
    auth = json.dumps({"action": "auth", "token": token("alice")}).encode()
    late = keep(Browser(gateway.edge, "/first", early=frame_bytes(TEXT, auth)))
    assert late.receive_close() == (4103, "a user may have 5 connections")
    reply = keep(Browser(gateway.edge, "/ws")).ask("auth", token=token("alice"))
    assert (reply["event"], reply["data"]["code"]) == ("error", "limit")
    assert tabs[0].ask("auth", token=token("alice"))["event"] == "authenticated"  # a new token is no new session
    keep(Browser(gateway.edge, with_query("/ws", token=token("bob"))))

    tabs.pop().close()
    with Control(gateway.control) as control:
        eventually(lambda: control.count(user_id="alice"), lambda count: count == 4, "a free place")
    keep(Browser(gateway.edge, target))
    assert door.knock(target).status == 503


def test_80_percent_are_told_once(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    """At 70 % nothing, at 80 % a line, at 100 % the last one gets in, and one more does not."""
    gateway = start_gateway({"edge": {"max_connections": 10}})

    def told() -> list[int]:
        lines = [json.loads(line) for line in gateway.log_text().splitlines()]
        return [line["used"] for line in lines if line["msg"].startswith("80 % of a limit")]

    def ratio(value: float) -> None:
        gateway.wait_for_metric("carillon_limit_ratio", value, limit="connections")

    tabs = [Browser(gateway.edge) for _ in range(7)]
    ratio(0.7)
    tabs.append(Browser(gateway.edge))
    eventually(told, lambda lines: lines == [8], "the line")
    tabs += [Browser(gateway.edge) for _ in range(2)]
    ratio(1.0)
    response = knocker(gateway).knock()
    assert (response.status, response.error["code"]) == (503, "capacity")
    assert gateway.metrics().value("carillon_limit_crossed_total", limit="connections") == 1
    for tab in tabs:
        tab.close()


def test_limits_change_with_sighup(start_gateway: Start, knocker: Callable[..., Knocker]) -> None:
    gateway = start_gateway(BEHIND_A_PROXY)
    door = knocker(gateway)
    assert [door.status("203.0.113.1") for _ in range(3)] == [101] * 3
    gateway.reload({"limits": {"connections_per_address": 1}})
    assert door.status("203.0.113.9") == 101
    assert door.status("203.0.113.9") == 429
