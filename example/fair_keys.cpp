// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Two tenants share a server that works on ten requests at once. The light tenant asks for a fifth of what the
// server can do, the heavy one for three times as much as it can do. With one queue for both, each gets the
// same share of what it asks for. With a keyed semaphore, the light tenant gets all of it.
//
// This is a simulation in virtual time: it ends at once, and prints the same each time.

#include <turnstile.hpp>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t capacity = 10;  // a request holds its permit for one unit of time on average
constexpr std::size_t places = 50;    // in the queue, for each tenant
constexpr double duration = 20'000;

struct tenant {
  std::string name;
  double demand;  // of the capacity
  long asked = 0, served = 0;
  double waited = 0;
};

using handler = std::function<void(turnstile::error_code, std::shared_ptr<turnstile::permit>)>;
using acquire_function = std::function<void(const tenant&, handler)>;

// Lets a handler share the permit: std::function can hold only what can be copied.
auto sharing(handler h) {
  return [h = std::move(h)](turnstile::error_code ec, turnstile::permit p) {
    h(ec, std::make_shared<turnstile::permit>(std::move(p)));
  };
}

class simulation {
 public:
  simulation(boost::asio::io_context& io, acquire_function acquire)
      : io_(io), acquire_(std::move(acquire)) {}

  void run() {
    for (tenant& t : tenants_) arrive_later(t);
    while (!events_.empty()) {
      now_ = events_.begin()->first;
      const auto happens = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      happens();
      io_.restart();
      io_.poll();  // the handlers of the acquires that this has granted or refused
    }
    for (const tenant& t : tenants_)
      std::printf("  %s tenant, demand %.1f: gets %3.0f %% of it, waits %5.2f service times\n",
                  t.name.c_str(), t.demand,
                  100.0 * static_cast<double>(t.served) / static_cast<double>(t.asked),
                  t.waited / static_cast<double>(t.served));
  }

 private:
  double random_time(double mean) { return std::exponential_distribution(1 / mean)(random_); }

  void arrive_later(tenant& t) {
    const double time = now_ + random_time(1 / (t.demand * capacity));
    if (time > duration) return;
    events_.emplace(time, [this, &t] {
      arrive(t);
      arrive_later(t);
    });
  }

  void arrive(tenant& t) {
    ++t.asked;
    acquire_(t, [this, &t, came = now_](turnstile::error_code ec, auto permit) {
      if (ec) return;  // the queue is full
      ++t.served;
      t.waited += now_ - came;
      events_.emplace(now_ + random_time(1), [permit] { permit->release(); });
    });
  }

  boost::asio::io_context& io_;
  acquire_function acquire_;
  std::vector<tenant> tenants_{{"light", 0.2}, {"heavy", 3.0}};
  std::multimap<double, std::function<void()>> events_;
  std::mt19937_64 random_{1};
  double now_ = 0;
};

}  // namespace

int main() {
  boost::asio::io_context io;

  std::printf("one queue for both:\n");
  turnstile::semaphore one(io, capacity);
  one.set_max_waiting(2 * places);
  simulation(io, [&](const tenant&, handler h) {
    one.async_acquire_permit(sharing(std::move(h)));
  }).run();

  std::printf("a queue for each tenant, and fairness between them:\n");
  turnstile::keyed_semaphore<std::string> keyed(
      io, {.per_key = capacity, .total = capacity, .max_waiting_per_key = places});
  simulation(io, [&](const tenant& t, handler h) {
    keyed[t.name].async_acquire_permit(sharing(std::move(h)));
  }).run();
}
