// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/metrics.hpp"

#include "help.hpp"
#include "text.hpp"

#include <array>
#include <chrono>
#include <initializer_list>
#include <iomanip>
#include <sstream>
#include <string_view>
#include <utility>

namespace connection_limiter {

namespace {

using namespace std::chrono_literals;

// In seconds, with microsecond precision.
std::string seconds(std::chrono::microseconds time) {
  std::ostringstream out;
  out << std::setprecision(15) << static_cast<double>(time.count()) / 1e6;
  return out.str();
}

// The upper bounds of the histogram of waits.
constexpr std::array<std::chrono::microseconds, 15> wait_bounds{
    1ms, 2500us, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms, 500ms, 1s, 2500ms, 5s, 10s, 30s, 60s};

// A value of the label beside `listener`, and its count.
struct labelled_count {
  std::string_view value;
  std::uint64_t (*count)(const statistics&);
};

template <ending e>
std::uint64_t count_of(const statistics& f) {
  return f.of(e);
}

// With the escapes of a label's value.
std::string escaped(std::string_view value) {
  std::string result;
  for (const char c : value) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

class exposition {
 public:
  explicit exposition(const std::list<limiter>& l) : limiters_(l) {}

  std::string str() const { return out_.str(); }

  // A metric family with one series for each listener.
  template <typename Value>
  void family(std::string_view name, std::string_view type, std::string_view help, Value value) {
    head(name, type, help);
    for (const limiter& l : limiters_) series(name, l) << "} " << value(l) << '\n';
  }

  // The same for the listeners with --shared. The value starts with more labels, or "}".
  template <typename Value>
  void shared_family(std::string_view name, std::string_view help, Value value) {
    bool has_head = false;
    for (const limiter& l : limiters_) {
      if (!l.fleet()) continue;
      if (!std::exchange(has_head, true)) head(name, "gauge", help);
      series(name, l) << value(*l.fleet()) << '\n';
    }
  }

  // A family of counters with a second label. All values of the label are always present.
  void counters(std::string_view name, std::string_view help, std::string_view label,
                std::initializer_list<labelled_count> counts) {
    head(name, "counter", help);
    for (const limiter& l : limiters_)
      for (const labelled_count& c : counts)
        series(name, l) << "," << label << "=\"" << c.value << "\"} " << c.count(l.stats()) << '\n';
  }

  // A series that is always 1 for each listener, for the sake of its label.
  void upstreams(std::string_view name, std::string_view help) {
    head(name, "gauge", help);
    for (const limiter& l : limiters_)
      series(name, l) << ",upstream=\"" << l.upstream() << "\"} 1\n";
  }

  // A series that is always 1, for the sake of its label.
  void info(std::string_view name, std::string_view help, std::string_view label,
            const std::string& value) {
    head(name, "gauge", help);
    out_ << name << '{' << label << "=\"" << value << "\"} 1\n";
  }

  void histogram(std::string_view name, std::string_view help) {
    head(name, "histogram", help);
    const std::string bucket = std::string{name} + "_bucket";
    for (const limiter& l : limiters_) {
      const auto waits = l.stats().waits.read();
      for (const std::chrono::microseconds bound : wait_bounds)
        series(bucket, l) << ",le=\"" << seconds(bound) << "\"} " << waits.within(bound) << '\n';
      series(bucket, l) << ",le=\"+Inf\"} " << waits.granted << '\n';
      const auto sum = std::chrono::duration_cast<std::chrono::microseconds>(waits.sum());
      series(std::string{name} + "_sum", l) << "} " << seconds(sum) << '\n';
      series(std::string{name} + "_count", l) << "} " << waits.granted << '\n';
    }
  }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
  }

  std::ostream& series(std::string_view name, const limiter& l) {
    return out_ << name << "{listener=\"" << l.name() << '"';
  }

  const std::list<limiter>& limiters_;
  std::ostringstream out_;
};

}  // namespace

std::string metrics(const std::list<limiter>& limiters) {
  exposition e{limiters};
  e.info("connection_limiter_build_info", "The version of the program.", "version", version());
  e.upstreams("connection_limiter_upstream_info", "The upstream of the listener.");
  e.family("connection_limiter_active_connections", "gauge", "Connections that hold a permit.",
           [](const limiter& l) { return l.stats().active.now(); });
  e.family("connection_limiter_limit_connections", "gauge",
           "The current limit on active connections.", [](const limiter& l) { return l.limit(); });
  e.family("connection_limiter_found_limit_connections", "gauge",
           "The limit that --limit auto or --limit-dry-run has found; 0 without them.",
           [](const limiter& l) { return l.found_limit(); });
  e.family("connection_limiter_queued_connections", "gauge", "Connections in the queue.",
           [](const limiter& l) { return l.queued(); });
  e.family("connection_limiter_longest_wait_seconds", "gauge",
           "How long the oldest queued connection has waited so far.",
           [](const limiter& l) { return seconds(l.stats().waiting.longest()); });
  e.family("connection_limiter_clients", "gauge",
           "Client addresses with at least one connection; 0 without --per-client.",
           [](const limiter& l) { return l.clients(); });
  e.family("connection_limiter_upstream_up", "gauge",
           "0 if the last attempt to connect to the upstream failed, 1 otherwise.",
           [](const limiter& l) { return l.upstream_is_up() ? 1 : 0; });
  e.family("connection_limiter_draining", "gauge", "1 after a signal to stop, 0 otherwise.",
           [](const limiter& l) { return l.draining() ? 1 : 0; });
  e.shared_family("connection_limiter_shared_info",
                  "The limit of --shared: its name, the state of the lease, and the last error of "
                  "Redis; always 1.",
                  [](const fleet_limit& f) {
                    return text(",name=\"", f.name(), "\",lease=\"", f.lease(), "\",last_error=\"",
                                escaped(f.last_error()), "\"} 1");
                  });
  e.shared_family("connection_limiter_shared_connected",
                  "0 if there is no connection to the Redis of --shared, 1 otherwise.",
                  [](const fleet_limit& f) { return text("} ", f.is_connected() ? 1 : 0); });
  e.shared_family("connection_limiter_share_connections",
                  "How many connections of the limit of --shared this limiter may forward now.",
                  [](const fleet_limit& f) { return text("} ", f.share()); });
  e.shared_family("connection_limiter_lease_seconds",
                  "How long the lease of --shared is valid if Redis does not answer any more.",
                  [](const fleet_limit& f) { return "} " + seconds(f.valid_for()); });

  e.family("connection_limiter_accepted_total", "counter", "Accepted connections.",
           [](const limiter& l) { return l.stats().accepted.value(); });
  e.family("connection_limiter_served_total", "counter",
           "Connections that were forwarded and ended by themselves.",
           [](const limiter& l) { return l.stats().of(ending::served); });
  e.counters("connection_limiter_refused_total",
             "Connections that were closed before they were forwarded.", "reason",
             {{"full", count_of<ending::full>},
              {"client_full", count_of<ending::client_full>},
              {"timed_out", count_of<ending::timed_out>},
              {"stopping", count_of<ending::stopping>},
              {"bad_header", count_of<ending::bad_header>}});
  e.family("connection_limiter_abandoned_total", "counter",
           "Connections whose client disconnected in the queue.",
           [](const limiter& l) { return l.stats().of(ending::abandoned); });
  e.counters("connection_limiter_cut_total", "Forwarded connections that the limiter ended.",
             "reason",
             {{"idle", count_of<ending::idle>},
              {"too_long", count_of<ending::too_long>},
              {"half_closed", count_of<ending::half_closed>},
              {"lease_lost", count_of<ending::lease_lost>},
              {"drain", count_of<ending::drain>}});
  e.family("connection_limiter_failed_total", "counter",
           "Connections that got a permit and then failed, usually because the upstream "
           "could not be reached.",
           [](const limiter& l) { return l.stats().of(ending::failed); });
  e.family("connection_limiter_accept_errors_total", "counter",
           "Failed attempts to accept a connection.",
           [](const limiter& l) { return l.stats().accept_errors.value(); });
  e.counters("connection_limiter_bytes_total", "Forwarded bytes.", "direction",
             {{"up", [](const statistics& f) { return f.bytes_up.value(); }},
              {"down", [](const statistics& f) { return f.bytes_down.value(); }}});
  e.histogram("connection_limiter_wait_seconds",
              "How long each forwarded connection waited for its permit.");
  return e.str();
}

}  // namespace connection_limiter
