"""A program that speaks to gateways as a backend would, in its own language.

It reads one line of JSON on standard input for each thing to do, and answers with one line on standard output:

    {"do": "call", "address": "127.0.0.1:7311", "key": "…", "app": "", "call": "broadcast_stream", "with": {"stream": "chat", …}}
    {"ok": {"message_id": "…", "sessions": 1, "position": null, "duplicate": false, "report": null}}
    {"refused": {"code": "INVALID_ARGUMENT", "reason": "FIELD_INVALID", "fields": ["stream"], "message": "…"}}

    {"do": "watch", "address": …, "key": …, "app": …, "name": "w", "with": {"group": "g", …}}   answers when it has begun
    {"do": "event", "name": "w"}     the next event; who asks has dealt with the one before
    {"do": "unwatch", "name": "w"}   leaves; the last event is not dealt with
    {"do": "answer", "listen": "unix:/…", "key": "…", "answers": [{"asks": "OnClientEvent", "of": {…}, "answer": {…}}, …]}
                                     is a backend that the gateway asks: answers when it listens
    {"do": "reset"}                  forgets everything: the gateway is gone

Names of calls and of their arguments are the fields of the protocol; times to wait are seconds; results are flat, null where
the gateway has nothing to say. scenarios.yaml uses all of it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from support.gateway import clean_environment
from support.patience import PATIENCE


class Speaker:
    """A speaker that runs when it is needed, and is started again when it has ended."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = clean_environment(environment)
        self._process: subprocess.Popen[str] | None = None

    def ask(self, **what: Any) -> dict[str, Any]:
        """Its answer. A speaker that takes too long is ended."""
        if self._process is None:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                             env=self._environment)
        assert self._process.stdin is not None and self._process.stdout is not None
        killer = threading.Timer(PATIENCE, self._process.kill)
        killer.start()
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            killer.cancel()
        if not line:
            status = self.close()
            why = f"did not answer within {PATIENCE:g} s" if status == -signal.SIGKILL else f"ended with status {status}"
            raise AssertionError(f"the speaker {why}: {what}")
        answer = json.loads(line)
        assert isinstance(answer, dict) and set(answer) in ({"ok"}, {"refused"}), f"no answer, but {answer}"
        return answer

    def forget(self) -> None:
        """The gateway is about to go."""
        if self._process is not None:
            self.ask(do="reset")

    def close(self) -> int:
        """Ends it. Returns its exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.communicate(timeout=PATIENCE)
        return process.returncode
