"""Volume, with the benchmark as the listener: it counts every delivery and its order."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from support.gateway import Gateway
from support.patience import PATIENCE, SCALE


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"log": {"level": "info"}}


def bench(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    # The listener is not what is tested, so the quick build listens to whichever gateway is.
    program = os.path.join(os.environ.get("CARILLON_RELEASE", ""), "carillon")
    program = program if os.path.exists(program) else os.environ["CARILLON_BINARY"]
    run = subprocess.run(
        [program, "bench", "fanout", "--json", "--edge", gateway.edge, "--control", gateway.control, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE * 6,
        env={name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")},
    )
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
