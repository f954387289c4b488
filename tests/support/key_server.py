"""An address of token keys that does what a test wants: answers, errs, hangs, or never stops answering."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.jose import Key
from support.patience import PATIENCE

Answer = Callable[[BaseHTTPRequestHandler], None]


class KeyServer:
    """A JWK Set over HTTP, or over HTTPS with a certificate of support.certificates."""

    def __init__(self, *keys: Key, port: int = 0, certificate: Path | None = None) -> None:
        self.answer: Answer = self.answer_keys
        self.keys = list(keys)
        self.requests = 0
        self.open_gate = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802: the library's name
                server.requests += 1
                try:
                    server.answer(self)
                except OSError:
                    pass  # the gateway went away

            def log_message(self, *_: Any) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_port
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self.port}/jwks"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def answer_keys(self, request: BaseHTTPRequestHandler) -> None:
        """What it should do."""
        respond(request, json.dumps({"keys": [key.jwk() for key in self.keys]}).encode())

    def hang(self, request: BaseHTTPRequestHandler) -> None:
        """Answers when open_gate is set."""
        self.open_gate.wait(PATIENCE)
        self.answer_keys(request)

    def close(self) -> None:
        self.open_gate.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def respond(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
