# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""SIGTERM at 4 x the limit, --drain-timeout 3s: once with clients that need one second more, once with some
that would stay for ever.

The first finish what they began; the others are cut when the time is up. Either way the limiter ends
in time with status 0, and every permit is back.
"""

import re
import threading
import time

from common import Limiter, Scenario, connected, done, wait_until
from peers import Upstream, read, request

LIMIT, DRAIN = 20, 3


def stopped_under_load(s, ms, within):
    """How many of those who were let through got their answer."""
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--drain-timeout", f"{DRAIN}s", "--queue-timeout", "60s")
    outcomes = []

    def client():
        try:
            with connected(limiter.port) as connection:
                request(connection, ms=ms)
                read(connection, 1)
            outcomes.append("answered")
        except OSError:
            outcomes.append("refused or cut")

    clients = [threading.Thread(target=client, daemon=True) for _ in range(4 * LIMIT)]
    for thread in clients:
        thread.start()
    wait_until(lambda: upstream.counts()["now"] == LIMIT, "a full house")
    time.sleep(0.3)
    start = time.monotonic()
    status = limiter.stop()
    seconds = time.monotonic() - start
    for thread in clients:
        thread.join()
    served = outcomes.count("answered")
    s.with_limiter = f"ended after {seconds:.1f} s, status {status}, {served} of {LIMIT} finished"
    s.expect(seconds < within, f"it took {seconds:.1f} s")
    s.expect(status == 0, f"the exit status was {status}")
    s.expect(limiter.permits_are_back(), f"not all permits were back: {limiter.totals}")
    s.expect(len(outcomes) == 4 * LIMIT, f"{4 * LIMIT - len(outcomes)} clients were left hanging")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    return served, int(re.search(r"cut (\d+)", limiter.totals)[1])


with Scenario("SIGTERM at 4 x the limit, who can finish does") as s:
    served, cut = stopped_under_load(s, ms=1000, within=DRAIN)
    s.expect(served == LIMIT and cut == 0, f"{served} of {LIMIT} could finish, {cut} were cut")

with Scenario("SIGTERM at 4 x the limit, nobody would finish") as s:
    served, cut = stopped_under_load(s, ms=3_600_000, within=DRAIN + 1)
    s.expect(served == 0 and cut == LIMIT, f"{cut} of {LIMIT} were cut, {served} finished")
done()
