"""A node over HTTP on loopback, with nothing but the standard library.

For tests only: it answers what `affiant.agents.nodes.service` answers, so that an agent
under test talks to its node as it always does, with none of that service's limits.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from affiant.encoding import canonical_json, parse_json
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.mandate import Mandate, object_fields

if TYPE_CHECKING:
    from affiant.agents.nodes.node import Node

MAX_QUESTION_BYTES = 256 * 1024
"""Largest question read, in bytes."""


class LoopbackNode:
    """Serves one node in threads of this process."""

    def __init__(self, node: Node) -> None:
        """Begin to serve `node` on a free port of loopback."""
        self.node = node
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(node))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="affiant-test-node"
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving, and close the node."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.node.close()


def _handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, canonical_json(node.info.to_json()))

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(min(length, MAX_QUESTION_BYTES + 1))
            try:
                item = object_fields(
                    parse_json(body, what="question", max_bytes=MAX_QUESTION_BYTES),
                    what="question",
                    names=["mandate", "slot"],
                )
                mandate = Mandate.from_json(item["mandate"])
                decided = node.decide(mandate, slot=int(item["slot"]))
            except AffiantError as error:
                self._refuse(503 if isinstance(error, UnavailableError) else 422, error)
            except Exception as error:
                # Told in full, unlike a real node: the test's author made it.
                self._refuse(422, error)
            else:
                self._send(200, decided.bundle.to_plain())

        def _refuse(self, status: int, error: Exception) -> None:
            told = {"error": type(error).__name__, "message": str(error)[:2000]}
            self._send(status, canonical_json(told))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
