"""R71: a gateway that is short of memory takes no new clients and closes the slowest, instead of being killed; and it
recovers by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support import http
from support.control import Control, event
from support.gateway import Gateway, Metrics
from support.patience import SCALE, eventually
from support.ws import Browser

LIMIT_MIB = 200


def test_short_of_memory_it_holds_less(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """A client that never reads is owed more than the process may have, because its endpoint allows that."""
    if SCALE < 1:
        return  # a sanitizer keeps what was freed, and begins with more than the limit
    gateway = start_gateway({
        "edge": {"listen": "127.0.0.1:0", "endpoints": [
            {"path": "/ws", "anonymous": True, "outbox_bytes": "1GiB", "outbox_messages": 100_000,
             "write_deadline": "5m"},
        ]},
        "limits": {"memory_bytes": f"{LIMIT_MIB}MiB"},
    })  # fmt: skip
    quick = keep(Browser(gateway.edge))
    slow = keep(Browser(gateway.edge, "/ws/flood", receive_buffer=4096))

    def pressure(level: int) -> Metrics:
        return eventually(
            gateway.metrics, lambda metrics: metrics.value("carillon_memory_pressure") == level, f"pressure {level}"
        )

    with Control(gateway.control) as control:
        assert gateway.metrics().value("carillon_memory_pressure") == 0
        assert gateway.metrics().value("carillon_memory_limit_bytes") == LIMIT_MIB << 20
        payload = '"' + "x" * 500_000 + '"'
        # Soft pressure alone does not close it: a quarter of its bound is more than there is.
        for _ in range(1000):
            if gateway.metrics().value("carillon_memory_bytes") > 0.85 * (LIMIT_MIB << 20):
                break
            control.to_stream("flood", event(json=payload))
        eventually(gateway.metrics, lambda metrics: metrics.value("carillon_memory_pressure") > 0, "pressure")
        refused = http.get(gateway.edge, "/ws", http.upgrade_headers(gateway.edge))
        assert refused.status == 503 and b'"memory"' in refused.body, refused
        assert int(refused.headers["retry-after"]) >= 1
        for _ in range(1000):  # the guard may look before it is above
            metrics = gateway.metrics()
            if metrics.value("carillon_connections_closed_total", code="4100") > 0:
                break
            if metrics.value("carillon_memory_bytes") < 0.93 * (LIMIT_MIB << 20):
                control.to_stream("flood", event(json=payload))
        gateway.wait_for_metric("carillon_connections_closed_total", 1, code="4100")
        gateway.wait_for_log("very short of memory")
        pressure(0)
    assert quick.ask("ping")["event"] == "pong"
    assert keep(Browser(gateway.edge)).ask("ping")["event"] == "pong"
    gateway.wait_for_log("memory is enough again")
    slow.close()


def test_logs_leave_half_of_the_memory(start_gateway: Callable[..., Gateway]) -> None:
    """Logs as large as the process may be would leave it short for good: they are cut, and a line says so."""
    if SCALE < 1:
        return
    gateway = start_gateway({
        "limits": {"memory_bytes": f"{LIMIT_MIB}MiB"},
        "streams": [{"pattern": "big", "log": {"mode": "log", "messages": 10_000, "max_bytes": "1GiB"}}],
        "engine": {"memory": {"log_bytes": "1GiB"}},
    })  # fmt: skip
    with Control(gateway.control) as control:
        payload = '"' + "x" * 500_000 + '"'
        for _ in range(500):
            control.to_stream("big", event(json=payload))
    metrics = gateway.metrics()
    assert metrics.value("carillon_log_bytes_limit") == LIMIT_MIB << 19
    assert metrics.value("carillon_log_bytes") <= LIMIT_MIB << 19
    assert metrics.value("carillon_log_trimmed_total") > 300
    assert metrics.value("carillon_memory_pressure") == 0
    gateway.wait_for_log("engine.memory.log_bytes is cut to half")
