// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/metrics.hpp"

#include <initializer_list>
#include <iomanip>
#include <sstream>
#include <string_view>

namespace connection_limiter {

namespace {

// Seconds, to the microsecond.
std::string seconds(std::chrono::microseconds time) {
  std::ostringstream out;
  out << std::setprecision(15) << static_cast<double>(time.count()) / 1e6;
  return out.str();
}

// A label beside `listener`, and what is counted under it.
struct part {
  std::string_view value;
  std::uint64_t (*count)(const figures&);
};

template <ending e>
std::uint64_t count_of(const figures& f) {
  return f.of(e);
}

class exposition {
 public:
  explicit exposition(const std::list<limiter>& l) : limiters_(l) {}

  std::string str() const { return out_.str(); }

  // A family with one series for each listener.
  template <typename Value>
  void family(std::string_view name, std::string_view type, std::string_view help, Value value) {
    head(name, type, help);
    for (const limiter& l : limiters_) series(name, l) << "} " << value(l) << '\n';
  }

  // A family of counters with one more label, all of whose values are always there.
  void counters(std::string_view name, std::string_view help, std::string_view label,
                std::initializer_list<part> parts) {
    head(name, "counter", help);
    for (const limiter& l : limiters_)
      for (const part& p : parts)
        series(name, l) << "," << label << "=\"" << p.value << "\"} " << p.count(l.seen()) << '\n';
  }

  void histogram(std::string_view name, std::string_view help) {
    head(name, "histogram", help);
    const std::string bucket = std::string{name} + "_bucket";
    for (const limiter& l : limiters_) {
      const wait_times& waits = l.seen().waits;
      std::uint64_t so_far = 0;
      for (std::size_t i = 0; i <= wait_times::bounds.size(); ++i) {
        const bool last = i == wait_times::bounds.size();
        so_far += waits.within(i);
        series(bucket, l) << ",le=\""
                          << (last ? "+Inf" : seconds(wait_times::duration{wait_times::bounds[i]}))
                          << "\"} " << so_far << '\n';
      }
      series(std::string{name} + "_sum", l) << "} " << seconds(waits.sum()) << '\n';
      series(std::string{name} + "_count", l) << "} " << so_far << '\n';
    }
  }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help) {
    out_ << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
  }

  std::ostream& series(std::string_view name, const limiter& l) {
    return out_ << name << "{listener=\"" << l.listening_on() << '"';
  }

  const std::list<limiter>& limiters_;
  std::ostringstream out_;
};

}  // namespace

std::string metrics(const std::list<limiter>& limiters) {
  exposition e{limiters};
  e.family("connection_limiter_active_connections", "gauge", "Connections that are let through.",
           [](const limiter& l) { return l.seen().active.now(); });
  e.family("connection_limiter_limit_connections", "gauge",
           "How many connections are let through at once.",
           [](const limiter& l) { return l.limit(); });
  e.family("connection_limiter_queued_connections", "gauge", "Connections that wait in the queue.",
           [](const limiter& l) { return l.queued(); });
  e.family("connection_limiter_longest_wait_seconds", "gauge",
           "How long the one has waited so far that waits longest now.",
           [](const limiter& l) { return seconds(l.seen().waiting.longest()); });
  e.family("connection_limiter_clients", "gauge",
           "Client addresses with a limit of their own at the moment.",
           [](const limiter& l) { return l.clients(); });
  e.family("connection_limiter_draining", "gauge", "1 while the limiter stops, 0 otherwise.",
           [](const limiter& l) { return l.draining() ? 1 : 0; });

  e.family("connection_limiter_accepted_total", "counter", "Connections that were accepted.",
           [](const limiter& l) { return l.seen().accepted.value(); });
  e.family("connection_limiter_served_total", "counter",
           "Connections that were let through and ended by themselves.",
           [](const limiter& l) { return l.seen().of(ending::served); });
  e.counters("connection_limiter_refused_total", "Connections that were not let through.", "reason",
             {{"full", count_of<ending::full>},
              {"client_full", count_of<ending::client_full>},
              {"timed_out", count_of<ending::timed_out>},
              {"stopping", count_of<ending::stopping>}});
  e.family("connection_limiter_abandoned_total", "counter",
           "Connections whose client hung up in the queue.",
           [](const limiter& l) { return l.seen().of(ending::abandoned); });
  e.counters("connection_limiter_cut_total", "Connections that were let through and then cut.",
             "reason",
             {{"idle", count_of<ending::idle>},
              {"too_long", count_of<ending::too_long>},
              {"drain", count_of<ending::drain>}});
  e.family("connection_limiter_failed_total", "counter",
           "Connections that were let through and failed, mostly since the upstream was not there.",
           [](const limiter& l) { return l.seen().of(ending::failed); });
  e.family("connection_limiter_accept_errors_total", "counter", "Failures of accepting.",
           [](const limiter& l) { return l.seen().accept_errors.value(); });
  e.counters("connection_limiter_bytes_total", "Bytes passed on.", "direction",
             {{"up", [](const figures& f) { return f.bytes_up.value(); }},
              {"down", [](const figures& f) { return f.bytes_down.value(); }}});
  e.histogram("connection_limiter_wait_seconds",
              "How long the connections had waited that were let through.");
  return e.str();
}

}  // namespace connection_limiter
