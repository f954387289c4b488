"""What operators see: health, metrics and logs. And what they must never see there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import http
from support.control import Control, event, pb
from support.gateway import JWT_SECRET, Gateway, sign, token
from support.patience import PATIENCE, eventually, scaled
from support.ws import BINARY, CLOSE, TEXT, Browser, close_payload, with_query


def log_lines(gateway: Gateway) -> list[dict[str, Any]]:
    """Standard error, which must be one JSON object a line."""
    lines = []
    for line in gateway.log_text().splitlines():
        entry = json.loads(line)
        assert list(entry)[:4] == ["ts", "level", "room", "msg"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["ts"])
        assert entry["level"] in ("debug", "info", "warn", "error")
        lines.append(entry)
    return lines


def refused(address: str, target: str, **headers: str) -> http.Response:
    connection = http.RawConnection(address)
    try:
        connection.send(http.request_bytes(target, http.upgrade_headers(address, **headers)))
        return connection.read_response()
    finally:
        connection.close()


# --- The admin port ---


def test_the_admin_port_says_how_it_is(gateway: Gateway) -> None:
    """/healthz asks every shard, /readyz says whether traffic should come, /metrics is Prometheus's text."""
    health, ready, metrics = (http.get(gateway.admin, path) for path in ("/healthz", "/readyz", "/metrics"))

    assert (health.status, health.body) == (200, b"ok\n")
    assert (ready.status, ready.body) == (200, b"ready\n")
    assert metrics.status == 200
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_admin_port_takes_get_and_head_only(gateway: Gateway, path: str) -> None:
    """HEAD gets the same without the body; anything else 405; another path 404."""
    answers = {}
    for method in ("HEAD", "POST"):
        connection = http.RawConnection(gateway.admin)
        connection.send(http.request_bytes(path, [("Host", "a")], method=method))
        answers[method] = connection.receive_to_end()
        connection.close()

    assert answers["HEAD"].startswith(b"HTTP/1.1 200 ") and answers["HEAD"].endswith(b"\r\n\r\n")
    assert answers["POST"].startswith(b"HTTP/1.1 405 ") and b"Allow: GET, HEAD\r\n" in answers["POST"]
    assert http.get(gateway.admin, path + "x").status == 404


def test_the_metrics_are_prometheus_text(gateway: Gateway, control: Control, connect: Callable[..., Browser]) -> None:
    """As Prometheus' own parser reads them, after something of everything has happened: each family has its help and type,
    and counters end in _total."""
    browser = connect("/ws/a")
    control.to_stream("a")
    browser.send_text("nonsense")
    control.kick(stream="a")
    refused(gateway.edge, "/nothing")

    families = list(text_string_to_metric_families(gateway.metrics().text))

    assert len(families) > 15
    for family in families:
        assert family.documentation and family.name.startswith("carillon_")
        assert family.type in ("counter", "gauge")
        assert all(sample.name.endswith("_total") for sample in family.samples) == (family.type == "counter")


def test_metrics_count_what_happens(gateway: Gateway, control: Control, connect: Callable[..., Browser]) -> None:
    """Sessions, streams, users, messages, deliveries, commands; no label names a user or a stream."""
    gateway.wait_until_empty()
    before = gateway.metrics()
    browsers = [connect(with_query("/ws", token=token("user-canary"), streams="stream-canary")) for _ in range(3)]

    control.to_stream("stream-canary")
    for browser in browsers:
        browser.receive()
        browser.ask("ping")
    after = gateway.metrics()

    def rise(name: str) -> float:
        return after.value(name) - before.value(name)

    assert after.value("carillon_connections") == 3
    assert after.value("carillon_streams") == 1
    assert after.value("carillon_users") == 1
    assert rise("carillon_connections_opened_total") == 3
    assert rise("carillon_broadcasts_total") == 1
    assert rise("carillon_deliveries_total") == 3
    assert rise("carillon_commands_total") == 3
    assert rise("carillon_sent_bytes_total") > 3 * 100
    assert "canary" not in after.text


# --- Logs ---


def test_every_line_of_the_log_is_one_json_object(start_gateway: Callable[..., Gateway]) -> None:
    """Whatever strangers put into names, origins and frames: quotes, line breaks, JSON of their own, bytes that are no
    text. None of it becomes a line."""
    gateway = start_gateway({"log": {"level": "debug"}})
    nasty = 'x\n{"level":"error","msg":"forged"}\r\n"\\\u2028'
    claims = {"sub": 'a"}{"level":"forged"}', "name": nasty, "roles": [nasty], "labels": {nasty: nasty}, "exp": int(time.time()) + 600}
    with Control(gateway.control) as control:
        for origin in ('http://a"b{}', "http://\xff\xfe\x80", "http://" + "a" * 3000, "forged\\n{}"):
            assert refused(gateway.edge, "/ws", Origin=origin).status == 403
        assert refused(gateway.edge, "/ws", Authorization="Bearer \xff\"{}").status == 401
        browser = Browser(gateway.edge, with_query("/ws", token=sign(claims)))
        browser.send_text(nasty)
        browser.send_json({"action": nasty})
        assert [browser.receive_error()["code"] for _ in range(2)] == ["not_json", "unknown_action"]
        control.kick(session_id=browser.session, reason='forged"}')
        browser.receive_close()
        for payload, opcode in ((b"\xff", TEXT), (b"forged", BINARY), (close_payload(5000), CLOSE)):
            client = Browser(gateway.edge)
            client.send_frame(opcode, payload)
            client.receive_close()
    gateway.stop()

    lines = log_lines(gateway)
    assert len(lines) > 5
    assert not any(entry["msg"] == "forged" or entry["level"] == "forged" for entry in lines)


def test_secrets_and_payloads_are_in_no_log_and_no_metric(start_gateway: Callable[..., Gateway]) -> None:
    """Tokens, query strings, payloads, API keys and what clients say: at the highest level of detail, through good
    handshakes, refused ones, broken frames, kicks and failed calls."""
    canary = "Canary" + os.urandom(8).hex()
    key = "key-" + canary
    gateway = start_gateway({"log": {"level": "debug"}, "control": {"keys": [{"name": "a", "secret": key}]}})
    good = sign({"sub": "alice", "exp": int(time.time()) + 600, "secret": canary})
    expired = sign({"sub": "alice", "exp": 1, "secret": canary})
    secrets = [canary, JWT_SECRET, *good.split(".")[1:], *expired.split(".")[1:]]

    for text in (expired, good[:-3], canary):
        assert refused(gateway.edge, with_query("/ws", token=text)).status == 401
        assert refused(gateway.edge, "/ws", Authorization=f"Bearer {text}").status == 401
        assert refused(gateway.edge, with_query("/nothing", token=text, note=canary)).status == 404
    assert refused(gateway.edge, "/ws?a= " + canary).status == 400
    assert refused(gateway.edge, f"/ws?{canary}=1", Sec_WebSocket_Key=canary).status == 400
    with Control(gateway.control, key) as control, Control(gateway.control, "wrong-" + canary) as stranger:
        browser = Browser(gateway.edge, with_query("/ws", token=good, streams="a", note=canary))
        browser.send_text(canary)
        browser.send_json({"action": "auth", "token": expired})
        browser.send_json({"action": canary, "id": canary})
        assert [browser.receive_error()["code"] for _ in range(3)]
        control.to_stream("a", event(json=json.dumps(canary), meta={"note": canary}))
        assert browser.receive()["data"] == canary
        control.refused("BroadcastAll", pb.BroadcastAllRequest(event=event(json=canary)))
        assert stranger.refused("Kick", pb.KickRequest(user_id="a")).code == grpc.StatusCode.UNAUTHENTICATED
        browser.send_frame(BINARY, canary.encode())
        assert browser.receive_close()[0] == 1003
        metrics = gateway.metrics().text
    gateway.stop()

    for secret in secrets:
        assert secret not in gateway.log_text()
        assert secret not in metrics


def test_one_flood_does_not_hide_another(start_gateway: Callable[..., Gateway]) -> None:
    """Lines are sampled by their reason: a hundred bad messages of one kind are one line, and each other kind has its
    own. So are closes."""
    gateway = start_gateway()
    browser = Browser(gateway.edge)
    for _ in range(100):
        browser.send_text("no json")
    browser.send_json([1])
    browser.send_json({"action": "dance"})
    assert [browser.receive_error()["code"] for _ in range(102)] == ["not_json"] * 100 + ["not_object", "unknown_action"]
    for payload, opcode in ((b"\xff", TEXT), (b"binary", BINARY), (close_payload(5000), CLOSE)):
        client = Browser(gateway.edge)
        client.send_frame(opcode, payload)
        client.receive_close()
    gateway.stop()

    lines = log_lines(gateway)
    ignored = [line["reason"] for line in lines if line["msg"] == "ignored a message from a client"]
    assert len(ignored) < 50 and set(ignored) == {"not_json", "not_object", "unknown_action", "unsupported_data"}
    closes = {line["reason"]: line for line in lines if line["msg"] == "closed a session"}
    assert set(closes) == {"invalid_text", "unsupported_data", "protocol_error"}
    assert all(line["why"] for line in closes.values())


def test_a_client_over_ipv4_on_an_ipv6_port_has_an_ipv4_network(start_gateway: Callable[..., Gateway]) -> None:
    """Not ::/48, which would be everybody's."""
    gateway = start_gateway({"edge": {"listen": "[::]:0"}})

    assert http.get("127.0.0.1:" + gateway.edge.rpartition(":")[2], "/nothing/here").status == 404

    gateway.stop()
    (line,) = [line for line in log_lines(gateway) if line["msg"] == "refused a request"]
    assert line["peer"] == "127.0.0.0/24"
    assert "/nothing/here" in line["why"]


def test_sighup_costs_nobody_the_connection(start_gateway: Callable[..., Gateway]) -> None:
    """A habit of operators, and what a terminal sends when it closes."""
    gateway = start_gateway()
    browser = Browser(gateway.edge)

    gateway.process.send_signal(signal.SIGHUP)

    eventually(gateway.log_text, lambda text: "SIGHUP" in text, "the log")
    assert browser.ask("ping")["event"] == "pong"
    browser.close()


def test_health_checks_of_http_1_0_are_answered(start_gateway: Callable[..., Gateway]) -> None:
    """As balancers send them by default: without Host."""
    connection = http.RawConnection(start_gateway().admin)
    connection.send(b"GET /readyz HTTP/1.0\r\n\r\n")

    assert connection.read_response().status == 200
    connection.close()


def test_a_log_that_nobody_reads_stops_nothing(start_gateway: Callable[..., Gateway]) -> None:
    """Standard error is a full pipe: lines are dropped and counted, and every broadcast still arrives."""
    reading, writing = os.pipe()
    gateway = start_gateway(stderr=writing)
    os.close(writing)
    try:
        write_many_lines(gateway, scaled(12_000, 1500))
        browser = Browser(gateway.edge, "/ws/a")
        with Control(gateway.control) as control:
            for number in range(100):
                assert control.to_stream("a", event(json=str(number))).sessions == 1
                assert browser.receive()["data"] == number
        if scaled(12_000) >= 10_000:  # more than the pipe and the ring of lines hold
            assert gateway.metrics().value("carillon_log_dropped_total") > 0
        browser.leave()
    finally:
        os.set_blocking(reading, False)
        drain_until_ended(gateway, reading)
        os.close(reading)


def test_a_log_that_nobody_reads_does_not_keep_it_alive(binary: str, tmp_path: Path) -> None:
    """SIGTERM ends it although its last lines cannot be written."""
    reading, writing = os.pipe()
    gateway = Gateway(binary, tmp_path, {"edge": {"endpoints": [{"path": "/ws", "anonymous": True}]}}, stderr=writing)
    os.close(writing)
    try:
        write_many_lines(gateway, scaled(9000, 1500))  # each of them would be waited for

        gateway.begin_stop()

        assert gateway.wait() == 0
    finally:
        os.close(reading)


def test_a_log_that_has_gone_away_is_no_reason_to_end(start_gateway: Callable[..., Gateway]) -> None:
    """EPIPE on standard error: the collector died, the gateway did not."""
    reading, writing = os.pipe()
    gateway = start_gateway(stderr=writing)
    os.close(writing)
    os.close(reading)

    write_many_lines(gateway, 100)

    assert http.get(gateway.admin, "/healthz").status == 200
    gateway.wait_for_metric("carillon_log_dropped_total", lambda lost: lost >= 100)


def write_many_lines(gateway: Gateway, count: int) -> None:
    """Each kick is a line."""
    with Control(gateway.control) as control:
        kick = control.channel.unary_unary(
            "/carillon.v1.ControlService/Kick", request_serializer=pb.KickRequest.SerializeToString
        )
        request = pb.KickRequest(user_id="nobody")
        for first in range(0, count, 50):
            calls = [kick.future(request, timeout=PATIENCE) for _ in range(min(50, count - first))]
            assert all(call.result() is not None for call in calls)


def drain_until_ended(gateway: Gateway, reading: int) -> None:
    """Reads its log from now on, so that it can say its last words."""
    gateway.begin_stop()
    os.set_blocking(reading, True)
    while os.read(reading, 65536):
        pass
    gateway.wait()


# --- Descriptors ---


def test_it_lives_within_its_limit_on_open_files(start_gateway: Callable[..., Gateway]) -> None:
    """With few descriptors it starts, says how many sessions it takes, refuses one more with 503 and Retry-After, and
    takes another as soon as one has left."""
    gateway = start_gateway({"hub": {"shards": 3}}, open_files=300)
    limit = int(gateway.metrics().value("carillon_connections_limit"))
    assert 0 < limit < 300
    browsers = [Browser(gateway.edge) for _ in range(limit)]
    try:
        with gateway.rises("carillon_handshakes_rejected_total", by=3, reason="capacity"):
            for _ in range(3):
                response = refused(gateway.edge, "/ws")
                assert response.status == 503
                assert response.error["setting"] == "edge.max_connections"
                assert 1 <= int(response.headers["retry-after"]) <= 10

        browsers.pop().leave()
        gateway.wait_for_metric("carillon_connections", limit - 1)

        browsers.append(Browser(gateway.edge))
        assert browsers[-1].ask("ping")["event"] == "pong"
        assert browsers[0].ask("ping")["event"] == "pong"
    finally:
        for browser in browsers:
            browser.close()


def test_it_survives_running_out_of_descriptors(start_gateway: Callable[..., Gateway]) -> None:
    """More silent connections than it may have files: sessions that are there are served, operators and backends still
    get in, and when the flood ends, clients do as well."""
    gateway = start_gateway(open_files=300)
    with Control(gateway.control) as control:
        browser = Browser(gateway.edge, "/ws/a")
        assert control.to_stream("a").sessions == 1

        flood = [http.RawConnection(gateway.edge) for _ in range(400)]
        assert browser.receive()["event"] == "note"
        for _ in range(20):
            assert control.to_stream("a").sessions == 1
            assert browser.receive()["event"] == "note"
        assert http.get(gateway.admin, "/healthz").status == 200
        assert gateway.metrics().value("carillon_handshakes_rejected_total", reason="capacity") > 0
        with Control(gateway.control) as newcomer:  # gRPC 1.51 never accepts again where it once could not
            assert newcomer.to_stream("a").sessions == 1
            assert browser.receive()["event"] == "note"
        for connection in flood:
            connection.close()

        back = eventually(lambda: browser_or_none(gateway), lambda found: found is not None, "a new client")
        assert back is not None and control.to_stream("a").sessions == 2
        browser.close()
        back.close()


def browser_or_none(gateway: Gateway) -> Browser | None:
    try:
        return Browser(gateway.edge, "/ws/a")
    except (AssertionError, OSError):  # the flood's connections are still being closed
        return None


def test_max_connections_can_be_set_lower(start_gateway: Callable[..., Gateway]) -> None:
    """edge.max_connections, where the limit on files allows more."""
    gateway = start_gateway({"edge": {"max_connections": 2}})
    browsers = [Browser(gateway.edge) for _ in range(2)]

    assert gateway.metrics().value("carillon_connections_limit") == 2
    assert refused(gateway.edge, "/ws").status == 503
    for browser in browsers:
        browser.close()


def test_descriptors_come_back_after_every_kind_of_end(
    gateway: Gateway, control: Control, connect: Callable[..., Browser]
) -> None:
    """I7: goodbyes, resets, kicks, broken frames and refused requests leave no file open."""

    def churn(rounds: int) -> None:
        for _ in range(rounds):
            polite, rude, kicked, broken = (connect("/ws/a") for _ in range(4))
            polite.leave()
            rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            rude.close()
            control.kick(session_id=kicked.session)
            kicked.receive_close()
            broken.send_frame(3)
            broken.receive_close()
            assert refused(gateway.edge, "/nothing").status == 404
            http.RawConnection(gateway.edge).close()
        gateway.wait_until_empty()

    def open_files() -> int:
        return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))

    churn(3)  # after it, whatever is made once has been made
    before = open_files()
    churn(scaled(60, 10))

    eventually(open_files, lambda now: now <= before, "open files")
