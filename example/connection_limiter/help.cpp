// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "help.hpp"

#include "values.hpp"

#include <turnstile/detail/config.hpp>

#include <boost/program_options/value_semantic.hpp>

#include <algorithm>
#include <sstream>
#include <thread>

namespace connection_limiter {

namespace po = boost::program_options;

std::string expected_by(std::string_view option) {
  const std::string address =
      "an address or host name and a port, such as 127.0.0.1:6000, [::1]:6000 or db.example:5432";
  if (option == "admin") return address;
  if (option == "listen" || option == "upstream")
    return address + ", or a Unix-domain socket, such as unix:/run/db.sock";
  if (option == "socket-mode") return "an octal number from 000 to 777, such as 0660";
  if (option == "admin-public")
    return "a host name or an address without a scheme or path, such as limiter.example";
  if (option == "share-limit") return "a name without spaces, such as database";
  if (option == "shared")
    return "a URL such as redis://redis.example:6379, or @ and a file whose first line is one";
  if (option == "name") return "a name of 1 to 128 letters, digits, and _ . : / -";
  if (option == "lease") return "a duration from 1s to 10m";
  if (option == "lost-lease") return "keep or cut";
  if (option == "limits-file") return "the path of a file";
  if (option == "limit") return "auto, or a number from 0 to " + std::to_string(max_permits);
  if (option == "limit-min" || option == "limit-max" || option == "per-client")
    return "a number from 1 to " + std::to_string(max_permits);
  if (option == "max-queue" || option == "per-client-queue")
    return "a number from 0 to " + std::to_string(max_permits);
  if (option == "threads") return "a number from 1 to " + std::to_string(max_threads);
  if (option == "overflow") return "queue, backlog or reject";
  if (option == "abandon" || option == "access-log" || option == "limit-dry-run")
    return "on or off";
  if (option == "log-format") return "plain or json";
  if (option == "accept-proxy")
    return "networks that are separated by commas, such as 10.0.0.0/8,fd00::/8 or unix";
  if (option == "send-proxy") return "v1 or v2";
  if (option == "resolve-every") return "a duration in whole seconds such as 5s, 2m or 1h";
  if (option == "keepalive") return "a duration in whole seconds such as 5s, 2m or 1h, at most 9h";
  return "a duration such as 500ms, 5s, 2m or 1h, at most 1000h";
}

po::options_description description() {
  const std::size_t threads =
      std::clamp(std::size_t{std::thread::hardware_concurrency()}, std::size_t{1}, max_threads);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  po::options_description all("Options", 100, 50);
  // clang-format off
  all.add_options()
    ("listen", text("ADDRESS:PORT")->default_value("127.0.0.1:6000"),
      "the address on which clients connect; all addresses of a name, and * for all addresses of the "
      "machine, IPv4 and IPv6; with port 0 the system chooses a port, which is printed; or unix:PATH for a "
      "Unix-domain socket")
    ("socket-mode", text("MODE"),
      "the permissions of the file of --listen unix:PATH, such as 0660; the default is up to the umask")
    ("upstream", text("HOST:PORT"),
      "the server to protect, or unix:PATH; it need not exist yet when the program starts")
    ("limit", text("N|auto")->default_value("20"),
      "how many connections are forwarded at once; 0 pauses, and auto finds the number (see below)")
    ("share-limit", text("NAME"),
      "listeners with the same NAME share one limit and one queue")
    ("shared", text("URL|@FILE"),
      "share the limit with the limiters on other machines that have the same --name, over this Redis: "
      "redis://[user[:password]@]host[:port][/database], or @ and a file whose first line is that (see below)")
    ("name", text("NAME"), "with --shared: the name of the limit")
    ("lease", text("TIME"),
      "with --shared: how long a limiter that died keeps its share of the limit at most; the default is 15s")
    ("lost-lease", text("keep|cut"),
      "with --shared: what happens to forwarded connections if Redis has not answered for two thirds of "
      "the lease; the default is keep")
    ("limit-min", text("N"), "the lowest limit that auto sets; the default is 1")
    ("limit-max", text("N"), "the highest limit that auto sets; the default is 1000")
    ("limit-dry-run", text("on|off"),
      "on keeps the limit that --limit says, and reports the limit that auto would set, in the metrics")
    ("overflow", text("MODE")->default_value("queue"),
      "what happens to connections above the limit: queue, backlog or reject (see below)")
    ("max-queue", text("N")->default_value("200"),
      "queue mode: how many connections may wait; more are refused")
    ("queue-timeout", text("TIME")->default_value("5s"),
      "queue mode: how long a connection may wait before it is refused")
    ("per-client", text("N"),
      "how many connections of one client address (IPv6: of one /64) are forwarded at once")
    ("per-client-queue", text("N"),
      "queue mode, with --per-client: how many connections of one client address may wait; the default is "
      "half of --max-queue")
    ("abandon", text("on|off")->default_value("on"),
      "queue mode: on drops queued clients that disconnect; use off if clients half-close before they "
      "get an answer")
    ("accept-proxy", text("NETWORKS"),
      "take the address of the client from the PROXY header (version 1 or 2) with which connections from "
      "these networks must start; for example 10.0.0.0/8,fd00::/8; unix is all Unix-domain sockets")
    ("send-proxy", text("v1|v2"),
      "send the upstream a PROXY header with the address of the client")
    ("resolve-every", text("TIME")->default_value("1m"),
      "how often the name of the upstream is looked up again; with 0s only if connecting fails")
    ("keepalive", text("TIME"),
      "have the kernel ask an idle peer for a sign of life after this time, and end the connection if "
      "there is none within the same time; the default is set by the system, usually 2h")
    ("connect-timeout", text("TIME")->default_value("10s"), "how long connecting to the upstream may take")
    ("half-close-timeout", text("TIME"),
      "cut a connection that one side has ended, if no byte has moved for this long; default: 2s if the "
      "upstream has ended it, 5m if the client has")
    ("idle-timeout", text("TIME"),
      "cut a connection on which no byte has moved for this long; without it, an idle client can hold "
      "its permit for ever")
    ("session-timeout", text("TIME"), "cut a connection this long after it was forwarded")
    ("drain-delay", text("TIME")->default_value("0s"),
      "after a signal to stop: how long to go on accepting connections, while /healthz says 503, so that "
      "load balancers send no new ones")
    ("drain-timeout", text("TIME")->default_value("10s"),
      "after a signal to stop: how long connections may continue before they are cut; 0s cuts them at once")
    ("admin", text("ADDRESS:PORT"),
      "serve the admin endpoint on this address: metrics, a page, and changes of the limit (see below)")
    ("admin-public", po::value<std::vector<std::string>>()->value_name("NAME"),
      "allow an --admin address that other machines can reach, and accept requests for this host name or "
      "address; can be given several times")
    ("limits-file", text("FILE"),
      "take limits from this file, and read it again on SIGHUP (see below)")
    ("threads", text("N")->default_value(std::to_string(threads)), "how many threads forward bytes")
    ("access-log", text("on|off")->default_value("off"),
      "on logs a line for each connection: its client, how long it waited, its bytes, and how it ended")
    ("log-format", text("plain|json")->default_value("plain"),
      "the format of the log; json writes one JSON object for each line")
    ("demo", po::bool_switch(),
      "run a slow upstream, the limiter and 200 clients in one process, and show what happens; takes "
      "about five seconds")
    ("help,h", po::bool_switch(), "print this help")
    ("version", po::bool_switch(), "print the version");
  // clang-format on
  return all;
}

std::string version() {
  return std::to_string(TURNSTILE_VERSION_MAJOR) + '.' + std::to_string(TURNSTILE_VERSION_MINOR) +
         '.' + std::to_string(TURNSTILE_VERSION_PATCH);
}

std::string help_text() {
  std::ostringstream out;
  out << R"(connection_limiter is a TCP proxy that forwards at most N connections to a server at once.

  connection_limiter --upstream HOST:PORT [--listen ADDRESS:PORT] [--limit N] ...
  connection_limiter --demo [--limit N] [--threads N]

)" << description()
      << R"(
TIME is a number with a unit: 500ms, 5s, 2m or 1h. As a time limit, 0s is off. To refuse a connection is to close it before it was
forwarded. To cut a connection is to reset it.

Overflow modes: what happens to a connection above the limit
  queue    It is accepted and waits for its turn, first come, first served. It is refused if
           --max-queue connections wait already, or after --queue-timeout.
  backlog  It is not accepted until a permit is free, and waits in the kernel's backlog. When the
           backlog is full too, clients see a slow connect, then their own time-out.
  reject   It is refused at once.

With --limit 0, no connection is forwarded until the admin endpoint or the limits file sets another
limit. Connections wait as above.

With --limit auto, the limit rises until the upstream refuses connections or lets them wait for more than
half a second. An upstream that accepts more connections than it can serve gives no such sign, and needs a
number.

With --per-client, the next permit goes to the waiting client that has the fewest forwarded
connections. A connection above the limit of its client waits in the queue until another connection of
the same client ends, and connections of other clients pass it. In the modes backlog and reject, such a
connection is refused at once, after it was accepted.

With --shared, limiters on several machines forward at most --limit connections together. The first one
sets the limit, and PUT /limit changes it for all of them. While Redis cannot be reached, a limiter goes on
with its share for two thirds of --lease. Then it forwards no new connection until Redis answers: new ones
wait in the queue. --per-client and --max-queue belong to each limiter.

Several listeners
  Each --listen starts a listener with a limit of its own. Options after a --listen belong to that
  listener. Options before the first --listen are defaults for all listeners. --admin, --admin-public,
  --threads, --access-log, --log-format and --limits-file belong to the program and can stand anywhere.

  connection_limiter --queue-timeout 10s --listen 127.0.0.1:6000 --upstream 127.0.0.1:5432 --limit 20
                                         --listen 127.0.0.1:6001 --upstream 127.0.0.1:6379 --limit 32

The admin endpoint
  GET /metrics  the metrics, in Prometheus' text format
  GET /healthz  200; 503 after a signal to stop
  GET /readyz   200 if also the upstreams accept connections, and the limit of --shared can be used;
                otherwise 503
  GET /limit    the current limit
  GET /         a page that shows the load
  GET or PUT /max-queue, /queue-timeout, /per-client, /per-client-queue, /connect-timeout,
  /half-close-timeout, /idle-timeout, /session-timeout, /drain-delay or /drain-timeout
                the value of the option
  PUT /limit    sets a new limit and cuts no connection:
                curl -X PUT -d 30 http://127.0.0.1:9100/limit
                With several listeners, name one: /limit?listener=127.0.0.1:6000
  The endpoint has no password, so it must listen on a loopback address. With --admin-public it can
  listen on any address; restrict access by other means then, such as a firewall. Requests from pages
  of other sites are refused.

The limits file has a line for each option, such as limit = 20, and comments after #. It can have the
options that the admin endpoint can set. They come before those of the command line. As on the command
line, options after listen = ADDRESS:PORT belong to that listener. SIGHUP reads the file again. If there is
a mistake in it, nothing changes.

Signals
  SIGINT, SIGTERM, SIGQUIT, and SIGHUP without --limits-file: after --drain-delay, the limiter stops
  accepting connections, refuses queued connections, and lets forwarded connections continue for
  --drain-timeout. Then it cuts the connections that are left, prints the totals and exits. A second
  signal cuts the connections at once. SIGUSR1 and SIGUSR2 are ignored, and so is SIGHUP under nohup.

Exit status: 0 after a signal or a successful demo; 1 if it could not start, or the demo failed;
2 if an option is wrong. The log goes to standard error.
)";
  return out.str();
}

}  // namespace connection_limiter
