"""Volume, with the benchmark as the listener: it counts every delivery and its order."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.control import Control
from support.gateway import Gateway
from support.patience import PATIENCE, SCALE, eventually


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"log": {"level": "info"}}


def run_bench(gateway: Gateway, *arguments: str, control: str | None = None) -> subprocess.CompletedProcess[str]:
    # The listener is not what is tested, so the quick build listens to whichever gateway is.
    program = os.path.join(os.environ.get("CARILLON_RELEASE", ""), "carillon")
    program = program if os.path.exists(program) else os.environ["CARILLON_BINARY"]
    return subprocess.run(
        [program, "bench", "fanout", "--json", "--edge", gateway.edge, "--control", control or gateway.control, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE * 6,
        env={name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")},
    )


def bench(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    run = run_bench(gateway, *arguments)
    assert run.stdout, run.stderr
    return dict(json.loads(run.stdout))


def test_a_burst_closes_nobody(gateway: Gateway) -> None:
    """2,000 messages of 150 bytes at once to 1,000 readers that keep up: each has all of them, in order, and stays."""
    readers, messages = max(50, int(1000 * SCALE)), max(500, int(2000 * SCALE))

    figures = bench(gateway, "-n", str(readers), "--burst", str(messages), "--size", "150", "--stream", "burst")

    assert figures["deliveries"] == readers * messages
    assert (figures["lost"], figures["missing"], figures["closed"]) == (0, 0, 0)
    assert gateway.metrics().value("carillon_slow_consumers_total") == 0


def test_one_stopped_reader_costs_the_others_nothing(gateway: Gateway) -> None:
    """Among many, one never reads: it is closed with 4101, the others miss nothing."""
    readers = max(50, int(300 * SCALE))

    with gateway.rises("carillon_connections_closed_total", code="4101"):
        figures = bench(gateway, "-n", str(readers), "--stopped", "1", "--rate", "1000", "--seconds", "4", "--size", "1000",
                        "--stream", "stalled")

    assert (figures["lost"], figures["missing"], figures["closed"]) == (0, 0, 0)
    assert figures["published"] >= 1000


def test_a_listener_that_loses_a_connection_says_so_and_ends(gateway: Gateway) -> None:
    """It must not wait for a client that is gone."""
    with Control(gateway.control) as control, ThreadPoolExecutor() as pool:
        running = pool.submit(run_bench, gateway, "-n", "3", "--seconds", "600", "--stream", "kicked")
        eventually(lambda: control.count(stream="kicked"), lambda count: count == 3, "listeners")
        eventually(lambda: control.kick(stream="kicked").sessions, lambda count: count == 0, "kicked")
        ended = running.result(PATIENCE)

    assert ended.returncode == 1
    assert json.loads(ended.stdout)["closed"] >= 1


def test_a_listener_that_may_not_publish_says_why(gateway: Gateway) -> None:
    """The address and the status, in words."""
    ended = run_bench(gateway, "-n", "1", "--seconds", "1", control="127.0.0.1:1")

    assert ended.returncode == 1
    assert "cannot publish to 127.0.0.1:1" in ended.stderr


def test_a_process_that_is_not_there_has_no_cpu_time(gateway: Gateway) -> None:
    """Rather no figure than a wrong one."""
    ended = run_bench(gateway, "-n", "1", "--pid", str(1 << 30), "--seconds", "1")

    assert ended.returncode == 1
    assert "--pid" in ended.stderr
