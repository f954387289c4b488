"""A network of a test's own, whose cable can be pulled."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)


def set_loopback(up: bool) -> None:
    """Takes the loopback interface up, or down: then packets vanish, and nobody is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def in_network_of_its_own(body: Callable[[], None]) -> None:
    """Runs `body` in a thread whose sockets, and whose children's, are in a new network namespace with nothing but
    loopback. Raises PermissionError where the kernel does not let us (it takes root)."""
    error: list[BaseException] = []

    def run() -> None:
        try:
            if _libc.unshare(_CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise PermissionError(number, os.strerror(number))
            set_loopback(True)
            body()
        except BaseException as reason:  # told to the caller, whatever it is
            error.append(reason)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if error:
        raise error[0]
