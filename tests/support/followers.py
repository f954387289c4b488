"""Very many clients that hold the gateway to docs/guarantees.md: tests/followers, a program of its own, because each of
them reads every message."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from support.patience import PATIENCE


class Followers:
    """Clients of one stream that lose their connections at random, come back, and check everything they are told."""

    def __init__(self, binary: str, address: str, stream: str, clients: int, **orders: Any) -> None:
        """Returns when all of them are subscribed. For the orders, see tests/followers/followers.cc."""
        program = Path(binary).parent / "tests" / "followers" / "carillon_followers"
        assert program.exists(), f"{program} is not built"
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._killer = threading.Timer(20 * PATIENCE, self._process.kill)
        self._killer.start()
        self._tell(json.dumps({
            "address": address, "stream": stream, "clients": clients, "patience_ms": int(10 * PATIENCE * 1000), **orders
        }))
        self._seed = self._line()
        print(f"followers: {self._seed.strip()}")
        connected = self._line()
        if connected != f'{{"connected":{clients}}}\n':
            self.close()
            raise AssertionError(f"{clients} clients were to be subscribed: {connected}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def finish(self, epoch: str, offset: int) -> dict[str, Any]:
        """Says which message is the last, waits until every client stands there, and insists that nothing was wrong."""
        self._tell(f"end {epoch} {offset}")
        report: dict[str, Any] = json.loads(self._line())
        print({key: value for key, value in report.items() if key != "restart_closes_ms"})
        assert report["wrongs"] == 0, "\n".join(report["wrong"])
        assert self._process.wait(PATIENCE) == 0
        return report

    def close(self) -> None:
        """Ends them, if they have not ended by themselves."""
        self._killer.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
