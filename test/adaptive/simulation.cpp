// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Simulates adaptive_limit in front of upstreams of many kinds, and holds what it does against the figures that
// it has to reach. `simulation --help` lists the options. Everything is derived from the seeds.

#include "../../src/adaptive_rules.hpp"
#include "others.hpp"
#include "scenarios.hpp"
#include "workload.hpp"

#include <turnstile/adaptive_limit.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace simulation {

namespace {

namespace detail = turnstile::detail;
using turnstile::adaptive_limit;

adaptive_limit::time_point at(double seconds) {
  return adaptive_limit::time_point() +
         std::chrono::duration_cast<adaptive_limit::time_point::duration>(
             std::chrono::duration<double>(seconds));
}

class ours final : public algorithm {
 public:
  explicit ours(std::size_t initial) : limit_({.initial = initial}) {}
  void waited() override { limit_.waited(); }
  void ended(double start, double end, std::size_t in_use, outcome o) override {
    limit_.ended(at(start), at(end), in_use, o);
  }
  std::size_t limit() const override { return limit_.limit(); }

 private:
  adaptive_limit limit_;
};

// The same without one of the rules.
template <typename Rules>
class ours_without final : public algorithm {
 public:
  explicit ours_without(std::size_t initial) { state_.limit = initial; }
  void waited() override { waited_ = true; }
  void ended(double start, double end, std::size_t in_use, outcome o) override {
    detail::adaptive_rules<Rules>(state_, bounds_)
        .ended(at(start), at(end), in_use, o == outcome::overloaded, std::exchange(waited_, false));
  }
  std::size_t limit() const override { return state_.limit; }

 private:
  detail::adaptive_state state_;
  detail::adaptive_bounds bounds_{1, 1000, 0.25};
  bool waited_ = false;
};

struct no_search : detail::every_rule {
  static constexpr bool search = false;
};
struct no_slow_start : detail::every_rule {
  static constexpr bool slow_start = false;
};
struct no_derivative : detail::every_rule {
  static constexpr bool derivative = false;
};
struct no_dips : detail::every_rule {
  static constexpr bool dips = false;
};
struct not_reached : detail::every_rule {
  static constexpr bool reached = false;
};
struct any_start : detail::every_rule {
  static constexpr bool started_in_window = false;
};

using factory = std::function<std::unique_ptr<algorithm>(std::size_t initial)>;

template <typename Algorithm>
factory make_with() {
  return [](std::size_t initial) { return std::make_unique<Algorithm>(initial); };
}

struct candidate {
  const char* name;
  factory make;
};

const std::vector<candidate>& removed_rules() {
  static const std::vector<candidate> all{
      {"search", make_with<ours_without<no_search>>()},
      {"slow start", make_with<ours_without<no_slow_start>>()},
      {"derivative", make_with<ours_without<no_derivative>>()},
      {"dips", make_with<ours_without<no_dips>>()},
      {"only if the limit was reached", make_with<ours_without<not_reached>>()},
      {"only holds that started in the window", make_with<ours_without<any_start>>()}};
  return all;
}

const std::vector<candidate>& other_algorithms() {
  static const std::vector<candidate> all{{"AIMD", make_with<aimd>()},
                                          {"Vegas", make_with<vegas>()},
                                          {"Gradient2", make_with<gradient2>()},
                                          {"Envoy", make_with<envoy_gradient>()}};
  return all;
}

// ---- Runs ----------------------------------------------------------------------------------------

// Calls f(0) to f(n - 1) on all processors.
void in_parallel(std::size_t n, const std::function<void(std::size_t)>& f) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next++) < n;) f(i);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
}

result simulate(const scenario& s, const factory& make, chance& c) {
  std::vector<std::unique_ptr<algorithm>> owned;
  std::vector<algorithm*> algorithms;
  for (std::size_t i = 0; i != s.load.limiters; ++i) {
    owned.push_back(make(s.initial));
    algorithms.push_back(owned.back().get());
  }
  return run(s.load, s.backend, c, std::move(algorithms))();
}

using chances = std::vector<chance>;  // one of each seed

double goodput(const std::vector<result>& results, double from, double to) {
  double sum = 0;
  for (const result& r : results) sum += r.total(from, to);
  return sum / static_cast<double>(results.size());
}

struct best_fixed {
  std::size_t limit = 0;
  double whole = 0, settled = 0;  // goodput
};

// Tries limits from a fifth of the servers to ten times as many: all with two seeds, and the best three, and those
// next to the best one, with all seeds.
best_fixed search_best(const scenario& s, chances& all) {
  const double servers =
      static_cast<double>(s.backend.at(0).servers) / static_cast<double>(s.load.limiters);
  std::map<std::size_t, std::vector<result>> results;  // of each limit
  const auto measure = [&](std::size_t limit, std::size_t seeds) {
    std::vector<result>& r = results[limit];
    const auto make = [limit](std::size_t) { return std::make_unique<fixed_limit>(limit); };
    while (r.size() < std::min(seeds, all.size())) r.push_back(simulate(s, make, all[r.size()]));
    return best_fixed{limit, goodput(r, 0, s.load.duration),
                      goodput(r, s.settled, s.load.duration)};
  };
  std::vector<best_fixed> tried;
  for (double limit = servers / 5; limit < 10 * servers; limit *= 1.2)
    if (const auto rounded = static_cast<std::size_t>(std::max(1.0, std::round(limit)));
        tried.empty() || tried.back().limit != rounded)
      tried.push_back(measure(rounded, 2));
  std::sort(tried.begin(), tried.end(),
            [](const best_fixed& a, const best_fixed& b) { return a.whole > b.whole; });
  std::vector<std::size_t> again;
  for (std::size_t i = 0; i < tried.size() && i < 3; ++i) again.push_back(tried[i].limit);
  for (const std::size_t limit : {again[0] - (again[0] > 1), again[0] + 1})
    if (std::find(again.begin(), again.end(), limit) == again.end()) again.push_back(limit);
  best_fixed best;
  for (const std::size_t limit : again) {
    const best_fixed b = measure(limit, all.size());
    if (b.whole > best.whole) best.limit = b.limit;
    best.whole = std::max(best.whole, b.whole);
    best.settled = std::max(best.settled, b.settled);
  }
  return best;
}

// All runs of one scenario.
struct outcomes {
  best_fixed best;
  std::vector<std::vector<result>> results;  // of each candidate, of each seed
};

outcomes simulate_all(const scenario& s, const std::vector<candidate>& candidates,
                      std::size_t seeds) {
  chances all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) all.emplace_back(s.load, s.backend, seed);
  outcomes o{search_best(s, all), {}};
  for (const candidate& c : candidates) {
    o.results.emplace_back();
    for (chance& one : all) o.results.back().push_back(simulate(s, c.make, one));
  }
  return o;
}

// ---- Figures -------------------------------------------------------------------------------------

double mean_limit(const result& r, double from, double to) {
  double sum = 0, time = from;
  std::size_t limit = r.limit_at(from);
  for (const point& p : r.limits[0]) {
    if (p.time <= from) continue;
    if (p.time >= to) break;
    sum += (p.time - time) * static_cast<double>(limit);
    time = p.time;
    limit = p.limit;
  }
  return (sum + (to - time) * static_cast<double>(limit)) / (to - from);
}

// Within a quarter of the target, or one permit.
bool is_near(double limit, std::size_t servers) {
  return std::abs(limit - target(servers)) <= std::max(1.0, target(servers) / 4);
}

// The share of the time in which the limit is near the target.
double share_near(const result& r, std::size_t servers, double from, double to) {
  double near = 0, time = from;
  std::size_t limit = r.limit_at(from);
  const auto add = [&](double until) {
    if (is_near(static_cast<double>(limit), servers)) near += until - time;
    time = until;
  };
  for (const point& p : r.limits[0]) {
    if (p.time <= from) continue;
    if (p.time >= to) break;
    add(p.time);
    limit = p.limit;
  }
  add(to);
  return near / (to - from);
}

// How long it takes from `from` until the limit is near the target, and then is so for most of 5 s. (It
// leaves the band for its experiments.)
double time_to_settle(const result& r, std::size_t servers, double from) {
  const auto is_settled = [&](double time, std::size_t limit) {
    return is_near(static_cast<double>(limit), servers) &&
           share_near(r, servers, time, time + 5) >= 0.6;
  };
  if (is_settled(from, r.limit_at(from))) return 0;
  for (const point& p : r.limits[0])
    if (p.time > from && is_settled(p.time, p.limit)) return p.time - from;
  return never;
}

template <typename Function>
double worst(const std::vector<result>& results, Function f) {
  double w = 0;
  for (const result& r : results) w = std::max(w, f(r));
  return w;
}

struct row {
  std::string what;
  double figure, bound;
  bool at_most;
  bool only_shown = false;
  bool holds() const { return only_shown || (at_most ? figure <= bound : figure >= bound); }
};

struct measurement {
  std::vector<double> ratios;  // of each scenario
  std::vector<row> rows;
};

const scenario& find(const std::vector<scenario>& all, std::string_view name) {
  for (const scenario& s : all)
    if (s.name == name) return s;
  std::abort();
}

measurement measure(const std::vector<scenario>& all, const std::vector<outcomes>& simulated,
                    std::size_t candidate) {
  const auto results = [&](std::size_t i) -> const std::vector<result>& {
    return simulated[i].results[candidate];
  };
  const auto of = [&](std::string_view name) -> const std::vector<result>& {
    return results(static_cast<std::size_t>(&find(all, name) - all.data()));
  };

  measurement m;
  double sum = 0, least = never, least_settled = never, least_refusing = never;
  double shortest_window = never, lowest = never, highest = 0;
  for (std::size_t i = 0; i != all.size(); ++i) {
    const scenario& s = all[i];
    const best_fixed& best = simulated[i].best;
    const double ratio = goodput(results(i), 0, s.load.duration) / best.whole;
    m.ratios.push_back(ratio);
    sum += ratio;
    if (s.backend.refuse_beyond < 1000)
      least_refusing = std::min(least_refusing, ratio);
    else
      least = std::min(least, ratio);
    if (s.settled > 0)
      least_settled =
          std::min(least_settled, goodput(results(i), s.settled, s.load.duration) / best.settled);
    for (const result& r : results(i))
      for (const std::vector<point>& limits : r.limits)
        for (std::size_t k = 0; k != limits.size(); ++k) {
          lowest = std::min(lowest, static_cast<double>(limits[k].limit));
          highest = std::max(highest, static_cast<double>(limits[k].limit));
          if (k > 0)
            shortest_window = std::min(shortest_window, limits[k].time - limits[k - 1].time);
        }
  }
  m.rows.push_back({"goodput / best fixed limit, worst scenario", least, 0.90, false});
  m.rows.push_back(
      {"goodput / best fixed limit, mean", sum / static_cast<double>(all.size()), 0.95, false});
  m.rows.push_back({"load 3, second half, worst scenario", least_settled, 0.95, false});
  m.rows.push_back({"refusing beyond a hard cap", least_refusing, 0.85, false});

  const auto add_times = [&](const std::string& what, double bound,
                             const std::vector<std::vector<double>>& all_times) {
    double middle = 0, longest = 0;
    for (std::vector<double> times : all_times) {
      std::sort(times.begin(), times.end());
      middle = std::max(middle, times[times.size() / 2]);
      longest = std::max(longest, times.back());
    }
    m.rows.push_back({what + ": seconds, median of the seeds", middle, bound, true});
    m.rows.push_back({what + ": seconds, worst seed", longest, 0, true, true});
  };
  const auto settle = [&](const std::string& name, std::size_t servers, double from) {
    std::vector<double> times;
    for (const result& r : of(name)) times.push_back(time_to_settle(r, servers, from));
    return times;
  };
  const std::string low = "start at 1", high = "start 8 times too high";
  add_times("start at 1, c = 1, 4, 20, 100", 5,
            {settle("1 server, " + low, 1, 0), settle("4 servers, " + low, 4, 0),
             settle(low, 20, 0), settle("100 servers, " + low, 100, 0)});
  add_times("start 8 times too high, c = 1, 4, 20, 100", 10,
            {settle("1 server, " + high, 1, 0), settle("4 servers, " + high, 4, 0),
             settle("start at 160", 20, 0), settle("100 servers, " + high, 100, 0)});
  add_times("servers 20 to 8", 15, {settle("servers 20, 8, 20", 8, 30)});
  add_times("servers 8 to 20", 5, {settle("servers 20, 8, 20", 20, 60)});

  double least_doubled = never;
  for (const result& r : of("service time doubles, and back")) {
    least_doubled = std::min(least_doubled, static_cast<double>(r.limit_at(30)));
    for (const point& p : r.limits[0])
      if (in_the_middle(p.time))
        least_doubled = std::min(least_doubled, static_cast<double>(p.limit));
  }
  m.rows.push_back({"service time doubled: lowest limit / c", least_doubled / 20, 0.6, false});

  // Requests that waited are gone after two seconds.
  const auto changes_between = [](double from, double to) {
    return [=](const result& r) {
      return static_cast<double>(
          std::count_if(r.limits[0].begin(), r.limits[0].end(),
                        [=](const point& p) { return p.time > from && p.time < to; }));
    };
  };
  m.rows.push_back({"idle: changes of the limit in 58 s",
                    worst(of("idle for 60 s"), changes_between(32, 90)), 0, true});
  m.rows.push_back({"few requests: changes of the limit in 58 s",
                    worst(of("few requests for 60 s"), changes_between(32, 90)), 0, true});
  m.rows.push_back({"lowest limit of all runs", lowest, 1, false});
  m.rows.push_back({"highest limit of all runs", highest, 1000, true});
  m.rows.push_back({"shortest time between two changes, seconds", shortest_window, 0.249, false});

  const auto& steady = of("steady for 300 s");
  m.rows.push_back({"300 s: drift of the mean limit",
                    worst(steady,
                          [](const result& r) {
                            return std::abs(mean_limit(r, 200, 300) / mean_limit(r, 20, 120) - 1);
                          }),
                    0.15, true});
  m.rows.push_back({"300 s: share of the time outside of the band",
                    worst(steady,
                          [](const result& r) {
                            int outside = 0;
                            for (int i = 0; i != 2700; ++i)
                              outside +=
                                  !is_near(static_cast<double>(r.limit_at(30 + 0.1 * i)), 20);
                            return outside / 2700.0;
                          }),
                    0.15, true});
  return m;
}

// ---- Output --------------------------------------------------------------------------------------

std::string text(double figure) {
  char buffer[32];
  if (figure == never) return "never";
  std::snprintf(buffer, sizeof buffer, figure == std::floor(figure) ? "%.0f" : "%.3f", figure);
  return buffer;
}

void print_limits(const scenario& s, std::uint64_t seed) {
  chance c(s.load, s.backend, seed);
  const result r = simulate(s, make_with<ours>(), c);
  for (const point& p : r.limits[0]) std::printf("%.3f %zu\n", p.time, p.limit);
}

int compare(std::size_t seeds, bool with_others) {
  const std::vector<scenario> all = all_scenarios();
  std::vector<candidate> candidates{{"adaptive_limit", make_with<ours>()}};
  if (with_others)
    candidates.insert(candidates.end(), other_algorithms().begin(), other_algorithms().end());
  const std::size_t shown = candidates.size();
  candidates.insert(candidates.end(), removed_rules().begin(), removed_rules().end());

  // Those that take longest begin first, so that all processors are busy until the end.
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return all[a].load.duration * all[a].load.rate(0) > all[b].load.duration * all[b].load.rate(0);
  });
  std::vector<outcomes> simulated(all.size());
  in_parallel(all.size(), [&](std::size_t i) {
    simulated[order[i]] = simulate_all(all[order[i]], candidates, seeds);
  });
  std::vector<measurement> measured;
  for (std::size_t c = 0; c != candidates.size(); ++c)
    measured.push_back(measure(all, simulated, c));

  std::printf(
      "Goodput, divided by that of the best fixed limit, of %zu seeds:\n\n| scenario | best fixed "
      "limit |",
      seeds);
  for (std::size_t c = 0; c != shown; ++c) std::printf(" %s |", candidates[c].name);
  std::printf("\n| --- | --- |");
  for (std::size_t c = 0; c != shown; ++c) std::printf(" --- |");
  for (std::size_t i = 0; i != all.size(); ++i) {
    std::printf("\n| %s | %zu |", all[i].name.c_str(), simulated[i].best.limit);
    for (std::size_t c = 0; c != shown; ++c) std::printf(" %.2f |", measured[c].ratios[i]);
  }
  std::printf("\n\n| what | bound |");
  for (std::size_t c = 0; c != shown; ++c) std::printf(" %s |", candidates[c].name);
  std::printf("\n| --- | --- |");
  for (std::size_t c = 0; c != shown; ++c) std::printf(" --- |");
  int missed = 0;
  for (std::size_t i = 0; i != measured[0].rows.size(); ++i) {
    const row& r = measured[0].rows[i];
    std::printf("\n| %s | %s%s |", r.what.c_str(),
                r.only_shown ? ""
                : r.at_most  ? "at most "
                             : "at least ",
                r.only_shown ? "–" : text(r.bound).c_str());
    for (std::size_t c = 0; c != shown; ++c)
      std::printf(" %s%s |", text(measured[c].rows[i].figure).c_str(),
                  measured[c].rows[i].holds() ? "" : " (missed)");
    missed += !r.holds();
  }
  std::printf("\n\n| rule taken away | what it misses then |\n| --- | --- |");
  for (std::size_t c = shown; c != candidates.size(); ++c) {
    std::string misses;
    for (const row& r : measured[c].rows)
      if (!r.holds()) misses += (misses.empty() ? "" : "; ") + r.what + ": " + text(r.figure);
    std::printf("\n| %s | %s |", candidates[c].name, misses.empty() ? "nothing" : misses.c_str());
    missed += misses.empty();
  }
  std::printf("\n\n%s\n",
              missed ? "Some bounds are missed." : "All bounds are kept, and each rule is needed.");
  return missed != 0;
}

}  // namespace

}  // namespace simulation

int main(int argc, char** argv) {
  using namespace std::string_view_literals;
  std::size_t seeds = 10;
  bool with_others = true;
  std::string scenario;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--seeds"sv && i + 1 < argc)
      seeds = std::strtoul(argv[++i], nullptr, 10);
    else if (argument == "--limits"sv && i + 1 < argc)
      scenario = argv[++i];
    else if (argument == "--only-ours"sv)
      with_others = false;
    else {
      std::printf(
          "Usage: %s [--seeds <number>] [--only-ours] [--limits <scenario>]\n\n"
          "  --seeds <number>     how many runs of each scenario; 10 unless given\n"
          "  --only-ours          leave out the other algorithms\n"
          "  --limits <scenario>  only print the limit over the time, with that number as the "
          "seed\n",
          argv[0]);
      return argument == "--help"sv ? 0 : 2;
    }
  }
  if (scenario.empty()) return simulation::compare(seeds, with_others);
  const auto all = simulation::all_scenarios();
  simulation::print_limits(simulation::find(all, scenario), seeds);
  return 0;
}
