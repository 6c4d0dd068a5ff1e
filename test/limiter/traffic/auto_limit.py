# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""The limiter with --limit auto in front of a server whose capacity changes.

The server refuses connections while as many are open as it can serve, and works 300 ms on each. Its capacity is
24, then 8, then 24 again. 100 clients ask all the time. Without the limiter, most of their connections are
refused.
"""

import socket
import threading
import time

from common import HOST, Limiter, Scenario, connected, done, free_port

CLIENTS, HIGH, LOW, SERVICE, PHASE = 100, 24, 8, 0.3, 15


class Server:
    """Closes its listening socket while it is full, so that the kernel refuses connections."""

    def __init__(self):
        self.port, self.capacity, self.open, self.ended = free_port(), HIGH, 0, False
        self.changed = threading.Condition()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.ended:
            with self.changed:
                self.changed.wait_for(lambda: self.ended or self.open < self.capacity, 1)
                if self.open >= self.capacity:
                    continue
            with socket.socket() as listening:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((HOST, self.port))
                listening.listen(1)
                listening.settimeout(0.1)
                while not self.ended:
                    with self.changed:
                        if self.open >= self.capacity:
                            break
                    try:
                        connection, _ = listening.accept()
                    except TimeoutError:
                        continue
                    with self.changed:
                        self.open += 1
                    threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            time.sleep(SERVICE)
            try:
                connection.sendall(b"x")
            except OSError:
                pass
        with self.changed:
            self.open -= 1
            self.changed.notify_all()


class Clients:
    """Count what they get."""

    def __init__(self, port):
        self.port, self.served, self.refused, self.ended = port, 0, 0, False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.ended:
            try:
                with connected(self.port) as s:
                    answer = s.recv(1)
            except OSError:
                answer = b""
            if answer:
                self.served += 1
            else:
                self.refused += 1
                time.sleep(0.01)

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join()


def limit_of(metrics):
    return next(value for name, value in metrics.items() if name.startswith("limit_connections"))


def phases(server, port, limit=lambda: 0):
    """The median limit in the last third of each phase, and the share of connections that were served."""
    limits = []
    clients = Clients(port)
    for server.capacity in (HIGH, LOW, HIGH):
        time.sleep(PHASE * 2 / 3)
        seen = []
        for _ in range(20):
            seen.append(limit())
            time.sleep(PHASE / 60)
        limits.append(sorted(seen)[10])
    clients.stop()
    return limits, clients.served / (clients.served + clients.refused)


with Scenario(f"capacity {HIGH}, {LOW}, {HIGH}; {CLIENTS} clients") as s:
    server = Server()
    _, share = phases(server, server.port)
    s.without = f"{share:.0%} of the connections served"
    server.capacity = HIGH
    limiter = Limiter(server.port, "auto", "--limit-max", 200, "--queue-timeout", "30s")
    limits, share = phases(server, limiter.port, lambda: limit_of(limiter.metrics()))
    s.with_limiter = f"{share:.0%}; limit {', '.join(f'{n:.0f}' for n in limits)}"
    for found, capacity in zip(limits, (HIGH, LOW, HIGH)):
        s.expect(0.5 * capacity <= found <= 1.6 * capacity, f"the limit is {found:.0f} at a capacity of {capacity}")
    s.expect(share > 0.8, "too many connections were refused")
    server.ended = True
done()
