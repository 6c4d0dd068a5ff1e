# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""PostgreSQL with max_connections = 20, and pgbench with 80 clients that connect for each transaction.

Without the limiter, most clients fail with "too many clients already". With the limiter (limit 15),
every transaction is processed. Meanwhile pg_stat_activity, read on a connection that bypasses the
limiter, must never show more than 15 clients.
"""

import glob
import os
import re
import subprocess

from common import DATA, HOST, Limiter, Process, Scenario, done, folder, free_port, run, wait_until

CLIENTS, TRANSACTIONS, LIMIT, MAX_CONNECTIONS = 80, 20, 15, 20

BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
# PostgreSQL refuses to run as root.
AS = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


class Server(Process):
    def __init__(self):
        self.folder, self.port = folder("postgresql", AS.get("user")), free_port()
        database = self.folder / "data"
        status, output = run(f"{BIN}/initdb", "--username", "super", "--auth", "trust", "--no-sync", database,
                             cwd="/", **AS)
        if status != 0:
            raise RuntimeError(output)
        super().__init__("postgresql", f"{BIN}/postgres", "-D", database, "-p", self.port, "-h", HOST,
                         "-k", self.folder, "-c", f"max_connections={MAX_CONNECTIONS}", "-c", "fsync=off",
                         ends_with=2, cwd="/", **AS)  # SIGINT: the server does not wait for its clients
        wait_until(lambda: self.sql("select 1")[0] == 0, "PostgreSQL")
        self.sql("create role client login")
        self.sql("create database bench owner client")
        status, output = run(f"{BIN}/pgbench", "-h", HOST, "-p", self.port, "-U", "client", "-i", "-s", "20", "-q", "bench")
        if status != 0:
            raise RuntimeError(output)

    def around(self):
        """The arguments of psql for a connection that bypasses the limiter."""
        return [f"{BIN}/psql", "-h", self.folder, "-p", self.port, "-U", "super", "-d", "postgres", "-XAtq"]

    def sql(self, statement):
        return run(*self.around(), "-c", statement)


class Activity:
    """Samples the number of clients in pg_stat_activity twenty times a second during the `with` block."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.psql = subprocess.Popen([str(part) for part in self.server.around()], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write("select 'clients', count(*) from pg_stat_activity where backend_type ="
                              " 'client backend' and pid <> pg_backend_pid() \\watch 0.05\n")
        self.psql.stdin.flush()
        return self

    def __exit__(self, *_):
        self.psql.terminate()
        output, _ = self.psql.communicate()
        self.seen = [int(n) for n in re.findall(r"^clients\|(\d+)$", output, re.M)]


def pgbench(port):
    """Returns (processed transactions, failed transactions or clients, "too many clients" errors)."""
    # One thread for each client, because a client blocks its thread while it connects.
    _, output = run(f"{BIN}/pgbench", "-h", HOST, "-p", port, "-U", "client", "-n", "-C", "-c", CLIENTS, "-j", CLIENTS,
                    "-t", TRANSACTIONS, "bench")
    (DATA / "pgbench.log").write_text(output)
    processed = re.search(r"actually processed: (\d+)", output)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    return (int(processed[1]) if processed else 0,
            (int(failed[1]) if failed else 0) + output.count("aborted in command"),
            output.count("too many clients") + output.count("remaining connection slots"))


with Scenario(f"PostgreSQL, pgbench -C -c {CLIENTS}, limit {LIMIT}") as s:
    server = Server()
    wanted = CLIENTS * TRANSACTIONS
    processed, failed, too_many = pgbench(server.port)
    s.without = f"{processed} of {wanted} transactions, {too_many} 'too many clients'"
    s.expect(too_many > 0, "without the limiter the load did not overload the server, so the scenario shows nothing")

    limiter = Limiter(server.port, LIMIT, "--queue-timeout", "60s")
    with Activity(server) as activity:
        processed, failed, too_many = pgbench(limiter.port)
    most = max(activity.seen)
    s.with_limiter = f"{processed} of {wanted}, {failed} failed, at most {most} backends"
    s.expect(processed == wanted, f"{processed} of {wanted} transactions were processed")
    s.expect(failed == 0 and too_many == 0, f"{failed} failed, {too_many} got 'too many clients'")
    s.expect(most <= LIMIT, f"pg_stat_activity showed {most} clients, the limit is {LIMIT}")
    s.expect(most > LIMIT / 2 and len(activity.seen) > 10,
             f"{len(activity.seen)} samples of pg_stat_activity, at most {most}: the limit was never reached")
    limiter.check_clean_end(s)
done()
