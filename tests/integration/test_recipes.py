"""Every grpcurl line of the docs, as it stands there, against a gateway on which somebody is connected."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import shop
from support.gateway import Gateway, token
from support.patience import PATIENCE
from support.ws import Browser, with_query

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = [
    pytest.param(line.strip(), id=f"{page.stem}-{line.strip().split()[-1]}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, line in enumerate(page.read_text().splitlines())
    if re.match(r"\s*grpcurl -plaintext .*localhost:7311 carillon", line)
]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"streams": [{"pattern": "log", "log": {"mode": "log"}}]}


def test_there_are_recipes() -> None:
    assert len(RECIPES) > 20


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe(
    gateway: Gateway, grpcurl_program: str, connect: Callable[..., Browser], recipe: str
) -> None:
    browser = connect(with_query("/ws", streams="chat,room-7,presence-room", token=token("alice")))
    named = {
        "$SESSION": browser.session,
        "$DESCRIPTORS": base64.b64encode(shop.descriptors()).decode(),
        "localhost:7311": gateway.control,
    }
    for name, meant in named.items():
        recipe = recipe.replace(name, meant)
    words = shlex.split(recipe)
    command = [grpcurl_program, *words[1:]]
    if words[-1].endswith(("/Watch", "/Tail")):  # ends when somebody ends it
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert any("scanned_to" in line or "begun" in line for line in iter(watching.stdout.readline, ""))
            watching.terminate()
        return
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("{")
