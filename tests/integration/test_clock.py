"""The wall clock jumps: expiry follows the new time, timers do not notice, and operators are told."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from pathlib import Path


import pytest
from support.gateway import Gateway, token
from support.http import RawConnection, request_bytes, upgrade_headers
from support.patience import eventually
from support.ws import Browser


def status_of(gateway: Gateway, bearer: str) -> int:
    connection = RawConnection(gateway.edge)
    try:
        connection.send(request_bytes("/ws", upgrade_headers("gateway.test", Authorization=f"Bearer {bearer}")))
        return connection.read_response().status
    finally:
        connection.close()


def test_a_jump_is_logged_and_moves_expiry_but_no_timer(start_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    """An hour ahead and back again. What lives by timers (heartbeats, deadlines) goes on as if nothing had been."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        pytest.skip("libfaketime is not installed")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    gateway = start_gateway(
        {"edge": {"endpoints": [{"path": "/ws", "anonymous": True, "ping_interval": "10m", "peer_timeout": "20m"}]}},
        environment={
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        },
    )
    browser = Browser(gateway.edge)
    ten_minutes = token("alice", lasts=600)
    assert status_of(gateway, ten_minutes) == 101

    offset.write_text("+3600")
    eventually(gateway.log_text, lambda text: '"seconds":36' in text or '"seconds":35' in text, "the log")
    assert status_of(gateway, ten_minutes) == 401
    assert browser.ask("ping")["event"] == "pong"

    offset.write_text("+0")
    eventually(gateway.log_text, lambda text: '"seconds":-3' in text, "the log")
    assert status_of(gateway, ten_minutes) == 101
    assert browser.ask("ping")["event"] == "pong"
    browser.leave()
    assert gateway.log_text().count("the wall clock jumped") == 2
