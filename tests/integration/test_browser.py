"""A real browser on the demo page: what a backend broadcasts appears in the page's text."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2
from support import gateway as gateways
from support import shop
from support.browser import Page, find_chromium
from support.control import Control, event
from support.gateway import Gateway
from support.patience import eventually
from support.schemas import Schemas

# A page's own socket: writes what it gets, as the page sees it, to the page.
_SHOW_ORDERS = """
let orders = 0;
window.mine = new WebSocket("ws://" + location.host + %s);
window.mine.onmessage = (message) => {
  const { event, data } = JSON.parse(message.data);
  if (event === "order.placed") document.body.append(`${++orders}: ${typeof data.orderId} ${JSON.stringify(data)}`);
};
0
"""

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


def test_a_typed_event_is_the_json_that_the_docs_promise(gateway: Gateway, control: Control, tmp_path: Path) -> None:
    """docs/typed_events.md: published as an Any and as text, it is the same in the page, with every digit of its int64."""
    page_of_docs = (Path(__file__).parents[2] / "docs" / "typed_events.md").read_text()
    proto = tmp_path / "promise.proto"
    proto.write_text(page_of_docs.split("```proto\n")[1].split("```")[0].replace("shop.v1", "promise.v1"))
    (promised,) = re.findall(r"^\{\"orderId\".*\}$", page_of_docs, re.MULTILINE)
    published = page_of_docs.split("A publish of `")[1].split("`")[0]

    async def scenario() -> None:
        async with Page(tmp_path / "profile") as page:
            await page.open(f"http://{gateway.edge}/#token={gateways.token('alice')}&stream=orders-7")
            await page.wait_for_text("as alice, session ")
            await page.evaluate(_SHOW_ORDERS % json.dumps(f"/ws?streams=orders-7&token={gateways.token('bob')}"))
            eventually(lambda: control.count(stream="orders-7"), lambda sessions: sessions == 2, "both sockets")
            with Schemas(gateway.control) as schemas:
                schemas.register("promise", shop.compile_proto(proto))
                schemas.bind("orders-*", "order.*", "promise.v1.Order")
                control.to_stream("orders-7", event("order.placed", json=published))
                await page.wait_for_text(f"1: string {promised}")
                # The bytes of the same message: order_id, then items[0].sku.
                as_bytes = b"\x08\x81\x80\x80\x80\x80\x80\x80\x10\x1a\x03\x0a\x01a"
                typed = any_pb2.Any(type_url="type.googleapis.com/promise.v1.Order", value=as_bytes)
                control.to_stream("orders-7", event("order.placed", message=typed))
                await page.wait_for_text(f"2: string {promised}")
                schemas.clear()

    asyncio.run(scenario())
