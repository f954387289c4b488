"""A real browser: headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import websockets

from support.patience import PATIENCE, eventually

_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
    "--window-size=900,700",
]

# Resolves when the page's text holds what is wanted; the browser itself watches, so nobody has to poll.
_WAIT_FOR_TEXT = """
new Promise((resolve) => {
  const wanted = %s;
  const look = () => {
    if (!document.body.innerText.includes(wanted)) return false;
    resolve(document.body.innerText);
    return true;
  };
  if (look()) return;
  const observer = new MutationObserver(() => { if (look()) observer.disconnect(); });
  observer.observe(document.documentElement, {childList: true, subtree: true, characterData: true});
})
"""


def find_chromium() -> str | None:
    """Where Chromium is, if it is there."""
    return shutil.which("chromium")


class Page:
    """One page of a browser of its own. Use as an asynchronous context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_id = 0
        self._loaded = 0  # pages

    async def __aenter__(self) -> Page:
        self._process = subprocess.Popen(
            [find_chromium() or "chromium", *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self._folder)},
        )
        port_file = self._folder / "DevToolsActivePort"
        eventually(lambda: port_file.exists() and "\n" in port_file.read_text(), bool, "Chromium's port")
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as response:
            targets = json.load(response)
        url = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        self._socket = await websockets.connect(url, max_size=None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        self._process.terminate()
        self._process.wait(PATIENCE)

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._next_id += 1
        await self._socket.send(json.dumps({"id": self._next_id, "method": method, "params": params}))
        while True:
            answer = await self._receive()
            if answer.get("id") == self._next_id:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def _receive(self) -> dict[str, Any]:
        message = dict(json.loads(await asyncio.wait_for(self._socket.recv(), PATIENCE)))
        self._loaded += message.get("method") == "Page.loadEventFired"
        return message

    async def open(self, url: str) -> None:
        """Goes to a page; returns when it is loaded."""
        await self._call("Page.enable")
        await self._call("Page.navigate", url=url)
        while self._loaded != 1:
            await self._receive()

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        result = await self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def wait_for_text(self, text: str) -> str:
        """Waits until the page shows the text; returns all that it shows."""
        return str(await self.evaluate(_WAIT_FOR_TEXT % json.dumps(text)))

    async def screenshot(self, path: Path) -> None:
        """A picture of the page."""
        result = await self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))
