"""A network that goes away without a word: no FIN, no reset, packets that vanish (half-open connections)."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import BASE_CONFIG
from support.control import Control, event
from support.gateway import Gateway, merged
from support.network import in_network_of_its_own, set_loopback
from support.patience import eventually
from support.ws import Browser

CLOSED = "carillon_connections_closed_total"


def test_a_client_behind_a_dead_network_is_let_go(binary: str, tmp_path: Path) -> None:
    """Its silence is noticed by the heartbeat and told as such; a message to it meanwhile does no harm; and when the
    network is back, the gateway serves the next one."""
    settings = {"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "ping_interval": "250ms", "peer_timeout": "1s"}]}}

    def body() -> None:
        gateway = Gateway(binary, tmp_path, merged(BASE_CONFIG, settings))
        try:
            lost = Browser(gateway.edge, "/ws?streams=news")
            with Control(gateway.control) as control:
                control.to_stream("news", event("before"))
                assert lost.receive()["event"] == "before"

                set_loopback(False)
                eventually(gateway.log_text, lambda text: "4201" in text, "what it says of the silent client")
                set_loopback(True)

                gateway.wait_for_metric("carillon_connections", 0)
                assert gateway.metrics().value(CLOSED, code="4201") == 1
                back = Browser(gateway.edge, "/ws?streams=news")
                assert eventually(lambda: control.to_stream("news", event("after")).sessions, lambda n: n == 1, "sent to")
                assert back.receive()["event"] == "after"
                back.leave()
            lost.close()
        finally:
            gateway.stop()

    try:
        in_network_of_its_own(body)
    except PermissionError as refused:
        pytest.skip(f"network namespaces take root: {refused}")
