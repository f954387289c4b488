"""R71: a gateway that is short of memory takes no new clients and closes the slowest, instead of being killed; and it
recovers by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support import http
from support.control import Control, event, pb
from support.gateway import Gateway, Metrics
from support.patience import SCALE, eventually
from support.ws import Browser

LIMIT_MIB = 200


def test_short_of_memory_it_holds_less(start_gateway: Callable[..., Gateway], keep: Callable[[Any], Any]) -> None:
    """A log grows beyond what the process may have; then it is cleared."""
    if SCALE < 1:
        return  # a sanitizer keeps what was freed, and begins with more than the limit
    gateway = start_gateway({
        "limits": {"memory_bytes": f"{LIMIT_MIB}MiB"},
        "streams": [{"pattern": "big", "log": {"mode": "log", "messages": 10_000, "max_bytes": "1GiB"}}],
        "engine": {"memory": {"log_bytes": "1GiB"}},
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
        control.to_stream("flood", event(json=payload))
        while gateway.metrics().value("carillon_memory_bytes") < 0.95 * (LIMIT_MIB << 20):
            control.to_stream("big", event(json=payload))

        pressure(2)
        refused = http.get(gateway.edge, "/ws", http.upgrade_headers(gateway.edge))
        assert refused.status == 503 and b'"memory"' in refused.body, refused
        assert int(refused.headers["retry-after"]) >= 1
        gateway.wait_for_metric("carillon_connections_closed_total", 1, code="4100")
        assert quick.ask("ping")["event"] == "pong"
        assert "very short of memory" in gateway.log_text()

        cleared = control.call("ClearMessages", pb.ClearMessagesRequest(stream="big"))
        assert cleared.messages > 100
        pressure(0)
    assert keep(Browser(gateway.edge)).ask("ping")["event"] == "pong"
    assert "memory is enough again" in gateway.log_text()
    slow.close()
