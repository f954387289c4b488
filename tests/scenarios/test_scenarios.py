"""One list of scenarios, played against the real gateway from Python, from Go and from a shell, with the same expectations."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from matching import Names
from play import Play, Scenario, read_list
from speaker import Speaker
from support.gateway import Gateway, merged

CONFIG, SCENARIOS = read_list()
KEYS = {each["name"]: each["secret"] for each in CONFIG["control"]["keys"]} | {"wrong": "a-key-that-nobody-has-01", "none": ""}


def test_the_list_has_each_name_once() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names)) >= 25


@pytest.fixture
def backend() -> Iterator[str]:
    """Where the scenario's backend is to be found. Not where pytest keeps files: the name of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        yield f"unix:{folder}/backend"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_scenario(
    scenario: Scenario, speaker: Speaker, start_gateway: Callable[[dict[str, Any]], Gateway], backend: str
) -> None:
    names = Names()
    names.give("backend", backend)
    gateway = start_gateway(merged(CONFIG, names.fill_in(scenario.config)))
    play = Play(gateway, speaker, KEYS, backend)
    try:
        for step in scenario.steps:
            play.step(step)
    finally:
        play.close()
        speaker.forget()
        gateway.begin_stop()
