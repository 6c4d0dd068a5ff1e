# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""What the limiter costs, against HAProxy in TCP mode with the same maxconn, one thread each.

wrk asks nginx directly, through HAProxy and through the limiter, in turn, a second each, seven times;
the medians are compared. The row's columns: HAProxy's figure, the limiter's and their ratio (above 1:
the limiter does more, or adds less). Processor time is what the proxy itself used for each request.
All share the machine: the ratios say something, the absolute figures little.
"""

import statistics

from common import HOST, Limiter, Process, Scenario, done, folder, free_port, is_open, wait_until
from nginx_server import Nginx, wrk

LIMIT, SECONDS, REPETITIONS = 20, 1, 7
FLOOR = 0.8  # what the ratio may not fall below; the aim is 1, and one run differs from the next by a tenth

CONFIGURATION = """
global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
listen proxy
  bind {host}:{port}
  server nginx {host}:{upstream} maxconn {limit}
"""

NEW = ("-H", "Connection: close")
WORKS = {  # name: (what wrk is to do, the figure of it that is compared, its unit, how it is shown)
    "16 connections kept": (("/small", 16, SECONDS), "requests", "requests/s"),
    "16, new for each request": (("/small", 16, SECONDS, *NEW), "requests", "requests/s"),
    "80 (4 x limit), new for each request": (("/small", 4 * LIMIT, SECONDS, *NEW), "requests", "requests/s"),
    "4 large transfers": (("/large", 4, SECONDS), "bytes", "MB/s"),
    "1 connection kept, added latency": (("/small", 1, SECONDS), "latency", "µs"),
}
SCALE = {"requests/s": 1, "MB/s": 1e-6, "µs": 1e6}


class Haproxy(Process):
    def __init__(self, upstream):
        self.port = free_port()
        configuration = folder("haproxy") / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(host=HOST, port=self.port, upstream=upstream, limit=LIMIT))
        super().__init__("haproxy", "haproxy", "-db", "-f", configuration)
        wait_until(lambda: is_open(self.port), "HAProxy")


def measured(server, work):
    """The figures of one run, with the processor time of each request."""
    before = server.cpu_seconds()
    seen = wrk(server.port, *work)
    seen["cpu"] = (server.cpu_seconds() - before) / (seen["requests"] * SECONDS)
    return seen


def median(runs, figure):
    return statistics.median(seen[figure] for seen in runs)


scenarios = {name: Scenario(f"HAProxy | {name}") for name in WORKS}
nginx = Nginx()
servers = {"direct": nginx, "haproxy": Haproxy(nginx.port),
           "limiter": Limiter(nginx.port, LIMIT, "--threads", "1", "--queue-timeout", "60s")}
for name, (work, figure, unit) in WORKS.items():
    runs = {who: [] for who in servers}
    for _ in range(REPETITIONS):
        for who, server in servers.items():
            runs[who].append(measured(server, work))
    direct, haproxy, limiter = (median(runs[who], figure) * SCALE[unit] for who in servers)
    if figure == "latency":
        haproxy, limiter = haproxy - direct, limiter - direct
        ratio = haproxy / limiter
    else:
        ratio = limiter / haproxy
    cpu = median(runs["limiter"], "cpu") / median(runs["haproxy"], "cpu")
    print(f"{name}: direct {direct:.0f}, HAProxy {haproxy:.0f}, limiter {limiter:.0f} {unit}: {ratio:.2f}; cpu {cpu:.2f}",
          f"({median(runs['haproxy'], 'cpu') * 1e6:.1f} us, {median(runs['limiter'], 'cpu') * 1e6:.1f})", [sum(r["errors"] + r["others"] for r in runs[w]) for w in servers], flush=True)
done()
