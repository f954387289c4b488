"""The tests' own parser must find what it is there to find: it is what the promises about bytes rest on."""

from __future__ import annotations

import pytest
from support.patience import dice
from support.ws import BINARY, CLOSE, CONTINUATION, PING, TEXT, BrokenFraming, FrameParser, close_payload, frame_bytes


def server_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    return frame_bytes(opcode, payload, fin=fin, rsv=rsv, mask=None)


GOOD = [
    (TEXT, "grüße".encode()),
    (BINARY, b""),
    (BINARY, bytes(126)),
    (PING, b"p" * 125),
    (TEXT, b"x" * 65535),
    (TEXT, b"x" * 65536),
    (CLOSE, close_payload(4101, b"bye")),
]


def test_good_frames_are_found_however_they_are_cut() -> None:
    """Any pieces give the same frames."""
    random = dice()
    stream = b"".join(server_frame(opcode, payload) for opcode, payload in GOOD)

    for most in (1, 2, 3, 1000, 1 << 20):
        parser = FrameParser()
        found = []
        at = 0
        while at < len(stream):
            size = random.randint(1, most)
            found += parser.feed(stream[at : at + size])
            at += size

        assert [(frame.opcode, frame.payload) for frame in found] == GOOD
        assert not parser.torn


@pytest.mark.parametrize(
    "stream",
    [
        frame_bytes(TEXT, b"x"),
        server_frame(TEXT, b"x", rsv=4),
        server_frame(3),
        server_frame(15),
        server_frame(PING, b"x" * 126),
        server_frame(PING, fin=False),
        server_frame(CONTINUATION, b"x"),
        server_frame(TEXT, b"x", fin=False) + server_frame(TEXT, b"x"),
        server_frame(TEXT, b"\xff"),
        server_frame(TEXT, b"\xe2", fin=False) + server_frame(CONTINUATION, b"\x82x"),
        server_frame(CLOSE, b"\x03"),
        server_frame(CLOSE, close_payload(1005)),
        server_frame(CLOSE, close_payload(1000, b"\xff")),
        server_frame(CLOSE) + b"\x81",
        b"\x82\x7e\x00\x05hello",
        b"\x82\x7f" + bytes(7) + b"\x05hello",
        frame_bytes(BINARY, mask=None, length=1 << 63),
        # A frame torn by another: the length swallows the next header, and what follows is no frame.
        server_frame(TEXT, b'{"a":"' + b"x" * 50 + b'"}')[:-10] + server_frame(TEXT, b"y" * 20),
    ],
)
def test_broken_frames_are_found(stream: bytes) -> None:
    """Each of the rules that the parser stands for."""
    with pytest.raises(BrokenFraming):
        list(FrameParser().feed(stream))
