#!/usr/bin/env python3
"""Checks the includes of every source file against the rooms' arrows (docs/design: an arrow points at what a room may
include). Prints each include that breaks a rule as file:line and exits 1; prints a summary and exits 0 otherwise."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Room: where it lives, and which rooms it may include besides itself.
ROOMS = {
    "proto": ("proto", set()),
    "base": ("gateway/base", set()),
    "wire": ("gateway/wire", {"proto", "base"}),
    "dialect": ("gateway/dialect", {"proto", "base", "wire"}),
    "engine": ("gateway/engine", {"proto", "base", "wire"}),
    "schema": ("gateway/schema", {"proto", "base", "wire"}),
    "auth": ("gateway/auth", {"proto", "base", "wire", "schema"}),
    "hooks": ("gateway/hooks", {"proto", "base", "wire", "schema", "auth"}),
    "hub": ("gateway/hub", {"proto", "base", "wire", "dialect", "engine", "auth"}),
    "edge": ("gateway/edge", {"proto", "base", "wire", "dialect", "engine", "schema", "auth", "hooks", "hub"}),
    "control": ("control", {"proto", "base", "wire", "dialect", "engine", "schema", "auth", "hooks", "hub"}),
    "server": ("gateway/server", {"proto", "base", "wire", "dialect", "engine", "schema", "auth", "hooks", "hub", "edge", "control"}),
    "tools": ("tools", {"proto", "base", "wire", "dialect", "engine", "schema", "auth", "hooks", "hub", "edge", "control", "server"}),
}

# Libraries: which rooms may include them at all, and whether in headers too.
LIBRARIES = [
    (re.compile(r"^boost/asio"), {"hub", "edge", "server", "tools"}, True),
    (re.compile(r"^boost/beast"), {"edge", "tools"}, False),
    (re.compile(r"^grpc|grpc\.pb\.h$"), {"control", "hooks", "tools"}, False),
    (re.compile(r"^yaml-cpp/"), {"server", "tools"}, False),
    (re.compile(r"^CLI/"), {"tools"}, True),
    (re.compile(r"^openssl/"), {"base", "auth", "edge", "tools"}, False),
    (re.compile(r"^(spdlog|prometheus)/"), {"base"}, False),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def room_of(path: str):
    for name, (folder, _) in ROOMS.items():
        if path.startswith(folder + "/"):
            return name
    return None


def check(path: pathlib.Path):
    relative = path.relative_to(ROOT).as_posix()
    room = room_of(relative)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        if header.endswith(".pb.h") and header.startswith("carillon/v1/"):
            target = "proto"
        else:
            target = room_of(header)
        if target and target != room and target not in ROOMS[room][1]:
            yield f"{relative}:{number}: {room} may not include {target} ({header})"
        for pattern, rooms, in_headers in LIBRARIES:
            if not pattern.search(header):
                continue
            if room not in rooms:
                yield f"{relative}:{number}: {room} may not include {header}"
            elif path.suffix == ".h" and not in_headers:
                yield f"{relative}:{number}: {header} belongs in .cc files only"


def main() -> int:
    files = sorted(path for folder, _ in ROOMS.values() for path in (ROOT / folder).rglob("*") if path.suffix in {".h", ".cc"})
    problems = [problem for path in files for problem in check(path)]
    for problem in problems:
        print(problem)
    print(f"{len(files)} files, {len(problems)} includes against the arrows")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
