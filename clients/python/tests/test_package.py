"""The package as a whole: its types, its names, its installation."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from carillon_client import (
    AsyncBatcher,
    AsyncClient,
    AsyncPages,
    AsyncTail,
    AsyncWatch,
    Batcher,
    Client,
    Pages,
    Tail,
    Watch,
)
from carillon_client._pb import admin_pb2, control_pb2, schema_pb2

ROOT = Path(__file__).parent.parent


def test_strict_mypy() -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("sync", "aio"),
    [(Client, AsyncClient), (Watch, AsyncWatch), (Tail, AsyncTail), (Batcher, AsyncBatcher), (Pages, AsyncPages)],
)
def test_both_clients_have_the_same_names_and_arguments(sync: type, aio: type) -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(value).parameters)
            for name, value in vars(kind).items()
            if not name.startswith("_") and callable(value)
        }

    assert methods(sync) == methods(aio)
    assert all(inspect.getdoc(getattr(sync, name)) for name in methods(sync))


@pytest.mark.parametrize(
    "service",
    [
        control_pb2.DESCRIPTOR.services_by_name["ControlService"],
        admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
        schema_pb2.DESCRIPTOR.services_by_name["SchemaService"],
    ],
    ids=["control", "admin", "schema"],
)
def test_every_call_has_a_method(service: Any) -> None:
    """A new one in the proto needs a function in calls.py, admin_calls.py or schema_calls.py, and a line in client.py and in aio.py."""
    names = {method.name for method in service.methods}
    others = {"PublishStream": "batcher", "ListBlockedUsers": "blocked_users"}
    for name in names:
        snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
        assert hasattr(Client, others.get(name, snake)), f"{name} has no method"


@pytest.mark.parametrize("missing", ["no/such/carillon", "pyproject.toml"])
def test_a_binary_that_cannot_be_run_is_said_with_its_variable(tmp_path: Path, missing: str) -> None:
    binary = str(ROOT / missing)
    (tmp_path / "test_nothing.py").write_text("def test_nothing(carillon):\n    pass\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "carillon_client.testing", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CARILLON_BINARY": binary},
        capture_output=True,
        text=True,
    )

    assert run.returncode == 1
    assert f"CARILLON_BINARY names {binary}" in run.stdout and "Traceback" not in run.stdout


def test_it_is_installed_with_its_types_and_its_fixtures(tmp_path: Path) -> None:
    """As far as that goes without the network: built without isolation, installed without dependencies."""
    if find_spec("pip") is None or find_spec("wheel") is None or find_spec("setuptools") is None:
        pytest.skip("pip, setuptools and wheel are not all installed")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "carillon_client"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(source)], check=True, capture_output=True)

    installed = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*")}
    assert {"carillon_client/py.typed", "carillon_client/testing.py", "carillon_client/_pb/events_pb2.pyi"} <= installed
    (entry_points,) = (tmp_path / "site").glob("*.dist-info/entry_points.txt")
    assert "[pytest11]\ncarillon_client.testing = carillon_client.testing" in entry_points.read_text()
