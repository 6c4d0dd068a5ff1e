# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""nginx that answers at most 25 requests at once (limit_conn), and wrk with 100 connections, a new one for
each request.

Without the limiter, nginx answers the requests above its limit with 503. With the limiter (limit 25),
nginx answers every request with 200. Meanwhile stub_status, requested on a connection that bypasses the
limiter, must never show more than 25 other connections.
"""

from common import Limiter, Sampler, Scenario, done
from nginx_server import Nginx, wrk

CONNECTIONS, LIMIT, SECONDS = 100, 25, 5


def load(port):
    return wrk(port, "/slow", CONNECTIONS, SECONDS, "-H", "Connection: close")


def in_words(seen):
    good = (seen["requests"] * SECONDS) - seen["others"]
    return f"{good / SECONDS:.0f} pages/s, {seen['others']} refused"


with Scenario(f"nginx, wrk -c {CONNECTIONS}, limit {LIMIT}") as s:
    server = Nginx(f"limit_conn all {LIMIT};")
    seen = load(server.port)
    s.without = in_words(seen)
    s.expect(seen["others"] > 0, "without the limiter the load did not overload the server, so the scenario shows nothing")

    limiter = Limiter(server.port, LIMIT, "--queue-timeout", "60s")
    with Sampler(server.connections) as sampler:
        seen = load(limiter.port)
    s.with_limiter = f"{in_words(seen)}, at most {sampler.most} connections"
    s.expect(seen["others"] == 0, f"{seen['others']} requests were answered with an error")
    s.expect(seen["errors"] == 0, f"{seen['errors']} connections failed")
    s.expect(sampler.most <= LIMIT, f"stub_status showed {sampler.most} connections, the limit is {LIMIT}")
    s.expect(sampler.most > LIMIT / 2, f"stub_status showed at most {sampler.most}: the limit was never reached")
    limiter.check_clean_end(s)
done()
