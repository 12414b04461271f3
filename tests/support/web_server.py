"""A web server on this machine, for tests of what is fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answers: dict[str, Answer]) -> Generator[tuple[str, list[str]]]:
    """Answer each path in its way and any other with 404; yield the address and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path)
            if answer:
                answer(self)
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def sending(data: bytes, *, announced: int | None = None) -> Answer:
    """Return the answer with these bytes, which may announce another number of them."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data) if announced is None else announced))
        request.end_headers()
        request.wfile.write(data)

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    """Send until the client goes away."""
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x" * 2**16)
    except OSError:
        request.close_connection = True


def redirecting(to: str) -> Answer:
    """Return the answer that sends the client elsewhere."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.end_headers()

    return answer
