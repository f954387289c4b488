"""Every example of docs/command_line.md, as it stands there; and its table of commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command_line import Shell
from support.feed import wait_for_watchers
from support.gateway import Gateway, token
from support.ws import Browser, with_query

PAGE = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def shards() -> int:
    return 2


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"streams": [{"pattern": "log", "log": {"mode": "log"}}]}


@pytest.mark.parametrize("script", BLOCKS, ids=lambda script: script.split("\n")[0][:30])
def test_an_example(gateway: Gateway, shell: Shell, connect: Callable[..., Browser], script: str) -> None:
    """In a shell that stops at the first line that fails."""
    (shell.home / "key.txt").write_text("a-key\n")
    (shell.home / "carillon.yaml").write_text(gateway.file.read_text())
    if "watch" in script:  # the feed begins with the first that watches
        watch = shell.start("watch", "--kind", "session_opened", "--count", "1")
        wait_for_watchers(gateway, 1)
        connect(with_query("/ws", token=token("alice")))
        assert watch.end().code == 0
    done = shell.shell("set -e\n" + script.replace("127.0.0.1:7311", gateway.control))
    assert done.code == 0, done
    assert done.out or "completion" in script


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 6


def test_the_page_lists_the_commands_that_there_are(shell: Shell) -> None:
    """Under the headings that the program has."""
    table = re.search(r"## Commands\n\n.*?\n\n", PAGE, re.S)
    assert table
    listed = {row[0]: re.findall(r"`([a-z-]+)`", row[1]) for row in re.findall(r"^\| ([A-Z]\w+) \| (.*) \|$", table[0], re.M)}
    said = [line.split() for line in shell.refused("nosuch", code=2).splitlines() if line.startswith("  ")]
    assert {group: sorted(commands) for group, *commands in said} == {group: sorted(commands) for group, commands in listed.items()}
