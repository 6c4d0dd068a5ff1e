# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""What the limiter costs, against HAProxy in TCP mode with the same maxconn, one thread each.

wrk asks nginx directly, through HAProxy and through the limiter, in turn, a second each, five times;
the medians are compared. The row has HAProxy's figure instead of the one without the limiter, then the
limiter's and their ratio (above 1: the limiter does more, or adds less), and the ratio of what the
proxies themselves used of the processor for each request. All share the machine: the ratios say
something, the absolute figures little.
"""

import statistics

from common import HOST, Limiter, Process, Scenario, done, folder, free_port, is_open, wait_until
from nginx_server import Nginx, wrk

LIMIT, SECONDS, REPETITIONS = 20, 1, 5
FLOOR = 0.6  # the aim is a ratio of 1; below this something is wrong that a busy machine does not explain

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
WORKS = {  # name: (what wrk is to do, the figure of it that is compared, in which unit)
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


def compare(s, work, figure, unit):
    """A row: HAProxy's figure, and the limiter's with the ratios."""
    nginx = Nginx()
    servers = {"direct": nginx, "haproxy": Haproxy(nginx.port),
               "limiter": Limiter(nginx.port, LIMIT, "--threads", "1", "--queue-timeout", "60s")}
    runs = {who: [] for who in servers}
    for _ in range(REPETITIONS):
        for who, server in servers.items():
            runs[who].append(measured(server, work))
    direct, haproxy, limiter = (median(runs[who], figure) * SCALE[unit] for who in servers)
    if figure == "latency":
        haproxy, limiter = max(haproxy - direct, 1), max(limiter - direct, 1)
        ratio = haproxy / limiter
    else:
        ratio = limiter / haproxy
    cpu = median(runs["limiter"], "cpu") / median(runs["haproxy"], "cpu")
    s.without = f"HAProxy {haproxy:.0f} {unit} (directly {direct:.0f})"
    s.with_limiter = f"{limiter:.0f} {unit}, {ratio:.2f} x HAProxy; its processor time {cpu:.2f} x"
    failed = sum(seen["errors"] + seen["others"] for seen in runs["limiter"])
    s.expect(failed == 0, f"{failed} requests failed")
    s.expect(ratio > FLOOR, f"{ratio:.2f} of HAProxy's figure")
    servers["limiter"].ended_well(s)


for name, what in WORKS.items():
    with Scenario(f"Cost, {name}") as scenario:
        compare(scenario, *what)
done()
