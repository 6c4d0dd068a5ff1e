// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A string of bytes as a sequence of calls, from handlers and from outside, on a real io_context;
// after each, the semaphore has to look as the model does, and each handler has to be the one whose
// turn it is.
//
// For libFuzzer. With -DREPLAY, a program that runs the files and folders named as its arguments.

#include "model.hpp"

#include <turnstile.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "differs from the model: %s\n", what);
  std::abort();
}

class input {
 public:
  input(const std::uint8_t* data, std::size_t size) : next_(data), end_(data + size) {}
  bool empty() const { return next_ == end_; }
  unsigned byte() { return empty() ? 0 : *next_++; }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

template <typename Semaphore>
class run {
  using executor = typename Semaphore::executor_type;
  static constexpr bool bounded = requires(Semaphore& s) { s.set_limit(1); };

 public:
  run(input& in, long initial) : in_(&in), model_(initial, limit(initial)) {
    io_.emplace();
    semaphore_.emplace(make(initial));
    look();
  }

  // The destructor has to leave nothing behind; AddressSanitizer says whether it does.
  ~run() {
    if (last_ & 1) semaphore_.reset();
    if (last_ & 2) held_.clear();
    io_.reset();
  }

  void operator()() {
    while (!in_->empty()) {
      const unsigned b = in_->byte();
      if ((b & 15) >= 14)
        turn(b >> 4);
      else
        call(b);
      look();
    }
    last_ = in_->byte();
    // All acquires that were told and not called yet, and then the context's end.
    if (!(last_ & 4)) io_->poll();
    abandon();
  }

 private:
  static constexpr long limit(long initial) {
    return bounded ? initial : static_cast<long>(Semaphore::max());
  }

  Semaphore make(long initial) {
    return Semaphore(executor(io_->get_executor()), static_cast<std::size_t>(initial));
  }

  // Everything that a call can see.
  void look() {
    const Semaphore& s = *semaphore_;
    check(static_cast<long>(s.available()) == model_.available(), "available");
    check(s.waiting() == model_.waiting(), "waiting");
    check(s.locked() == !model_.can_acquire(1), "locked");
    check(s.is_closed() == model_.is_closed(), "is_closed");
    check(s.max_waiting() == model_.max_waiting(), "max_waiting");
    if constexpr (bounded) {
      check(static_cast<long>(s.in_use()) == model_.in_use(), "in_use");
      check(static_cast<long>(s.limit()) == model_.limit(), "limit");
    }
  }

  // What is only done outside of handlers.
  void turn(unsigned n) {
    if (n < 8) {
      io_->restart();
      n == 7 ? io_->poll() : io_->poll_one();
    } else if (n < 10) {
      Semaphore moved(std::move(*semaphore_));  // and back again
      *semaphore_ = std::move(moved);
    } else if (n < 12) {
      // Another one in its place: what waits is aborted, and what was granted counts no more.
      const long initial = n - 8;
      model_.cancel_all();
      for (auto& t : model_.telling) t.gone = true;
      for (auto& h : held_) h.second = true;
      semaphore_.emplace(make(initial));
      auto telling = std::move(model_.telling);
      model_ = fuzz::model(initial, limit(initial));
      model_.telling = std::move(telling);
    }
  }

  void call(unsigned b) {
    const unsigned n = (b >> 4) & 3, k = b >> 4;
    Semaphore& s = *semaphore_;
    switch (b & 15) {
      case 0:
      case 1: return acquire(n + (n == 3 && (k & 4) ? 1'000'000'000'000 : 0), false, time(k));
      case 2: return acquire(n, true, time(k));
      case 3: check(s.try_acquire(n) == model_.try_acquire(n), "try_acquire"); return;
      case 4: {
        permit p = s.try_acquire_permit(n);
        check(p.count() == (model_.try_acquire(n) ? n : 0), "try_acquire_permit");
        return hold(std::move(p), false);
      }
      case 5:
      case 6: {
        error_code ec = asio::error::fault;
        s.release(n, ec);
        check(model_.release(n) ? !ec : ec == turnstile::errc::over_release, "release");
        return;
      }
      case 7:
        if constexpr (bounded) {
          s.set_limit(k);
          model_.set_limit(k);
        } else {
          check(static_cast<long>(s.shrink(n)) == model_.shrink(n), "shrink");
        }
        return;
      case 8:
      case 9:
        // The newest or an older one; it may have been told long ago.
        if (k < signals_.size()) {
          const std::size_t id = signals_.size() - 1 - k;
          model_.cancel(static_cast<int>(id));
          signals_[id]->emit(asio::cancellation_type::total);
        }
        return;
      case 10:
        if (k < 2) {
          s.close();
          model_.close();
        } else if (k < 4) {
          s.cancel();
          model_.cancel_all();
        } else if (k < 8) {
          s.set_max_waiting(k == 7 ? SIZE_MAX : k - 4);
          model_.set_max_waiting(k == 7 ? (Semaphore::max)() : k - 4);
        }
        return;
      default:
        if (k < held_.size()) use_permit(b & 15, held_.size() - 1 - k);
    }
  }

  void use_permit(unsigned what, std::size_t i) {
    auto& [p, gone] = held_[i];
    const std::size_t n = p.count();
    if (what == 11) {
      if (!gone) model_.give_back(static_cast<long>(n));
      const permit last = std::move(p);
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (what == 12) {
      if (n > 1) hold(p.split(n / 2), gone);
    } else if (i + 1 != held_.size() && held_.back().second == gone && !gone) {
      p.merge(std::move(held_.back().first));
      check(p.count() > n && !held_.back().first, "merge");
      held_.pop_back();
    } else {
      check(p.forget() == n, "forget");
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void hold(permit p, bool gone) {
    if (p) held_.emplace_back(std::move(p), gone);
  }

  // How long an acquire may wait: without end, not at all, or longer than any run.
  static std::optional<std::chrono::hours> time(unsigned k) {
    if (!(k & 8)) return {};
    return std::chrono::hours((k & 4) ? 0 : 1);
  }

  void acquire(std::size_t n, bool with_permit, std::optional<std::chrono::hours> time) {
    const int id = static_cast<int>(signals_.size());
    const auto s = signals_.emplace_back(std::make_unique<asio::cancellation_signal>())->slot();
    model_.acquire(id, static_cast<long>(n), time && time->count() == 0);
    auto handler = asio::bind_cancellation_slot(s, [this, id](error_code ec) { handle(id, ec); });
    auto permit_handler = asio::bind_cancellation_slot(
        s, [this, id](error_code ec, permit p) { handle(id, ec, std::move(p)); });
    if (with_permit)
      time ? semaphore_->async_acquire_permit_for(*time, n, std::move(permit_handler))
           : semaphore_->async_acquire_permit(n, std::move(permit_handler));
    else
      time ? semaphore_->async_acquire_for(*time, n, std::move(handler))
           : semaphore_->async_acquire(n, std::move(handler));
  }

  void handle(int id, error_code ec, std::optional<permit> p = {}) {
    check(!model_.telling.empty(), "a handler is called that is not to be told");
    const fuzz::told t = model_.telling.front();
    model_.telling.pop_front();
    check(id == t.id, "the order of the handlers");
    using enum fuzz::result;
    const error_code expected = t.what == granted   ? error_code()
                                : t.what == aborted ? error_code(asio::error::operation_aborted)
                                : t.what == closed  ? error_code(turnstile::errc::closed)
                                : t.what == exceeds ? error_code(turnstile::errc::exceeds_limit)
                                : t.what == full    ? error_code(turnstile::errc::queue_full)
                                                    : turnstile::errc::timed_out;
    check(ec == expected, "what a handler is told");
    if (p) {
      check(p->count() == t.permits, "the permits that a handler gets");
      hold(std::move(*p), t.gone);
    }
    look();
    // What a handler does, is said by the next byte.
    if (const unsigned b = in_->byte(); (b & 15) < 14 && b != 0) call(b);
    look();
  }

  // The context's end: what waits or was told is destroyed uncalled, the permits come back.
  void abandon() {
    model_.abandon();
    for (const fuzz::told& t : model_.telling)
      if (!t.gone) model_.give_back(static_cast<long>(t.permits));
    model_.telling.clear();
    io_.reset();
    look();
  }

  input* in_;
  std::optional<asio::io_context> io_;
  fuzz::model model_;
  std::vector<std::unique_ptr<asio::cancellation_signal>> signals_;  // one for each acquire
  std::vector<std::pair<permit, bool>> held_;  // and whether its semaphore is gone
  std::optional<Semaphore> semaphore_;
  unsigned last_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in(data, size);
  const unsigned first = in.byte();
  const long initial = (first >> 2) & 3;
  using concrete = asio::io_context::executor_type;
  switch (first & 3) {
    case 0: run<turnstile::basic_semaphore<concrete>>(in, initial)(); break;
    case 1: run<turnstile::semaphore>(in, initial)(); break;
    case 2: run<turnstile::basic_bounded_semaphore<concrete>>(in, initial)(); break;
    default: run<turnstile::bounded_semaphore>(in, initial)();
  }
  return 0;
}

#ifdef REPLAY
#include <filesystem>
#include <fstream>
#include <iterator>

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++inputs;
    }
  }
  std::printf("%d inputs, all as the model has it\n", inputs);
  return inputs == 0;
}
#endif
