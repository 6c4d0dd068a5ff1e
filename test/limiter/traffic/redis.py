# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Redis with maxclients = 40, and redis-benchmark with 200 clients that connect for each request.

Without the limiter, redis-benchmark fails with "max number of clients reached". With the limiter (limit
32), it finishes. Meanwhile INFO, requested on a connection that bypasses the limiter, must never show
more than 32 other clients.
"""

import re
import socket

from common import HOST, Limiter, Process, Sampler, Scenario, done, folder, free_port, is_open, run, wait_until

CLIENTS, REQUESTS, LIMIT, MAX_CLIENTS = 200, 20000, 32, 40


class Server(Process):
    def __init__(self):
        self.folder, self.port = folder("redis"), free_port()
        super().__init__("redis", "redis-server", "--bind", HOST, "--port", self.port, "--dir", self.folder,
                         "--maxclients", MAX_CLIENTS, "--save", "", "--appendonly", "no")
        wait_until(lambda: is_open(self.port), "Redis")
        self.around = socket.create_connection((HOST, self.port))
        self.answers = self.around.makefile("rb")

    def clients(self):
        """The number of clients according to INFO, without this one."""
        self.around.sendall(b"INFO clients\r\n")
        answer = self.answers.read(int(self.answers.readline()[1:]) + 2)
        return int(re.search(rb"connected_clients:(\d+)", answer)[1]) - 1


def benchmark(port):
    """Returns (requests per second or 0, an error message or "")."""
    status, output = run("redis-benchmark", "-h", HOST, "-p", port, "-c", CLIENTS, "-n", REQUESTS, "-k", "0",
                         "-t", "set", "--csv")
    rate = re.search(r'^"SET","([\d.]+)"', output, re.M)
    trouble = re.search(r"max number of clients reached|Error.*", output)
    if status == 0 and rate and not trouble:
        return float(rate[1]), ""
    return 0, trouble[0] if trouble else output.strip().splitlines()[-1]


with Scenario(f"Redis, redis-benchmark -c {CLIENTS}, limit {LIMIT}") as s:
    server = Server()
    rate, trouble = benchmark(server.port)
    s.without = f"'{trouble}'" if trouble else f"{rate:.0f} requests/s"
    s.expect(trouble, "without the limiter the load did not overload the server, so the scenario shows nothing")

    limiter = Limiter(server.port, LIMIT, "--queue-timeout", "60s")
    with Sampler(server.clients) as sampler:
        rate, trouble = benchmark(limiter.port)
    s.with_limiter = trouble or f"{rate:.0f} requests/s, at most {sampler.most} clients"
    s.expect(not trouble, f"redis-benchmark: {trouble}")
    s.expect(sampler.most <= LIMIT, f"INFO showed {sampler.most} clients, the limit is {LIMIT}")
    s.expect(sampler.most > LIMIT / 2, f"INFO showed at most {sampler.most} clients: the limit was never reached")
    limiter.check_clean_end(s)
done()
