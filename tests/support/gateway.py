"""A gateway of one's own: the real binary on free ports, ended with SIGTERM, which it must survive in good order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from support import http
from support.patience import PATIENCE, eventually

JWT_SECRET = "a-secret-of-the-tests-0123456789abcdef"

#: What the log says of a SIGHUP.
LOADED = "SIGHUP: loaded the configuration"
REFUSED = "SIGHUP: the configuration is refused, and everything stays as it was"

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


class Metrics:
    """What /metrics said at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            match = _SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            self._samples.append((match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])))

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with that name and these labels. There must be one."""
        found = [
            value for each, has, value in self._samples if each == name and labels.items() <= has.items()
        ]
        assert found, f"no sample {name}{labels}"
        return sum(found)


class Gateway:
    """A running gateway."""

    def __init__(
        self,
        binary: str,
        folder: Path,
        config: Mapping[str, Any],
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        open_files: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Returns when it listens.

        config       As config.proto has it. Listens on free loopback ports where it says nothing else.
        open_files   The limit on open files that it is to live with.
        stderr       A descriptor to log to. None: a file, see log_text().
        """
        self.config = deepcopy(dict(config))
        for room in ("edge", "control", "admin"):
            self.config.setdefault(room, {}).setdefault("listen", "127.0.0.1:0")
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "carillon.yaml"
        self.file.write_text(json.dumps(self.config))  # JSON is YAML
        self._log = folder / "stderr.log"
        self._stopping = False
        command = [binary, "serve", "-c", str(self.file), *arguments]
        if open_files is not None:
            command = ["sh", "-c", 'ulimit -n "$0"; exec "$@"', str(open_files), *command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log if stderr is None else stderr,
                env=clean_environment(environment),
            )
        line = self._first_line()
        if not line:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the gateway did not start:\n{self.log_text()}")
        listening = json.loads(line)
        assert listening["pid"] == self.process.pid
        self.edge: str = listening["edge"]
        self.control: str = listening["control"]
        self.admin: str = listening["admin"]

    def _first_line(self) -> bytes:
        # Reading has no timeout of its own: a gateway that hangs is ended, which ends the reading.
        assert self.process.stdout is not None
        killer = threading.Timer(PATIENCE, self.process.kill)
        killer.start()
        line = self.process.stdout.readline()
        killer.cancel()
        return line

    # --- What operators see ---

    def metrics(self) -> Metrics:
        """What /metrics says now."""
        response = http.get(self.admin, "/metrics")
        assert response.status == 200
        return Metrics(response.body.decode())

    def wait_for_metric(self, name: str, good: float | Callable[[float], bool], **labels: str) -> float:
        """Waits until a metric is as it should be."""
        judge = good if callable(good) else lambda value: value == good
        return eventually(lambda: self.metrics().value(name, **labels), judge, f"{name}{labels}")

    @contextmanager
    def rises(self, name: str, by: float = 1, **labels: str) -> Iterator[None]:
        """What happens inside must make the metric rise by exactly this much."""
        before = self.metrics().value(name, **labels)
        yield
        self.wait_for_metric(name, before + by, **labels)

    def wait_until_empty(self) -> None:
        """Waits until every session is gone."""
        self.wait_for_metric("carillon_connections", 0)

    def log_text(self) -> str:
        """Standard error so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_for_log(self, text: str) -> str:
        """Waits for what the log must say, since lines are written by a thread of their own. Returns all of it."""
        return eventually(self.log_text, lambda log: text in log, f"a line of the log with {text!r}")

    # --- Its configuration ---

    def hang_up(self, outcome: str = LOADED) -> None:
        """SIGHUP, and waits for what the log says of it."""
        before = self.log_text().count(outcome)
        self.process.send_signal(signal.SIGHUP)
        try:
            eventually(lambda: self.log_text().count(outcome), lambda count: count > before, "the reload")
        except AssertionError:
            print(f"the log, in which {outcome!r} is missing:\n{self.log_text()}")
            raise

    def reload(self, changes: Mapping[str, Any], outcome: str = LOADED) -> None:
        """Writes a changed file and loads it; see merged."""
        self.file.write_text(json.dumps(merged(json.loads(self.file.read_text()), changes)))
        self.hang_up(outcome)

    # --- Its end ---

    def begin_stop(self) -> None:
        """SIGTERM."""
        self._stopping = True
        self.process.send_signal(signal.SIGTERM)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit status. It must have ended by then."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {patience:g} s:\n{self.log_text()}") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return status

    def stop(self) -> None:
        """Ends it as a service manager would, and insists that it goes in peace. May be called again."""
        if self.process.returncode is None:
            if not self._stopping:  # a second signal would end it at once
                self.begin_stop()
            self.wait()
        self.check_end()

    def check_end(self) -> None:
        """It must have ended well: status 0, no sanitizer's report, no broken invariant."""
        log = self.log_text()
        assert self.process.returncode == 0, f"exit status {self.process.returncode}:\n{log}"
        for word in ("Sanitizer", "runtime error:", "broken invariant"):
            assert word not in log, log


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Settings of the person who runs the tests must not reach the gateway: variables beat the file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    environment.update(extra or {})
    return environment


def merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`top` over `base`, group by group. Lists are replaced."""
    result = deepcopy(dict(base))
    for key, value in top.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both else deepcopy(value)
    return result


# --- Tokens ---


def encode_part(part: bytes) -> str:
    """Base64url without padding, as JSON Web Tokens have it."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def sign(claims: Mapping[str, Any], secret: str = JWT_SECRET, header: Mapping[str, Any] | None = None) -> str:
    """A token of exactly these claims."""
    text = encode_part(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    text += "." + encode_part(json.dumps(claims).encode())
    return text + "." + encode_part(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))


def token(user: str, lasts: float = 3600, **claims: Any) -> str:
    """A good token, as an application would give it to its browser."""
    return sign({"sub": user, "exp": int(time.time() + lasts), **claims})
