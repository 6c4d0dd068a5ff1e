# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Client processes that are killed with -9 at every stage: while they wait in the queue, with a connection
that does nothing, while the upstream works for them, in the middle of an answer and of a request.

Who waits behind them is let through as soon as the upstream has closed its side, too, for which it is
given two seconds; and in the end nothing is left behind.
"""

import os
import signal
import time

from common import Limiter, Scenario, connected, done, wait_until
from peers import Upstream, ask, read, request

LIMIT, LARGE = 20, 1 << 28


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


class Victim:
    """A process with so many connections, all at one stage. It has reached that once made."""

    def __init__(self, port, stage, connections):
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                clients = [connected(port) for _ in range(connections)]
                for client in clients:
                    stage(client)
                os.write(told, b"x")
                time.sleep(60)
            finally:
                os._exit(1)
        os.close(told)
        if os.read(ready, 1) != b"x":
            raise RuntimeError(f"{stage.__name__}: the client failed")
        os.close(ready)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


with Scenario("Clients killed with -9 at every stage") as s:
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--queue-timeout", "60s")
    slowest = 0
    for stage in does_nothing, is_worked_for, in_an_answer, in_a_request:
        holders = Victim(limiter.port, stage, LIMIT)
        wait_until(lambda: upstream.counts()["now"] == LIMIT, "the victims' connections at the upstream")
        queue = Victim(limiter.port, waits, LIMIT)
        behind = connected(limiter.port)
        request(behind)
        queue.kill()
        start = time.monotonic()
        holders.kill()
        read(behind, 1)
        slowest = max(slowest, time.monotonic() - start)
        behind.close()
        wait_until(limiter.is_quiet, f"{stage.__name__}: nothing left behind")
        wait_until(lambda: upstream.counts()["now"] == 0, f"{stage.__name__}: no connection left at the upstream")
    for _ in range(LIMIT):
        ask(limiter.port)
    s.with_limiter = f"{LIMIT} each at 5 stages; the next is served within {slowest * 1000:.0f} ms"
    s.expect(slowest < 2.5, f"who waited behind them was served after {slowest:.1f} s")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    limiter.ended_well(s)
done()
