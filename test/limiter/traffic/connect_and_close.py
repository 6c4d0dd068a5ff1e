# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Clients that connect and close at once, every second one with a reset: ten rounds of 3,000 clients.

First the script fills the limiter's queue several times and runs one such round, because the limiter
keeps the memory that so many connections at once need. The next ten rounds must not leak descriptors,
permits or memory. The resident size may grow by 512 KiB. If each of the 30,000 connections leaked the
smallest block of malloc (32 bytes), it would grow by about twice as much.
"""

from common import Limiter, Scenario, connected, done, wait_until
from nginx_server import Nginx
from peers import close_with_reset, fill

CLIENTS, ROUNDS, LIMIT, QUEUE, TOLERANCE = 3_000, 10, 20, 100, 512 << 10


def connect_and_close(limiter):
    for n in range(CLIENTS):
        client = connected(limiter.port)
        close_with_reset(client) if n % 2 else client.close()
    wait_until(limiter.is_quiet, "end of all connections")


with Scenario(f"{ROUNDS * CLIENTS:,} connect and close") as s:
    nginx = Nginx()
    limiter = Limiter(nginx.port, LIMIT, "--max-queue", QUEUE)
    for _ in range(5):
        fill(limiter, LIMIT + QUEUE)
    connect_and_close(limiter)
    sizes = [limiter.resident_bytes()]
    for _ in range(ROUNDS):
        connect_and_close(limiter)
        sizes.append(limiter.resident_bytes())
    growth = sizes[-1] - sizes[0]
    s.with_limiter = f"{growth / 1024:+.0f} KiB of {sizes[0] / 1024:.0f} KiB; no descriptor and no permit lost"
    s.expect(growth <= TOLERANCE, f"the resident size after each round, in KiB: {[n >> 10 for n in sizes]}")
    limiter.check_clean_end(s)
done()
