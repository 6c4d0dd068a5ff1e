# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""nginx and wrk, for the scripts that put the limiter between them."""

import os
import re

from common import HOST, Process, connected, folder, free_port, is_open, run, wait_until

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; multi_accept off; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  limit_conn_zone $server_port zone=all:1m;
  server {{
    listen {host}:{port} backlog=4096;
    root {folder}/files;
    {options}
    # A page that takes a tenth of a second: sent in pieces, at a limited rate.
    location /slow {{ limit_rate 20k; sendfile on; sendfile_max_chunk 1k; }}
  }}
  server {{
    listen {host}:{status};
    location / {{ stub_status; }}
  }}
}}
"""


class Nginx(Process):
    """Serves /small (1 KiB), /large (16 MiB) and /slow (about 0.1 s), with `options` in the server block."""

    def __init__(self, options="", connections=4096):
        self.folder, self.port, self.status = folder("nginx"), free_port(), free_port()
        (self.folder / "files").mkdir()
        (self.folder / "files/small").write_bytes(bytes(1 << 10))
        (self.folder / "files/slow").write_bytes(bytes(2 << 10))
        (self.folder / "files/large").write_bytes(bytes(16 << 20))
        configuration = self.folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=self.folder, connections=connections, host=HOST, port=self.port, status=self.status,
            options=options, user="user root;" if os.geteuid() == 0 else ""))
        super().__init__("nginx", "nginx", "-c", configuration, "-e", self.folder / "error.log")
        wait_until(lambda: is_open(self.port), "nginx")
        self.around = connected(self.status)  # one connection for all requests
        self.answers = self.around.makefile("rb")

    def connections(self):
        """The number of connections according to stub_status, without the one for this request."""
        self.around.sendall(b"GET / HTTP/1.1\r\nHost: nginx\r\n\r\n")
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            if found := re.match(rb"Content-Length: (\d+)", line):
                length = int(found[1])
        return int(re.match(rb"Active connections: (\d+)", self.answers.read(length))[1]) - 1


def wrk(port, path, connections, seconds, *options, threads=1):
    """The results of wrk: requests per second, bytes per second, the median latency in seconds, the number
    of answers with another status than 2xx and 3xx, and the number of connection errors and time-outs."""
    status, output = run("wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--latency", *options,
                         f"http://{HOST}:{port}{path}")
    if status != 0:
        raise RuntimeError(output)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    amount, unit = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", output).groups()
    median, part = re.search(r"50%\s+([\d.]+)(us|ms|s|m)", output).groups()
    return {
        "requests": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        "bytes": float(amount) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit],
        "latency": float(median) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[part],
        "others": int(others[1]) if others else 0,
        "errors": sum(map(int, errors.groups())) if errors else 0,
    }
