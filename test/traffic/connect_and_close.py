# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Clients that connect and close at once, every other with a reset, in front of nginx: ten rounds of 3,000.

Before, the limiter is filled to the last place in its queue, several times, and goes through one such
round: what it needs for so many at once it keeps. The ten rounds after that may leave no descriptor and
no permit behind, and no memory: the resident size may grow by 512 KiB, half of what the smallest block
that malloc hands out (32 bytes) would come to if one were left behind by each of the 30,000.
"""

from common import Limiter, Scenario, connected, done, wait_until
from nginx_server import Nginx
from peers import close_with_reset, fill

CLIENTS, ROUNDS, LIMIT, QUEUE, TOLERANCE = 3_000, 10, 20, 100, 512 << 10


def connect_and_close(limiter):
    for n in range(CLIENTS):
        client = connected(limiter.port)
        close_with_reset(client) if n % 2 else client.close()
    wait_until(limiter.is_quiet, "no connection left")


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
    s.with_limiter = f"{growth / 1024:+.0f} KiB of {sizes[0] / 1024:.0f} KiB; no descriptor, no permit"
    s.expect(growth <= TOLERANCE, f"the resident size in KiB, round after round: {[n >> 10 for n in sizes]}")
    limiter.ended_well(s)
done()
