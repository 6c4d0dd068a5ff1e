# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The upstream is killed with SIGKILL under load (4 x the limit) and restarted two seconds later.

Clients that were connected, and clients that connect meanwhile, must see their connection end within a
second. After the restart, every client must be served.
"""

import threading
import time

from common import Limiter, Scenario, done
from peers import Upstream, ask

CLIENTS, LIMIT, AWAY = 80, 20, 2

with Scenario("Upstream killed and restarted") as s:
    upstream = Upstream()
    limiter = Limiter(upstream.port, LIMIT, "--queue-timeout", "10s")
    asked, over = [], threading.Event()  # (start, end, whether it was answered)

    def client():
        while not over.is_set():
            start = time.monotonic()
            try:
                ask(limiter.port, ms=50, down=1000)
                answered = True
            except OSError:
                answered = False
                time.sleep(0.1)
            asked.append((start, time.monotonic(), answered))

    clients = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    time.sleep(2)
    killed = time.monotonic()
    upstream.kill()
    time.sleep(AWAY)
    upstream = Upstream(upstream.port)
    back = time.monotonic()
    time.sleep(3)
    over.set()
    for thread in clients:
        thread.join()

    before = [answered for start, end, answered in asked if end < killed]
    during = [(end - max(start, killed), answered) for start, end, answered in asked if end > killed and start < back - 0.5]
    after = [answered for start, end, answered in asked if start > back]
    slowest = max(wait for wait, answered in during)
    s.with_limiter = (f"{before.count(False)} of {len(before)} failed before, {len(during)} ended meanwhile within"
                      f" {slowest:.1f} s, {after.count(False)} of {len(after)} failed after")
    s.expect(before and False not in before, "clients failed before the upstream was killed")
    s.expect(any(not answered for _, answered in during), "no client failed while the upstream was down")
    s.expect(slowest < 1, f"a client waited {slowest:.1f} s for the end of its connection")
    s.expect(after and False not in after, "clients failed after the restart")
    s.expect(upstream.counts()["most"] <= LIMIT, f"{upstream.counts()['most']} at the upstream")
    limiter.check_clean_end(s)
done()
