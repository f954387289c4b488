"""Very many quiet clients, in a process of their own: so many descriptors would crowd the tests' process, and its
limit. Run as a program it connects, says so, answers each line with the bytes that were read, and stays until its
standard input ends; Swarm is the way to hold it."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from support.patience import PATIENCE

#: How many handshakes may be under way at once: less than any listener's backlog.
_WINDOW = 256

# A good handshake; the key is RFC 6455's own example.
_REQUEST = (
    "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Swarm:
    """Clients that connect, read whatever comes, and answer nothing."""

    def __init__(self, address: str, targets: Sequence[str]) -> None:
        """Returns when each of the targets has its client, which was welcomed."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.swarm", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(targets)) + "\n")
        self._process.stdin.flush()
        killer = threading.Timer(4 * PATIENCE, self._process.kill)
        killer.start()
        line = self._process.stdout.readline()
        killer.cancel()
        if line != f"{len(targets)}\n":
            self.close()
            raise AssertionError(f"{line!r} of {len(targets)} clients were welcomed")

    def bytes_read(self) -> int:
        """How much all of them together have read since they were welcomed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """All of them leave at once. May be called again."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _run(address: str) -> None:
    targets = json.loads(sys.stdin.readline())
    host, _, port = address.rpartition(":")
    poll = select.epoll()
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    clients: dict[int, tuple[socket.socket, bytearray | None]] = {}  # with what was read before the welcome
    waiting = list(reversed(targets))
    under_way = welcomed = bytes_read = 0
    while True:
        while waiting and under_way < _WINDOW:
            client = socket.create_connection((host, int(port)))
            client.sendall(_REQUEST.format(target=waiting.pop(), host=address).encode())
            client.setblocking(False)
            clients[client.fileno()] = (client, bytearray())
            poll.register(client.fileno(), select.EPOLLIN)
            under_way += 1
        for descriptor, _ in poll.poll():
            if descriptor == sys.stdin.fileno():
                if not sys.stdin.readline():
                    return
                print(bytes_read, flush=True)
                continue
            client, head = clients[descriptor]
            try:
                data = client.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                if head is not None:
                    raise SystemExit(f"refused: {bytes(head)!r}")
                poll.unregister(descriptor)
                client.close()
                del clients[descriptor]
            elif head is not None:
                head += data
                if b'"event":"welcome"' in head:
                    clients[descriptor] = (client, None)
                    under_way -= 1
                    welcomed += 1
                    if welcomed == len(targets):
                        print(welcomed, flush=True)
            else:
                bytes_read += len(data)


if __name__ == "__main__":
    _run(sys.argv[1])
