"""The binary as somebody at a shell uses it: run to its end, or running."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.gateway import clean_environment
from support.patience import PATIENCE


class Done:
    """A command that has ended."""

    def __init__(self, run: subprocess.CompletedProcess[bytes]) -> None:
        self.code = run.returncode
        self.out = run.stdout.decode()
        self.err = run.stderr.decode()

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def table(self) -> list[list[str]]:
        """A list's cells, without its headings."""
        return [line.split() for line in self.out.splitlines()[1:]]

    @property
    def record(self) -> dict[str, str]:
        """One thing's table of two columns."""
        pairs = (line.split("  ", 1) for line in self.out.splitlines())
        return {name.strip(): value.strip() for name, value in pairs}


class Shell:
    """A person with a home of their own, and a gateway in mind."""

    def __init__(self, binary: str, home: Path, address: str | None = None, **environment: str) -> None:
        home.mkdir(exist_ok=True)
        self.binary = binary
        self.home = home
        self.environment = clean_environment({"HOME": str(home), "TERM": "xterm"})
        for name in ("XDG_CONFIG_HOME", "NO_COLOR"):
            self.environment.pop(name, None)
        if address is not None:
            self.environment["CARILLON_ADDRESS"] = address
        self.environment.update(environment)

    def _how(self, environment: Mapping[str, str | None] | None) -> dict[str, Any]:
        changed = {**self.environment, **(environment or {})}
        return {"cwd": self.home, "env": {name: value for name, value in changed.items() if value is not None}}

    def run(
        self, *arguments: str, stdin: bytes | str = b"", environment: Mapping[str, str | None] | None = None, code: int | None = 0
    ) -> Done:
        """Runs a command to its end, which must be this exit code; None: any. None in `environment` takes away."""
        told = stdin.encode() if isinstance(stdin, str) else stdin
        done = Done(subprocess.run([self.binary, *arguments], input=told, capture_output=True, timeout=2 * PATIENCE, **self._how(environment)))
        assert code is None or done.code == code, done
        for word in ("Sanitizer", "runtime error:", "broken invariant"):
            assert word not in done.err, done
        return done

    def refused(self, *arguments: str, code: int, **how: Any) -> str:
        """The same of one that must fail: what it says. It says nothing on standard output, and what to try."""
        done = self.run(*arguments, code=code, **how)
        assert done.out == "" and ("try: " in done.err or "--help" in done.err), done
        return done.err

    def shell(self, script: str, stdin: str = "", environment: Mapping[str, str | None] | None = None) -> Done:
        """A script of bash, in which `carillon` is the binary."""
        script = f"set -o pipefail; carillon() {{ {self.binary} \"$@\"; }}\n{script}"
        return Done(subprocess.run(["bash", "-c", script], input=stdin.encode(), capture_output=True, timeout=2 * PATIENCE, **self._how(environment)))

    def start(self, *arguments: str) -> Running:
        """A command that goes on."""
        return Running([self.binary, *arguments], self._how(None))


class Running:
    """A command that goes on until it is told to end."""

    def __init__(self, command: Sequence[str], how: Mapping[str, Any]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self._killer = threading.Timer(2 * PATIENCE, self.process.kill)  # reading has no timeout of its own
        self._killer.start()

    def line(self) -> str:
        """The next line of standard output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line, self._rest()
        return line.rstrip("\n")

    def error_line(self) -> str:
        """The next line of standard error."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline().decode()
        assert line, "it has ended"
        return line.rstrip("\n")

    def write(self, text: str) -> None:
        """To its standard input."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), text.encode())

    def end(self, signal: int | None = None) -> Done:
        """Sends a signal, or else closes its standard input, and waits."""
        kept_open = None  # or it might see the end of its input before the signal
        if signal is not None:
            kept_open, self.process.stdin = self.process.stdin, None
            self.process.send_signal(signal)
        out, err = self.process.communicate(timeout=2 * PATIENCE)
        if kept_open is not None:
            kept_open.close()
        self._killer.cancel()
        return Done(subprocess.CompletedProcess([], self.process.returncode, out, err))

    def close(self) -> None:
        """Ends it for good."""
        self._killer.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def _rest(self) -> str:
        assert self.process.stderr is not None
        return f"it has ended: {self.process.stderr.read().decode()}"
