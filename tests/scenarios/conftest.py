from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
pytest.register_assert_rewrite("support.ws", "support.http", "support.gateway")

from speaker import Speaker  # noqa: E402
from support import tools  # noqa: E402
from support.gateway import JWT_SECRET, Gateway, merged  # noqa: E402

#: What every gateway begins with; the list has the rest.
BASE_CONFIG: dict[str, Any] = {
    "edge": {"endpoints": [{"path": "/ws", "anonymous": True}]},
    "auth": {"hs256_secret": JWT_SECRET},
    "hub": {"shards": 2},
    "drain": {"window": "0s", "timeout": "1s", "control_timeout": "1s"},
}


@pytest.fixture(scope="session")
def binary() -> str:
    """The carillon binary under test."""
    return tools.carillon()


@pytest.fixture(scope="session")
def start_gateway(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Gateway]]:
    """Starts a gateway, which the test tells to stop; all of them must have ended well when the last test is over."""
    started: list[Gateway] = []

    def start(config: dict[str, Any]) -> Gateway:
        started.append(Gateway(binary, tmp_path_factory.mktemp("gateway"), merged(BASE_CONFIG, config)))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def _speakers() -> list[str]:
    """Who plays the list. The command line where the binary has it: before, it only ran gateways."""
    program = _program_of_command_line()
    speaks = program and subprocess.run([program, "send", "--help"], capture_output=True).returncode == 0
    return ["python", "go", "shell", *(["command-line"] if speaks else [])]


def _program_of_command_line() -> str | None:
    return os.environ.get("CARILLON_TEST_COMMAND_LINE") or os.environ.get("CARILLON_BINARY")


@pytest.fixture(scope="session", params=_speakers())
def speaker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, binary: str) -> Iterator[Speaker]:
    """The list is the same for each of them."""
    running = _SPEAKERS[request.param](tmp_path_factory.mktemp("speaker"))
    yield running
    running.close()


def _python(folder: Path) -> Speaker:
    client = ROOT / "clients" / "python"
    return Speaker([sys.executable, str(HERE / "speakers" / "python_speaker.py")], {"PYTHONPATH": str(client)})


def _go(folder: Path) -> Speaker:
    tools.need("go")
    program = folder / "speaker"
    subprocess.run(["go", "build", "-o", str(program), "./internal/speaker"], cwd=ROOT / "clients" / "go", check=True)
    return Speaker([str(program)])


def _shell(folder: Path, **more: str) -> Speaker:
    tools.need("bash", "jq")
    return Speaker(["bash", str(HERE / "speakers" / "shell_speaker.sh")], {"GRPCURL": tools.grpcurl(), "BACKEND": tools.carillon(), **more})


def _command_line(folder: Path) -> Speaker:
    # Contexts of the person who runs the tests must not reach it.
    return _shell(folder, CARILLON=_program_of_command_line() or "", HOME=str(folder), XDG_CONFIG_HOME=str(folder))


_SPEAKERS = {"python": _python, "go": _go, "shell": _shell, "command-line": _command_line}
