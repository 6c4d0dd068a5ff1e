# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Client processes that are killed with -9 at every stage: while they wait in the queue, with a connection
that does nothing, while the upstream works for them, in the middle of an answer and of a request.

Who waits behind them is let through as soon as the upstream has closed its side, too, for which it is
given two seconds; and in the end nothing is left behind.
"""

import time

from common import Limiter, Scenario, connected, done, wait_until
from peers import Upstream, Victim, ask, read, request, stages, waits

LIMIT = 20

with Scenario("Clients killed with -9 at every stage") as s:
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--queue-timeout", "60s")
    slowest = 0
    for stage in stages:
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
