"""A backend in a language that has no client of ours: it installs the protos, generates stubs, and calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import tools
from support.gateway import Gateway, token
from support.patience import PATIENCE
from support.ws import Browser, with_query

HERE = Path(__file__).parent / "node_stubs"
KEY = "a-key-for-node-0123456789"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"control": {"keys": [{"name": "node", "secret": KEY}]}}


def run(*command: str, **how: Any) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=5 * PATIENCE, **how)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def protos(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The protos as CMake installs them."""
    tools.need("cmake")
    build = Path(binary).parent
    if not (build / "cmake_install.cmake").exists():  # the binary is from elsewhere
        build = tmp_path_factory.mktemp("build")
        run("cmake", "-S", str(tools.ROOT), "-B", str(build), "-G", "Ninja")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", str(build), "--prefix", str(prefix), "--component", "protos")
    return prefix / "share" / "carillon" / "proto"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """What package.json asks for, installed once."""
    tools.need("node", "npm", "protoc")
    folder = tools.ROOT / "build" / "tools" / "node"
    wanted = (HERE / "package.json").read_text()
    note = folder / "installed.json"  # written last
    if not note.exists() or note.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(wanted)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=540)
        if done.returncode != 0:
            pytest.skip(f"npm could not install what node_stubs/package.json asks for: {done.stdout[-300:]}")
        note.write_text(wanted)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def backend(protos: Path, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Runs broadcast.js beside generated stubs, and returns what it prints."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("made")
    names = sorted(str(each.relative_to(protos)) for each in protos.rglob("*.proto"))
    run(
        "protoc", f"--plugin={node_modules / '.bin' / 'protoc-gen-ts_proto'}", f"--ts_proto_out={source}",
        "--ts_proto_opt=outputServices=grpc-js,esModuleInterop=true,forceLong=string", f"-I{protos}", *names,
    )
    written = [str(each) for each in source.rglob("*.ts")]
    run(
        "node", str(node_modules / ".bin" / "tsc"), "--noCheck", "--module", "commonjs", "--moduleResolution", "node10",
        "--target", "es2022", "--esModuleInterop", "--rootDir", str(source), "--outDir", str(made), *written,
    )
    shutil.copy(HERE / "broadcast.js", made)
    environment = {**os.environ, "NODE_PATH": str(node_modules)}
    return lambda *arguments: json.loads(run("node", str(made / "broadcast.js"), *arguments, env=environment))


def test_the_protos_are_the_api_and_no_more(protos: Path) -> None:
    """The configuration, the codes and the snapshot are the gateway's own affairs."""
    assert {each.name for each in protos.rglob("*.proto")} == {"admin.proto", "control.proto", "envelope.proto", "events.proto", "hooks.proto", "schema.proto"}
    source = tools.ROOT / "proto"
    assert all(each.read_text() == (source / each.relative_to(protos)).read_text() for each in protos.rglob("*.proto"))


def test_a_call_from_node_reaches_a_browser(
    gateway: Gateway, backend: Callable[..., Any], connect: Callable[..., Browser], fresh: Callable[[str], str]
) -> None:
    user = fresh("ann")
    browser = connect(with_query("/ws", token=token(user)))

    answer = backend(gateway.control, KEY, user)

    assert (answer["receipt"]["sessions"], answer["receipt"]["duplicate"]) == (1, False)
    message = browser.receive()
    assert (message["stream"], message["event"], message["data"]) == ("@user", "order.shipped", {"order": 42, "by": "Zoë"})
    assert message["meta"]["id"] == answer["receipt"]["messageId"]


def test_a_refusal_reaches_node(gateway: Gateway, backend: Callable[..., Any]) -> None:
    answer = backend(gateway.control, "a-key-that-nobody-has-01", "ann")
    assert answer["code"] == 16, answer  # UNAUTHENTICATED
