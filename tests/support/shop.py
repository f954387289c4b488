"""Types for typed events: shop.proto as descriptors, as protoc writes them, and as classes that are made of these."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import (  # what shop.proto imports must be there before its classes are made
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,  # noqa: F401
    empty_pb2,  # noqa: F401
    field_mask_pb2,  # noqa: F401
    struct_pb2,  # noqa: F401
    symbol_database,
    timestamp_pb2,  # noqa: F401
    wrappers_pb2,  # noqa: F401
)

SUPPORT = Path(__file__).parent


@cache
def descriptors() -> bytes:
    """shop.proto with its imports."""
    return compile_proto(SUPPORT / "shop.proto")


def compile_proto(file: Path) -> bytes:
    """A file as a FileDescriptorSet, as a user of protoc has it."""
    protoc = shutil.which("protoc", path="/usr/bin") or shutil.which("protoc")
    assert protoc, "protoc builds the gateway, and so it is there"
    with tempfile.NamedTemporaryFile() as out:
        command = [protoc, f"-I{file.parent}", "--include_imports", f"--descriptor_set_out={out.name}", file.name]
        subprocess.run(command, check=True)
        return Path(out.name).read_bytes()


def source(package: str, body: str, folder: Path) -> bytes:
    """A proto3 file of its own, compiled."""
    file = folder / f"{package.replace('.', '_')}.proto"
    file.write_text(f'syntax = "proto3";\npackage {package};\n{body}\n')
    return compile_proto(file)


@cache
def _classes() -> dict[str, Any]:
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors()).file
    pool = descriptor_pool.Default()
    for file in files:
        if not file.name.startswith("google/"):
            pool.Add(file)
    own = pool.FindFileByName("shop.proto").message_types_by_name.values()
    return {each.full_name: symbol_database.Default().GetPrototype(each) for each in own}


def message(name: str, **fields: Any) -> Any:
    """A message of shop.v1."""
    return _classes()[f"shop.v1.{name}"](**fields)


def packed(thing: Any) -> any_pb2.Any:
    """As an Any."""
    result = any_pb2.Any()
    result.Pack(thing)
    return result
