"""A chain endpoint on loopback that is as bad as endpoints get, but tells no lies.

It drops questions before they are asked and answers after they were given, answers late
or with an error: each at random, from a seed.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

KINDS = ("drop before", "drop after", "delay", "error 500", "rate limit", "garbage")
"""Everything that may happen to a question."""


class FaultyProxy:
    """Stands between an agent and its chain."""

    def __init__(self, target: str, *, seed: int, rate: float) -> None:
        """Serve on a free port.

        Args:
            target: URL of the chain.
            rate: share of questions that something happens to.
        """
        self.rate = rate
        self.count: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._guard = threading.Lock()
        self._target = target
        self._http = httpx.Client(trust_env=False, timeout=20)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                try:
                    proxy._answer(self, body)
                except OSError:  # whoever asked was killed meanwhile
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Whoever asked was killed: that is what this is for."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._guard:
            happens = self._random.random() < self.rate
            kind = self._random.choice(KINDS) if happens else "none"
            wait = self._random.uniform(0.05, 0.5)
            self.count[kind] += 1
        if kind == "drop before":
            handler.close_connection = True
            return
        if kind == "delay":
            time.sleep(wait)
        status, answer = 200, b"<html>try later</html>"
        if kind in ("error 500", "rate limit"):
            status = 500 if kind == "error 500" else 429
        elif kind != "garbage":
            answer = self._http.post(
                self._target, content=body, headers={"content-type": "application/json"}
            ).content
        if kind == "drop after":
            handler.close_connection = True
            return
        handler.send_response(status)
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)
