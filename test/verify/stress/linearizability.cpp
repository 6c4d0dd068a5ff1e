// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Does each call look as if it had happened at one moment between its beginning and its end?
//
// Two or three threads, started together, make two to four calls each at one semaphore: a history.
// What every call returned is written down, and when it began and ended, by one clock for all. A
// history is explained if its calls can be put into one order, in which no call comes before one
// that had ended when it began, and in which a semaphore without threads (`model`, below) returns
// the same. The orders are tried one after the other, as Wing and Gong do.
//
// Half of the histories have waiters. A waiter is served by the thread that has the strand, and another
// thread's call may return before its release or cancellation has reached the queue. So the model
// may serve the head of the queue later than the release that made it possible, but no later than
// the next moment at which no call is under way. (That is why release(); close() may report `closed`
// to a waiter while another thread's call has the strand.) Until then, a waiter that has left may still
// take a place of a bounded queue. An acquire takes its place before it is in the queue. And of two acquires of which one had returned when the other began,
// the first one's handler is posted first.
//
// The clock orders more than a semaphore promises to; test/verify/model looks at the weaker orders.

#include "options.hpp"

#include <turnstile/bounded_semaphore.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <thread>
#include <type_traits>
#include <vector>

namespace asio = boost::asio;
using executor = asio::io_context::executor_type;
using semaphore = turnstile::basic_semaphore<executor>;
using bounded_semaphore = turnstile::basic_bounded_semaphore<executor>;
using turnstile::errc;
using turnstile::error_code;

namespace {

enum class kind {
  try_acquire,
  release,
  shrink,
  available,
  locked,
  set_limit,
  limit,
  in_use,
  acquire,
  cancel,
  close
};
constexpr const char* names[] = {"try_acquire",   "release",   "shrink", "available",
                                 "locked",        "set_limit", "limit",  "in_use",
                                 "async_acquire", "cancel",    "close"};

// What an acquire has come to.
enum outcome : std::size_t { waits, granted, aborted, closed, exceeds, full };

struct operation {
  int thread;
  kind what;
  std::size_t n;
  std::size_t result = 0;
  std::uint64_t called = 0, returned = 0;
};

constexpr int most_operations = 12;

struct history {
  bool bounded, waiters;
  std::size_t limit, initial, places;  // so many may wait
  std::vector<operation> operations;
  std::vector<int> posted;                 // the acquires, in the order of their handlers
  std::size_t available = 0, waiting = 0;  // at the end
};

// ---- The model --------------------------------------------------------------------------------

// A semaphore without threads. Each member says whether it can have returned what op did.
class model {
 public:
  explicit model(const history& h) : h_(&h), used_(h.limit - h.initial), limit_(h.limit) {}

  // Before it, those in `done` have happened.
  bool apply(int index, unsigned done) {
    const operation& op = get(index);
    switch (op.what) {
      case kind::try_acquire: return try_acquire(op.n, op.result);
      case kind::locked: return op.result == !can_take(1);
      case kind::available: return op.result == free();
      case kind::limit: return op.result == limit_;
      case kind::in_use: return op.result == used_;
      case kind::set_limit: limit_ = op.n; return true;
      case kind::shrink: return shrink(op.n, op.result);
      case kind::acquire: return acquire(index, done);
      case kind::cancel: return empty_queue(aborted, about_to_be_served());
      case kind::close: closed_ = true; return empty_queue(closed, 0);
      case kind::release:
        if (op.result != (op.n <= used_)) return false;
        if (op.result) used_ -= op.n;
        return true;
    }
    return false;
  }

  // Whether the head of the queue can be served; whether it was.
  bool can_serve() const { return waiting_ != 0 && get(queue_[0]).n <= free(); }
  bool serve() {
    const operation& head = get(queue_[0]);
    used_ += head.n;
    ++leaving_;
    std::move(queue_.begin() + 1, queue_.begin() + waiting_, queue_.begin());
    if (--waiting_ == 0) unsettled_ = true;
    return head.result == granted;
  }

  // No call is under way: nothing has been left behind.
  bool settle() {
    while (can_serve())
      if (!serve()) return false;
    unsettled_ = false;
    leaving_ = 0;
    return true;
  }

  bool ends_so() const {
    for (int i = 0; i != waiting_; ++i)
      if (get(queue_[static_cast<std::size_t>(i)]).result != waits) return false;
    return h_->available == free() && h_->waiting == static_cast<std::size_t>(waiting_);
  }

 private:
  const operation& get(int index) const { return h_->operations[static_cast<std::size_t>(index)]; }
  std::size_t free() const { return limit_ > used_ ? limit_ - used_ : 0; }
  bool can_take(std::size_t n) const {
    return !closed_ && (n == 0 || (waiting_ == 0 && n <= free()));
  }

  bool try_acquire(std::size_t n, std::size_t result) {
    // While the queue has not been looked at, it may seem that an acquire still waits.
    if (!result) return !can_take(n) || (unsettled_ && n != 0);
    if (!can_take(n)) return false;
    used_ += n;
    return true;
  }

  bool shrink(std::size_t n, std::size_t result) {
    // What was released while an acquire waits is the queue's until that has been looked at.
    if (result == 0 && (waiting_ != 0 || unsettled_)) return true;
    if (can_serve() && !unsettled_) return false;
    if (result != std::min(n, free())) return false;
    used_ += result;
    return true;
  }

  bool acquire(int index, unsigned done) {
    const operation& op = get(index);
    if (closed_) return op.result == closed;
    if (op.n > limit_) return op.result == exceeds;
    if (can_take(op.n) && !unsettled_) {
      used_ += op.n;
      return op.result == granted;
    }
    const auto waiting = static_cast<std::size_t>(waiting_);
    // The strand may have yet to take those out of the queue that have left it.
    if (op.result == full) return waiting + leaving_ + entering(index, done) >= h_->places;
    if (waiting >= h_->places) return false;
    queue_[static_cast<std::size_t>(waiting_++)] = index;
    return true;
  }

  // How many acquires may have taken a place, and happen after that one.
  std::size_t entering(int index, unsigned done) const {
    std::size_t n = 0;
    for (std::size_t i = 0; i != h_->operations.size(); ++i) {
      const operation& other = h_->operations[i];
      if (other.what == kind::acquire && other.result != full && !(done >> i & 1) &&
          other.called < get(index).returned)
        ++n;
    }
    return n;
  }

  // Of those in the queue, the first `kept` stay.
  bool empty_queue(outcome o, int kept) {
    for (int i = kept; i != waiting_; ++i)
      if (get(queue_[static_cast<std::size_t>(i)]).result != o) return false;
    if (waiting_ != kept) unsettled_ = true;
    leaving_ += static_cast<std::size_t>(waiting_ - kept);
    waiting_ = kept;
    return true;
  }

  // The call that has the strand may have decided on the head before cancel(), and take its permits
  // afterwards. (Only a release of what is not held yet, which is refused, can tell the difference.)
  int about_to_be_served() const { return can_serve() && get(queue_[0]).result == granted; }

  const history* h_;
  std::size_t used_, limit_;
  bool closed_ = false;
  bool unsettled_ = false;   // the queue is empty, and may not have been looked at yet
  std::size_t leaving_ = 0;  // so many have left the queue since no call was under way
  int waiting_ = 0;
  std::array<int, most_operations> queue_{};
};

// ---- The check --------------------------------------------------------------------------------

// Whether the calls that are not in `done` can be put into an order that m explains.
bool explained(const history& h, model m, unsigned done) {
  const unsigned all = (1u << h.operations.size()) - 1;
  std::uint64_t first_return = std::numeric_limits<std::uint64_t>::max(), first_call = first_return;
  std::uint64_t last_return = 0;
  for (std::size_t i = 0; i != h.operations.size(); ++i) {
    const operation& op = h.operations[i];
    if (done >> i & 1) {
      last_return = std::max(last_return, op.returned);
    } else {
      first_return = std::min(first_return, op.returned);
      first_call = std::min(first_call, op.called);
    }
  }
  if (last_return < first_call && !m.settle()) return false;
  if (done == all) return m.ends_so();

  for (std::size_t i = 0; i != h.operations.size(); ++i) {
    if ((done >> i & 1) || h.operations[i].called > first_return) continue;
    model next = m;
    if (next.apply(static_cast<int>(i), done) && explained(h, next, done | 1u << i)) return true;
  }
  // The queue is served by a call that is under way.
  return m.can_serve() && m.serve() && explained(h, m, done);
}

// First come, first served: by the order of the calls, where that is known.
bool in_order(const history& h) {
  for (auto later = h.posted.begin(); later != h.posted.end(); ++later) {
    for (auto earlier = h.posted.begin(); earlier != later; ++earlier) {
      const operation& first = h.operations[static_cast<std::size_t>(*earlier)];
      const operation& second = h.operations[static_cast<std::size_t>(*later)];
      if (first.result == granted && second.result == granted && second.returned < first.called)
        return false;
    }
  }
  return true;
}

bool overlap(const history& h) {
  for (const operation& a : h.operations)
    for (const operation& b : h.operations)
      if (a.thread != b.thread && a.called < b.returned && b.called < a.returned) return true;
  return false;
}

void print(const history& h) {
  std::fprintf(stderr, "%s, limit %zu, %zu available at first\n",
               h.bounded ? "bounded_semaphore" : "semaphore", h.limit, h.initial);
  for (const operation& op : h.operations)
    std::fprintf(stderr, "  thread %d  %4llu..%-4llu %s(%zu) = %zu\n", op.thread,
                 static_cast<unsigned long long>(op.called),
                 static_cast<unsigned long long>(op.returned), names[static_cast<int>(op.what)],
                 op.n, op.result);
  std::fprintf(stderr, "  at the end %zu available, %zu waiting; handlers:", h.available,
               h.waiting);
  for (int i : h.posted) std::fprintf(stderr, " %d", i);
  std::fputs("\n  (of an acquire: 0 waits, 1 granted, 2 aborted, 3 closed, 4 exceeds, 5 full)\n",
             stderr);
}

// ---- The histories ----------------------------------------------------------------------------

history make_history(test::dice& dice, int threads) {
  using enum kind;
  history h{};
  h.bounded = dice.one_in(2);
  h.waiters = dice.one_in(2);
  h.places = dice.one_in(2) ? semaphore::max() : dice.below(4);
  if (h.bounded) {
    h.limit = 1 + dice.below(3);
    if (h.waiters) h.limit += 2;  // so that no request is ever too large
    h.initial = dice.below(static_cast<std::uint32_t>(h.limit) + 1);
  } else {
    h.limit = semaphore::max();
    h.initial = dice.below(4);
    if (dice.one_in(4)) h.initial = semaphore::max() - h.initial;  // where one can release too many
  }
  std::vector<kind> choice = {try_acquire, try_acquire, release, release, release};
  auto more = [&](std::initializer_list<kind> kinds) {
    choice.insert(choice.end(), kinds.begin(), kinds.end());
  };
  if (h.waiters)
    more({acquire, acquire, acquire, acquire, acquire, h.bounded ? set_limit : shrink});
  else if (h.bounded)
    more({available, set_limit, set_limit, limit, in_use, locked});
  else
    more({available, available, shrink, shrink, locked});
  if (dice.one_in(4)) more({close});
  if (h.waiters && dice.one_in(2)) more({cancel});

  for (int thread = 0; thread != threads; ++thread) {
    for (auto left = 2 + dice.below(threads == 2 ? 3 : 2); left != 0; --left) {
      const kind what = choice[dice.below(static_cast<std::uint32_t>(choice.size()))];
      std::size_t n = 1 + dice.below(3);
      if (what == set_limit) n = h.waiters ? 3 + dice.below(3) : dice.below(4);
      if ((what == try_acquire || what == release) && dice.one_in(16)) n = 0;
      h.operations.push_back({thread, what, n});
    }
  }
  return h;
}

std::atomic<std::uint64_t> now{0};

template <typename Semaphore>
void call(Semaphore& s, history& h, std::size_t index) {
  operation& op = h.operations[index];
  error_code ec;
  std::size_t result = 0;
  const std::uint64_t called = now++;
  switch (op.what) {
    case kind::try_acquire: result = s.try_acquire(op.n); break;
    case kind::release:
      s.release(op.n, ec);
      result = !ec;
      break;
    case kind::available: result = s.available(); break;
    case kind::locked: result = s.locked(); break;
    case kind::cancel: s.cancel(); break;
    case kind::close: s.close(); break;
    case kind::acquire:
      s.async_acquire(op.n, [&h, index](error_code e) {
        h.operations[index].result = !e                                    ? granted
                                     : e == asio::error::operation_aborted ? aborted
                                     : e == errc::closed                   ? closed
                                     : e == errc::queue_full               ? full
                                                                           : exceeds;
        h.posted.push_back(static_cast<int>(index));
      });
      break;
    default:
      if constexpr (std::is_same_v<Semaphore, bounded_semaphore>) {
        if (op.what == kind::set_limit) s.set_limit(op.n);
        if (op.what == kind::limit) result = s.limit();
        if (op.what == kind::in_use) result = s.in_use();
      } else {
        result = s.shrink(op.n);
      }
  }
  const std::uint64_t returned = now++;
  op.called = called;
  op.returned = returned;
  if (op.what != kind::acquire) op.result = result;
}

// Spins until all have come, all over again each time, and after some spins gives way to others.
class meeting {
 public:
  explicit meeting(unsigned threads) : threads_(threads) {}

  void wait(int most_spins = 200) {
    const unsigned end = (arrived_++ / threads_ + 1) * threads_;
    for (int spins = 0; static_cast<int>(arrived_.load() - end) < 0; ++spins)
      if (spins > most_spins) std::this_thread::yield();
  }

 private:
  const unsigned threads_;
  std::atomic<unsigned> arrived_{0};
};

// Runs histories on a number of threads, of which the caller's is one.
class crew {
 public:
  explicit crew(int threads) : threads_(threads), meeting_(static_cast<unsigned>(threads)) {
    for (int i = 1; i != threads; ++i) members_.emplace_back([this, i] { follow(i); });
  }
  ~crew() {
    history_ = nullptr;
    meeting_.wait();
    for (auto& member : members_) member.join();
  }

  template <typename Semaphore>
  void run(asio::io_context& context, history& h, Semaphore s, std::uint64_t seed) {
    now = 0;
    history_ = &h;
    seed_ = seed;
    set(s);
    s.set_max_waiting(h.places);
    meeting_.wait();
    take_part(0);
    meeting_.wait();
    context.restart();
    context.poll();
    h.available = s.available();
    h.waiting = s.waiting();
  }

  int threads() const { return threads_; }

 private:
  void set(semaphore& s) {
    semaphore_ = &s;
    bounded_ = nullptr;
  }
  void set(bounded_semaphore& s) {
    bounded_ = &s;
    semaphore_ = nullptr;
  }

  void follow(int thread) {
    for (;;) {
      meeting_.wait();
      if (!history_) return;
      take_part(thread);
      meeting_.wait();
    }
  }

  void take_part(int thread) {
    // Once more, now that all are awake. Three threads may not have a core each.
    meeting_.wait(threads_ == 2 ? 20'000 : 200);
    test::dice dice(seed_ + static_cast<unsigned>(thread));
    // The thread that comes last to the meeting begins first: that is to be another one each time.
    for (volatile std::uint32_t pause = dice.below(32); pause != 0;) pause = pause - 1;
    for (std::size_t i = 0; i != history_->operations.size(); ++i) {
      if (history_->operations[i].thread != thread) continue;
      if (semaphore_)
        call(*semaphore_, *history_, i);
      else
        call(*bounded_, *history_, i);
    }
  }

  const int threads_;
  meeting meeting_;
  std::vector<std::thread> members_;
  history* history_ = nullptr;
  semaphore* semaphore_ = nullptr;
  bounded_semaphore* bounded_ = nullptr;
  std::uint64_t seed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t histories = 100'000, seed = test::any_seed();
  test::read_options(argc, argv, {{"--histories", &histories}, {"--seed", &seed}});

  std::uint64_t operations = 0, overlapping = 0;
  const auto start = std::chrono::steady_clock::now();
  asio::io_context context;
  for (std::uint64_t done = 0; done != histories;) {
    crew threads(done / 1000 % 4 == 3 ? 3 : 2);
    for (int i = 0; i != 1000 && done != histories; ++i, ++done) {
      test::dice dice(seed + done);
      history h = make_history(dice, threads.threads());
      if (h.bounded)
        threads.run(context, h, bounded_semaphore(context, h.initial, h.limit), dice());
      else
        threads.run(context, h, semaphore(context, h.initial), dice());
      const bool ordered = in_order(h);
      if (!ordered || !explained(h, model(h), 0)) {
        std::fprintf(stderr, "linearizability: history %llu of seed %llu %s\n",
                     static_cast<unsigned long long>(done), static_cast<unsigned long long>(seed),
                     ordered ? "cannot be explained" : "has its handlers in the wrong order");
        print(h);
        std::fflush(stderr);
        std::_Exit(1);  // the other threads are in the middle of something
      }
      operations += h.operations.size();
      overlapping += overlap(h);
      context.poll();  // what still waited
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf(
      "%llu histories explained: %llu operations, %llu histories with calls that overlapped, "
      "%.1f s, seed %llu\n",
      static_cast<unsigned long long>(histories), static_cast<unsigned long long>(operations),
      static_cast<unsigned long long>(overlapping), took.count(),
      static_cast<unsigned long long>(seed));
  return 0;
}
