"""What strangers send, in tokens, cookies and names, and what the gateway writes of it: secrets never, and nothing that a
terminal or a reader of logs would obey instead of showing it."""

from __future__ import annotations

import json
import os
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from support.control import Control, pb
from support.gateway import Gateway, sign
from support.http import RawConnection, request_bytes, upgrade_headers
from support.ws import Browser, with_query

#: Escape sequences, ends of lines, and marks that turn the direction of text.
NASTY = "\x1b[31m\r\n\x00\x7f\x9b2J\u202egpj.exe\u2066\u2028\u061c"

#: The same without what no user's id may have.
NASTY_ID = "\x9b2J\u202egpj\u2066\u2028\u200f"


def check(text: str, where: str) -> None:
    """Holds what can be shown, and ends of lines."""
    for character in text.replace("\n", ""):
        kind = unicodedata.category(character)
        shown = kind not in ("Cc", "Zl", "Zp") and unicodedata.bidirectional(character) not in (
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        assert shown, f"{where}: U+{ord(character):04X} in {text!r}"


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_nasty_and_no_secret_is_written(start_gateway: Callable[..., Gateway], form: str) -> None:
    canary = "Canary" + os.urandom(8).hex()
    gateway = start_gateway({
        "auth": {"cookie": "sid", "claims": {"info": "profile"}},
        "log": {"level": "debug", "format": form},
    })
    expires = int(time.time()) + 600
    user = canary + NASTY_ID
    good = sign({"sub": user, "name": NASTY, "exp": expires, "profile": {"nasty": NASTY}, "labels": {"nasty": NASTY}})
    bad = [
        sign({"sub": "a" + NASTY, "exp": expires}),
        sign({"sub": user, "exp": expires}, header={"alg": NASTY, "typ": canary}),
        sign({"sub": user, "exp": expires}, header={"alg": "HS256", "kid": canary + NASTY}),
        sign({"sub": user, "exp": expires, "roles": [NASTY, 7]}),
        sign({"sub": user, "exp": 1, "iss": canary + NASTY}),
        canary + ".e30.e30",
        good[:-4],
    ]
    bodies = []

    def knock(target: str, **headers: str) -> None:
        connection = RawConnection(gateway.edge)
        connection.send(request_bytes(target, upgrade_headers("gateway.test", **headers)))
        answer = connection.read_response()
        connection.close()
        if answer.status != 101:
            bodies.append(answer.body.decode())

    for text in bad:
        knock(with_query("/ws", token=text))
        knock("/ws", Authorization=f"Bearer {text}")
        knock("/ws", Cookie=f"sid={text}; other={canary}")
    for name in (NASTY_ID, "\x9b", "\u202e"):
        encoded = "".join(f"%{byte:02x}" for byte in (canary + name).encode())
        knock(f"/nothing/{encoded}?token={encoded}")
        knock(f"/app/{encoded}")
        knock("/ws", Origin=f"https://{encoded}.example")
        knock("/ws", Cookie=f"sid={encoded}")

    replies = []
    with Control(gateway.control) as control:
        browser = Browser(gateway.edge, with_query("/ws", token=good))
        assert browser.welcome["user"] == {"id": user, "name": NASTY, "roles": []}
        for text in bad:
            browser.send_json({"action": "auth", "token": text})
            browser.send_json({"action": "subscribe", "streams": ["private-a" + NASTY], "tokens": {"private-a": text}})
            replies += [browser.next_message().payload.decode() for _ in range(2)]
        for message in ({"action": NASTY}, {"action": "publish", "stream": "a", "event": "e" + NASTY}):
            browser.send_json(message)
            replies.append(browser.next_message().payload.decode())
        control.call("RevokeTokens", pb.RevokeTokensRequest(token_id=canary + NASTY_ID))
        refusals = [
            control.refused("Kick", pb.KickRequest(user_id="a" + NASTY)),
            control.refused("Kick", pb.KickRequest(stream="a" + NASTY)),
            control.refused("BlockUser", pb.BlockUserRequest(user_id=NASTY)),
            control.refused("GetPresence", pb.GetPresenceRequest(stream=NASTY)),
        ]
        control.kick(user_id=user, reason="because" + NASTY_ID)
        control.call("BlockUser", pb.BlockUserRequest(user_id=user, reason="because" + NASTY_ID))
        knock(with_query("/ws", token=good))
        metrics = gateway.metrics().text
    browser.close()
    gateway.stop()

    assert len(bodies) > 20
    for body in bodies:
        check(body, "an error's body")
        assert "message" in json.loads(body)["error"]
    for reply in replies:
        check(reply, "a reply")
    for refusal in refusals:
        check(refusal.message, "a status")
    check(metrics, "metrics")
    assert canary not in metrics
    log = gateway.log_text()
    check(log, "the log")
    for secret in (*(part for text in (good, *bad) for part in text.split(".")[1:] if len(part) > 8),):
        assert secret not in log + metrics + "".join(bodies) + "".join(replies)
    if form == "json":
        for line in log.splitlines():
            json.loads(line)
