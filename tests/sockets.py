"""A counting proxy: what crosses a socket between a client of HTTP/1.1 and its server, byte by byte."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple


class Exchange(NamedTuple):
    """One request and its answer."""

    path: str
    request: bytes
    response: bytes


@dataclass
class Wire:
    """What has crossed one proxy.

    Attributes:
        port: where clients connect.
        streams: for each connection what went up (client to server) and what came down, in order.
    """

    port: int
    streams: list[tuple[bytearray, bytearray]] = field(default_factory=list)

    @property
    def up(self) -> bytes:
        """All bytes from the client, connection by connection."""
        return b"".join(bytes(up) for up, _ in self.streams)

    @property
    def down(self) -> bytes:
        """All bytes to the client, connection by connection."""
        return b"".join(bytes(down) for _, down in self.streams)

    def exchanges(self) -> Iterator[Exchange]:
        """Requests with their answers, connection by connection; a cut-off one at the end is left out."""
        for up, down in self.streams:
            for request, response in zip(_messages(bytes(up)), _messages(bytes(down)), strict=False):
                yield Exchange(request.split(b" ", 2)[1].decode(), request, response)


@contextmanager
def proxy(upstream_port: int) -> Iterator[Wire]:
    """A proxy on loopback to a port on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    wire, sockets = Wire(listener.getsockname()[1]), [listener]

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", upstream_port))
                up, down = bytearray(), bytearray()
                wire.streams.append((up, down))
                sockets.extend((client, server))
                for source, target, seen in ((client, server, up), (server, client, down)):
                    threading.Thread(target=_pump, args=(source, target, seen), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield wire
    finally:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _pump(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            seen.extend(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _messages(stream: bytes) -> Iterator[bytes]:
    """The HTTP/1.1 messages of one direction, headers and body."""
    start = 0
    while (head := stream.find(b"\r\n\r\n", start)) >= 0:
        headers, end = stream[start : head + 4].lower(), head + 4
        if b"transfer-encoding: chunked" in headers:
            last = stream.find(b"0\r\n\r\n", end)
            end = len(stream) if last < 0 else last + 5
        elif found := re.search(rb"content-length: *(\d+)", headers):
            end += int(found.group(1))
        if end > len(stream):
            return
        yield stream[start:end]
        start = end
