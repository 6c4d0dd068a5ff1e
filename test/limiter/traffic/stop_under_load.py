# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""SIGTERM at 4 x the limit with --drain-timeout 3s: once with clients that need one more second, and once
with clients that never finish.

The former finish, and the latter are cut when the drain timeout expires. In both cases the limiter must
end in time with status 0 and have all permits returned.
"""

import re
import threading
import time

from common import Limiter, Scenario, connected, done, wait_until
from peers import Upstream, read, request

LIMIT, DRAIN = 20, 3


def stopped_under_load(s, ms, within):
    """Returns the number of clients that got an answer, and the number of connections that were cut."""
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
    wait_until(lambda: upstream.counts()["now"] == LIMIT, "as many connections as the limit")
    time.sleep(0.3)
    start = time.monotonic()
    status = limiter.stop()
    seconds = time.monotonic() - start
    for thread in clients:
        thread.join()
    served = outcomes.count("answered")
    s.with_limiter = f"ended after {seconds:.1f} s, status {status}, {served} of {LIMIT} finished"
    s.expect(seconds < within, f"the limiter took {seconds:.1f} s to end")
    s.expect(status == 0, f"the exit status was {status}")
    s.expect(limiter.permits_are_returned(), f"not all permits were returned: {limiter.totals}")
    s.expect(len(outcomes) == 4 * LIMIT, f"{4 * LIMIT - len(outcomes)} clients saw no end of their connection")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    return served, int(re.search(r"cut (\d+)", limiter.totals)[1])


with Scenario("SIGTERM at 4 x the limit, clients finish") as s:
    served, cut = stopped_under_load(s, ms=1000, within=DRAIN)
    s.expect(served == LIMIT and cut == 0, f"{served} of {LIMIT} finished, {cut} were cut")

with Scenario("SIGTERM at 4 x the limit, clients never finish") as s:
    served, cut = stopped_under_load(s, ms=3_600_000, within=DRAIN + 1)
    s.expect(served == 0 and cut == LIMIT, f"{cut} of {LIMIT} were cut, {served} finished")
done()
