"""A real browser on the demo page: what a backend broadcasts appears in the page's text."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from support import gateway as gateways
from support.browser import Page, find_chromium
from support.control import Control, event
from support.gateway import Gateway

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="chromium not found")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return {"edge": {"demo_page": True, "endpoints": [{"path": "/ws"}]}}


def test_a_broadcast_appears_on_the_page(gateway: Gateway, control: Control, tmp_path: Path) -> None:
    """The page connects with its token, is welcomed as its user, and shows what BroadcastToUser sends; after a Kick it
    says so and stays away, as the close code's range tells it."""
    token = gateways.token("alice")

    async def scenario() -> None:
        async with Page(tmp_path / "profile") as page:
            await page.open(f"http://{gateway.edge}/#token={token}&stream=notifications")
            await page.wait_for_text("as alice, session ")

            message = event("notification.created", json='{"text": "the bells are ringing"}')
            receipt = control.to_user("alice", message, stream="notifications")
            assert receipt.sessions == 1
            text = await page.wait_for_text("the bells are ringing")
            assert "notification.created" in text
            assert token not in await page.evaluate("location.href"), "the token stays out of the address bar"
            if folder := os.environ.get("CARILLON_TEST_SCREENSHOTS"):
                await page.screenshot(Path(folder) / "demo_page.png")

            assert control.kick(user_id="alice", reason="enough").sessions == 1
            await page.wait_for_text("closed (4005: enough)")

    asyncio.run(scenario())


def test_a_refused_page_says_so(gateway: Gateway, tmp_path: Path) -> None:
    """Without a token the page says that it was refused, and does not pretend to be connected."""

    async def scenario() -> None:
        async with Page(tmp_path / "profile") as page:
            await page.open(f"http://{gateway.edge}/")
            await page.wait_for_text("closed (1006: refused, or the connection broke)")

    asyncio.run(scenario())
