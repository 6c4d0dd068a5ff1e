# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A server that counts its connections, and clients of it.

A request says how many bytes come with it, how long the server waits, and how many bytes it answers
with.
"""

import socket
import struct
import sys

from common import HERE, Process, connected, free_port, is_open, wait_until


class Upstream(Process):
    """The server: upstream.py, as a process."""

    def __init__(self, port=None):
        self.port, self.counts_at = port or free_port(), free_port()
        super().__init__("upstream", sys.executable, "-B", HERE / "upstream.py", self.port, self.counts_at)
        wait_until(lambda: is_open(self.counts_at), "the upstream")  # which opens that port last

    def counts(self):
        """{"now": connections, "most": at once, "all": so far}"""
        with connected(self.counts_at) as s, s.makefile() as answer:
            return dict(zip(("now", "most", "all"), map(int, answer.readline().split())))


def ask(port, up=0, ms=0, down=1):
    """One request through a connection of its own; raises OSError where it is not answered."""
    with connected(port) as s:
        request(s, up, ms, down)
        read(s, down)


def request(s, up=0, ms=0, down=1):
    s.sendall(f"{up} {ms} {down}\n".encode() + bytes(up))


def read(s, n):
    while n > 0:
        piece = s.recv(min(n, 1 << 16))
        if not piece:
            raise ConnectionError("closed before the whole answer was there")
        n -= len(piece)


def close_with_reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
