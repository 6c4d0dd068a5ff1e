# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A server that counts its connections, and clients of it.

A request says how many bytes the client sends, how long the server waits, and how many bytes the server
answers.
"""

import socket
import struct
import subprocess
import sys
import time

from common import HERE, TIMEOUT, Process, connected, free_port, is_open, wait_until

LARGE = 1 << 24  # more than all buffers between client and server hold


class Upstream(Process):
    """The server: upstream.py, as a process."""

    def __init__(self, port=None):
        self.port, self.counts_at = port or free_port(), free_port()
        super().__init__("upstream", sys.executable, "-B", HERE / "upstream.py", self.port, self.counts_at)
        wait_until(lambda: is_open(self.counts_at), "the upstream")  # the server opens that port last

    def counts(self):
        """{"now": connections, "most": at once, "all": so far}"""
        with connected(self.counts_at) as s, s.makefile() as answer:
            return dict(zip(("now", "most", "all"), map(int, answer.readline().split())))


def ask(port, up=0, ms=0, down=1):
    """Sends one request on a new connection. Raises OSError if there is no complete answer."""
    with connected(port) as s:
        request(s, up, ms, down)
        read(s, down)


def request(s, up=0, ms=0, down=1):
    s.sendall(f"{up} {ms} {down}\n".encode() + bytes(up))


def read(s, n):
    while n > 0:
        piece = s.recv(min(n, 1 << 16))
        if not piece:
            raise ConnectionError("the connection ended before the answer was complete")
        n -= len(piece)


def fill(limiter, clients):
    """Connects as many clients at once, then disconnects them, so that the limiter allocates what it needs."""
    sockets = [connected(limiter.port) for _ in range(clients)]
    for s in sockets:
        request(s)
    for s in sockets:
        s.close()
    wait_until(limiter.is_quiet, "end of all connections")


def close_with_reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# The stages at which a client is killed.


def waits(s):
    request(s)


def does_nothing(s):
    request(s)
    read(s, 1)


def is_worked_for(s):
    request(s, ms=1000)


def in_an_answer(s):
    request(s, down=LARGE)
    read(s, 1 << 16)


def in_a_request(s):
    s.sendall(f"{LARGE} 0 1\n".encode() + bytes(1 << 16))


# The stages of forwarded connections.
stages = does_nothing, is_worked_for, in_an_answer, in_a_request


class Victim:
    """A process with several connections, all of which have reached the stage when the constructor returns."""

    def __init__(self, port, stage, connections):
        self.child = subprocess.Popen([sys.executable, "-B", __file__, str(port), stage.__name__, str(connections)],
                                      stdout=subprocess.PIPE)
        if not self.child.stdout.readline():
            self.kill()
            raise RuntimeError(f"{stage.__name__}: the client failed")

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


def victim(port, stage, connections):
    clients = [connected(int(port)) for _ in range(int(connections))]
    for client in clients:
        globals()[stage](client)
    print("ready", flush=True)
    time.sleep(2 * TIMEOUT)


if __name__ == "__main__":
    victim(*sys.argv[1:])
