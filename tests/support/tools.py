"""The programs that tests run: the gateway under test, and tools that are built or fetched once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GRPCURL_VERSION = "v1.9.4"


def carillon() -> str:
    """The carillon binary under test."""
    path = os.environ.get("CARILLON_BINARY")
    if not path:
        pytest.skip("CARILLON_BINARY is not set: it names the carillon binary to test")
    found = shutil.which(path)
    assert found, f"CARILLON_BINARY names no program: {path}"
    return str(Path(found).resolve())


def grpcurl() -> str:
    """grpcurl at one version, built once by go."""
    need("go")
    folder = ROOT / "build" / "tools" / "bin"
    program = folder / f"grpcurl-{GRPCURL_VERSION}"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GOBIN": str(folder)}
        built = subprocess.run(["go", "install", f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL_VERSION}"], env=environment,
                               stderr=subprocess.PIPE, text=True, timeout=540)
        if built.returncode != 0:
            pytest.skip(f"grpcurl could not be built: {built.stderr[-300:]}")
        (folder / "grpcurl").rename(program)
    return str(program)


def need(*programs: str) -> None:
    """Skips where one of these is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} not found")
