"""The README's code, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from carillon_client.testing import Gateway

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_runs(number: int, gateway: Gateway, tmp_path: Path) -> None:
    """As a program, or by pytest where it holds tests."""
    is_test = "def test_" in BLOCKS[number]
    file = tmp_path / ("test_readme_block.py" if is_test else "block.py")
    file.write_text(BLOCKS[number])
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CARILLON_ADDRESS": gateway.control,
        "CARILLON_TOKEN": gateway.key,
    }
    command = ["-m", "pytest", "-q", "-p", "carillon_client.testing", str(file)] if is_test else [str(file)]
    run = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_it_holds_code() -> None:
    assert len(BLOCKS) >= 8


def test_files_that_it_names_are_there() -> None:
    named = re.findall(r"python (examples/\w+\.py)", (ROOT / "README.md").read_text())
    assert len(named) == 4 and all((ROOT / name).exists() for name in named)
