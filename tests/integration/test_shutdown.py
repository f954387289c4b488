"""SIGTERM: every client is told to come back, those that do not listen are not waited for, and the process ends well.
And the other end of a life: a gateway whose port is taken does not start."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from support import http
from support.control import CallOver, Control, event, pb, stream_item
from support.gateway import Gateway, clean_environment
from support.patience import PATIENCE, eventually
from support.ws import CLOSE, Browser, WebSocket

ECHO = {"path": "/echo", "anonymous": True, "dialect": "echo"}
NATIVE = {"path": "/ws", "anonymous": True}


@pytest.fixture
def start(start_gateway: Callable[..., Gateway], shards: int) -> Callable[..., Gateway]:
    """Starts a gateway that a test may end: start(timeout="30s")."""

    def begin(timeout: str = "30s") -> Gateway:
        edge = {"endpoints": [NATIVE, ECHO]}
        return start_gateway({"edge": edge, "hub": {"shards": shards}, "drain": {"timeout": timeout}})

    return begin


def is_draining(gateway: Gateway) -> None:
    eventually(lambda: http.get(gateway.admin, "/readyz").status, lambda status: status == 503, "/readyz")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_every_client_is_told_to_come_back(
    start: Callable[..., Gateway], keep: Callable[[Any], Any], sign: signal.Signals
) -> None:
    """The notice, then the close code that says "come back now", then exit 0 without waiting for the timeout."""
    gateway = start()
    browsers = [keep(Browser(gateway.edge)) for _ in range(7)]
    echo = keep(WebSocket(gateway.edge, "/echo"))

    gateway.process.send_signal(sign)

    for browser in browsers:
        notice = browser.receive()
        assert (notice["stream"], notice["event"]) == ("system", "restart")
        assert notice["data"]["retry_after_ms"] > 0
    assert [browser.receive_close()[0] for browser in browsers] == [4200] * 7
    assert echo.receive_close()[0] == 4200
    assert gateway.wait() == 0


def test_without_clients_it_ends_at_once(start: Callable[..., Gateway]) -> None:
    """There is nobody to wait for."""
    gateway = start("10m")

    gateway.begin_stop()

    assert gateway.wait() == 0


def test_clients_that_do_not_leave_are_not_waited_for(
    start: Callable[..., Gateway], keep: Callable[[Any], Any]
) -> None:
    """Neither those that never answer nor those that never read hold the process beyond the timeout."""
    gateway = start("300ms")
    mute = keep(Browser(gateway.edge))
    deaf = keep(Browser(gateway.edge, "/ws/flood", receive_buffer=4096))
    with Control(gateway.control) as control:
        for _ in range(3):
            control.to_stream("flood", event(json=json.dumps("x" * 200_000)))

        gateway.begin_stop()

        assert gateway.wait() == 0
    assert mute.receive()["event"] == "restart"
    frame = mute.next_frame()
    assert frame is not None and (frame.opcode, frame.code) == (CLOSE, 4200)
    deaf.close()


def test_while_it_drains_it_says_so(
    start: Callable[..., Gateway], keep: Callable[[Any], Any]
) -> None:
    """R54: /readyz and gRPC health tell balancers to go elsewhere, and no client is accepted; but as long as one is still
    here, backends may publish (to the log, too: it outlives the process)."""
    gateway = start()
    lingering = keep(Browser(gateway.edge))
    with Control(gateway.control) as control:
        watch = control.watch_health("carillon.v1.ControlService")
        assert next(watch) == "SERVING"
        assert http.get(gateway.admin, "/readyz").status == 200

        gateway.begin_stop()

        assert next(watch) == "NOT_SERVING"
        is_draining(gateway)
        assert http.get(gateway.admin, "/healthz").status == 200
        assert control.to_all(event("late")).message_id
        eventually(lambda: accepts(gateway.edge), lambda yes: not yes, "the edge's port")
        assert lingering.receive()["event"] == "restart"
        assert lingering.receive_close()[0] == 4200
    assert gateway.wait() == 0


def accepts(address: str) -> bool:
    try:
        socket.create_connection(http.split_address(address), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_nobody_is_let_in_while_it_drains(start: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """A client whose request was under way at the signal is sent away, or told to come back like all others: it does
    not become a session that is cut off without a word."""
    gateway = start("5s")
    lingering = keep(Browser(gateway.edge))
    late = keep(http.RawConnection(gateway.edge))
    request = http.request_bytes("/ws", http.upgrade_headers(gateway.edge))
    late.send(request[:20])
    # Accepted for certain: what comes after it has been answered.
    keep(Browser(gateway.edge)).leave()

    gateway.begin_stop()
    is_draining(gateway)
    assert lingering.receive()["event"] == "restart"
    late.send(request[20:])
    response = late.read_response()
    rest = b""
    if response.status == 101:
        lingering.receive_close()
        try:
            rest = late.receive_to_end()
        except ConnectionResetError:
            pass

    assert response.status == 503 or b'"event":"restart"' in rest, rest
    if response.status == 503:
        assert 1 <= int(response.headers["retry-after"]) <= 60
        lingering.receive_close()
    assert gateway.wait() == 0


def test_publishers_in_full_flight_do_not_hold_it(start: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """A caller that publishes without end gets an error; the process ends well all the same."""
    gateway = start()
    control = keep(Control(gateway.control))
    browser = keep(Browser(gateway.edge, "/ws/a"))
    publisher = control.publisher()
    begun = threading.Event()

    def publish() -> None:
        with suppress(CallOver):
            while True:
                publisher.send([stream_item("a")] * 10)
                begun.set()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    assert browser.receive()["event"] == "note"

    gateway.begin_stop()
    while browser.receive()["event"] != "restart":
        pass
    browser.close()

    assert gateway.wait() == 0
    assert publisher.refused().code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_what_is_acknowledged_at_the_end_is_what_was_published(
    start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any], tmp_path: Path
) -> None:
    """Publishers flat out while the gateway ends: each message of the log was acknowledged, and nothing else was."""
    config = {
        "streams": [{"pattern": "*", "log": {"mode": "log", "messages": 1000000, "max_bytes": "1GiB", "max_replay": 100000}}],
        "engine": {"memory": {"snapshot": str(tmp_path / "logs")}},
    }
    first = start_gateway(config)
    control = keep(Control(first.control))
    publishers = {f"log-{n}": control.publisher() for n in range(4)}

    def publish(stream: str) -> None:
        with suppress(CallOver):
            while True:
                publishers[stream].send([stream_item(stream)] * 10)

    threads = [threading.Thread(target=publish, args=(stream,), daemon=True) for stream in publishers]
    for thread in threads:
        thread.start()
    for publisher in publishers.values():
        publisher.wait_acked(100)

    first.begin_stop()
    for publisher in publishers.values():
        assert publisher.refused().code == grpc.StatusCode.UNAVAILABLE
    assert first.wait() == 0
    for thread in threads:
        thread.join(PATIENCE)
    second = keep(Control(start_gateway(config).control))
    for stream, publisher in publishers.items():
        answer = second.call("ListMessages", pb.ListMessagesRequest(stream=stream, page_size=1))
        assert answer.position.offset == publisher.acked


def test_publishers_that_say_nothing_do_not_hold_it(
    start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]
) -> None:
    """A batcher keeps its call open; it is told at once, and what it had said is acknowledged."""
    gateway = start_gateway({"drain": {"control_timeout": "10m"}})
    control = keep(Control(gateway.control))
    publishers = [control.publisher() for _ in range(5)]
    for publisher in publishers:
        publisher.wait_acked(publisher.send([stream_item("a")] * 10))

    gateway.begin_stop()

    for publisher in publishers:
        refusal = publisher.refused()
        assert (refusal.code, refusal.message) == (grpc.StatusCode.UNAVAILABLE, "the gateway is shutting down")
    assert gateway.wait() == 0


def test_a_second_signal_ends_it_at_once(binary: str, tmp_path: Path, shards: int) -> None:
    """Whoever has no patience may insist; the exit status says that it was not in order."""
    config = {
        "edge": {"endpoints": [NATIVE]},
        "hub": {"shards": shards},
        "drain": {"timeout": "10m"},
    }
    gateway = Gateway(binary, tmp_path, config)
    lingering = Browser(gateway.edge)

    gateway.begin_stop()
    is_draining(gateway)
    gateway.begin_stop()

    assert gateway.wait() == 1
    lingering.close()


@pytest.mark.parametrize("room", ["edge", "control", "admin"])
def test_a_gateway_whose_port_is_taken_says_so(
    start_gateway: Callable[..., Gateway], binary: str, tmp_path: Path, room: str
) -> None:
    """Exit 1, and standard error names the address; the one that has the port serves on."""
    first = start_gateway()
    address = getattr(first, room)
    file = tmp_path / "second.yaml"
    file.write_text(json.dumps({**first.config, room: {**first.config[room], "listen": address}}))

    second = subprocess.run(
        [binary, "serve", "-c", str(file)], capture_output=True, text=True, timeout=PATIENCE, env=clean_environment()
    )

    assert second.returncode == 1
    assert second.stdout == ""
    assert f"cannot listen on {address}" in second.stderr
    assert "Sanitizer" not in second.stderr
    assert http.get(first.admin, "/readyz").status == 200
