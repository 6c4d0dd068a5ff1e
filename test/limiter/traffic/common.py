# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Shared by the scripts in this folder: servers as child processes, the limiter, and the table's rows.

test/limiter/traffic/run runs each script in the root folder of the project. The processes that a script starts
keep their data in build/traffic, listen on free ports of the loopback interface, and are stopped when
the script ends.
"""

import atexit
import contextlib
import http.client
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HOST = "127.0.0.1"
DATA = pathlib.Path("build/traffic").resolve()
PROGRAM = os.environ.get("TRAFFIC_PROGRAM", "build/example/example/connection_limiter")
HERE = pathlib.Path(__file__).resolve().parent

# How long a script waits for anything that is not measured. A passing scenario never waits this long.
TIMEOUT = 30

started = []


@atexit.register
def stop_all():
    while started:
        started.pop().stop()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that atexit stops the servers


class Process:
    """A server. Its output goes to build/traffic/<name>.log."""

    def __init__(self, name, *command, ends_with=signal.SIGTERM, stdout=None, **options):
        self.name, self.ends_with = name, ends_with
        self.log = DATA / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                          stdout=stdout or log, stderr=log, **options)
        self.pid = self.child.pid
        started.append(self)

    def stop(self):
        """Stops the process if it still runs, and returns its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(self.ends_with)
            try:
                self.child.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                print(f"{self.name} does not end after its signal; killing it", file=sys.stderr)
                self.child.kill()
                self.child.wait()
        if self in started:
            started.remove(self)
        return self.child.returncode

    def kill(self):
        self.child.kill()
        self.stop()

    def cpu_seconds(self):
        """The processor time that it has used so far."""
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Limiter(Process):
    """connection_limiter in front of a port of this machine."""

    def __init__(self, upstream, limit, *options, host=HOST):
        self.limit, self.totals = limit, ""
        super().__init__("limiter", PROGRAM, "--listen", f"{HOST}:0", "--upstream", f"{host}:{upstream}",
                         "--limit", limit, "--admin", f"{HOST}:0", *options,
                         stdout=subprocess.PIPE)
        with Deadline(self.child, TIMEOUT):
            said = "".join(self.child.stdout.readline().decode() for _ in range(2))
        ports = re.search(r"^listening on \S+:(\d+), upstream.*^admin endpoint: http://\S+:(\d+)/", said, re.M | re.S)
        if not ports:
            raise RuntimeError(f"{PROGRAM} does not start; see {self.log}")
        self.port, self.admin = map(int, ports.groups())
        # Open one connection on each thread first: what a thread then keeps open is not a leak.
        for _ in range(2 * os.cpu_count()):
            self.metrics()
            connected(self.port).close()
        wait_until(self.is_empty, "end of the first connections")
        self.first_descriptors = self.descriptors()
        for _ in range(10):  # until the last request for metrics is closed as well
            time.sleep(0.05)
            self.first_descriptors = min(self.first_descriptors, self.descriptors())

    def metrics(self):
        """The metrics as {"name{labels}": value}, without the common prefix of the names."""
        connection = http.client.HTTPConnection(HOST, self.admin, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers={"Connection": "close"})
            lines = connection.getresponse().read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("connection_limiter_"): float(value) for name, value in samples}

    def set_limit(self, limit):
        connection = http.client.HTTPConnection(HOST, self.admin, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.request("PUT", "/limit", str(limit))
            answer = connection.getresponse()
            if answer.status >= 300:
                raise RuntimeError(f"PUT /limit: {answer.status} {answer.read().decode()}")

    def is_quiet(self):
        """True if no connection is active or queued, and no more descriptors are open than at the start."""
        return self.is_empty() and self.descriptors() <= self.first_descriptors

    def is_empty(self):
        seen = self.metrics()
        return active(seen) == 0 and queued(seen) == 0

    def stop(self):
        if self.child.stdout and not self.child.stdout.closed:
            if self.child.poll() is None:
                self.child.send_signal(signal.SIGTERM)
            with Deadline(self.child, 2 * TIMEOUT):
                self.totals = self.child.stdout.read().decode()
            self.child.stdout.close()
        return super().stop()

    def check_clean_end(self, scenario):
        """Stops the limiter and checks that no permit, queue slot or descriptor has leaked."""
        with contextlib.suppress(TimeoutError):
            wait_until(self.is_quiet, "end of all connections", seconds=10)
        descriptors, seen = self.descriptors(), self.metrics()
        scenario.expect(active(seen) == 0, f"{active(seen):.0f} permits were not returned")
        scenario.expect(queued(seen) == 0, f"{queued(seen):.0f} connections were still queued")
        scenario.expect(descriptors <= self.first_descriptors,
                        f"{descriptors} descriptors at the end, {self.first_descriptors} at the start")
        status = self.stop()
        scenario.expect(status == 0, f"the limiter's exit status was {status}")
        scenario.expect(self.permits_are_returned(), f"not all permits were returned: {self.totals}")

    def permits_are_returned(self):
        """True if the totals at the end say so."""
        return f"{self.limit} of {self.limit} permits returned" in self.totals


def active(metrics):
    return sum(value for name, value in metrics.items() if re.match(r"active_connections\b", name))


def queued(metrics):
    return sum(value for name, value in metrics.items() if re.match(r"queued_connections\b", name))


class Deadline:
    """Kills a child after a time limit, so that reading from it ends."""

    def __init__(self, child, seconds):
        self.timer = threading.Timer(seconds, child.kill)

    def __enter__(self):
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()


class Sampler:
    """Samples a figure on a thread of its own during the `with` block."""

    def __init__(self, take, every=0.01):
        self.take, self.every, self.seen, self.over = take, every, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(self.every):
            self.seen.append(self.take())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def most(self):
        return max(self.seen)


class Scenario:
    """A row of the table. An unmet expectation or an exception makes it a failed one."""

    failed = False  # whether any scenario has failed

    def __init__(self, name):
        self.name, self.without, self.with_limiter, self.reasons = name, "-", "-", []

    def expect(self, condition, otherwise):
        if not condition:
            self.reasons.append(otherwise)

    def __enter__(self):
        print(f"{self.name} ...", flush=True)
        return self

    def __exit__(self, kind, error, trace):
        if kind and not issubclass(kind, Exception):
            return False
        if error:
            traceback.print_exception(kind, error, trace)
            self.reasons.append(f"{kind.__name__}: {error}")
        stop_all()
        for reason in self.reasons:
            print(f"  unexpected: {reason}")
        Scenario.failed |= bool(self.reasons)
        verdict = "FAILED" if self.reasons else "passed"
        print(f"row: {self.name} | {self.without} | {self.with_limiter} | {verdict}", flush=True)
        return True


def done():
    """Ends the script with the right exit status."""
    sys.exit(Scenario.failed)


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=TIMEOUT):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: did not happen within {seconds} s")
        time.sleep(0.02)


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def connected(port, source=None, timeout=TIMEOUT):
    # Bind only if a source address is given: a bound socket needs a port that no other connection uses.
    return socket.create_connection((HOST, port), timeout, source and (source, 0))


def run(*command, seconds=120, **options):
    """Runs a command to its end. Returns (exit status, output)."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=seconds, **options)
    return done.returncode, done.stdout


def folder(name, user=None):
    """Creates a new folder for the data of a server, which the user can enter and write to."""
    path = DATA / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    if user:
        # If the project is in a private folder, another user has no access to it.
        if subprocess.run(["test", "-x", path], user=user).returncode != 0:
            path = pathlib.Path(tempfile.mkdtemp(prefix="traffic-"))
            atexit.register(shutil.rmtree, path, ignore_errors=True)
        os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    return path
