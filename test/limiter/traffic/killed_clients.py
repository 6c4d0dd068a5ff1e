# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Client processes that are killed with SIGKILL in five stages: in the queue, with an idle connection, while
the upstream handles their request, in the middle of an answer, and in the middle of a request.

The next client must be served as soon as the upstream has closed its side too, for which the limiter
gives it two seconds. At the end, no connection and no descriptor may be left.
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
        wait_until(lambda: upstream.counts()["now"] == LIMIT, "connections of the victims at the upstream")
        queue = Victim(limiter.port, waits, LIMIT)
        behind = connected(limiter.port)
        request(behind)
        queue.kill()
        start = time.monotonic()
        holders.kill()
        read(behind, 1)
        slowest = max(slowest, time.monotonic() - start)
        behind.close()
        wait_until(limiter.is_quiet, f"{stage.__name__}: end of all connections")
        wait_until(lambda: upstream.counts()["now"] == 0, f"{stage.__name__}: end of all connections at the upstream")
    for _ in range(LIMIT):
        ask(limiter.port)
    s.with_limiter = f"{LIMIT} each at 5 stages; the next is served within {slowest * 1000:.0f} ms"
    s.expect(slowest < 2.5, f"the next client was served after {slowest:.1f} s")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    limiter.check_clean_end(s)
done()
