// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_WAIT_STATISTICS_HPP
#define TURNSTILE_WAIT_STATISTICS_HPP

#include <turnstile/detail/config.hpp>
#include <turnstile/error.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1 {

namespace detail {

// A histogram of times in nanoseconds. The buckets are 32 ns wide up to 1,024 ns, and then twice as wide in each
// octave, up to 73 minutes. So a time is at most 1/32 away from the middle of its bucket. The last bucket is
// for what is longer.
struct time_histogram {
  static constexpr std::size_t per_octave = 16, octaves = 33, smallest_bits = 10;
  static constexpr std::size_t size = per_octave * (octaves + 1) + 1;

  TURNSTILE_API static std::size_t index_of(std::uint64_t time) noexcept;
  TURNSTILE_API static std::uint64_t middle_of(std::size_t index) noexcept;
};

}  // namespace detail

/// Counts acquires by their outcome, and records how long they waited.
///
/// `measured()` adds every acquire of a semaphore. An acquire that is not measured pays nothing.
///
/// @par Accuracy
/// The counters are exact. Quantiles are within 5 % of the truth for waits from 1 µs to 1 h, and within 20 ns
/// below. A reading that is taken while other threads add acquires may contain only a part of an acquire: its wait may be
/// in the sum and the longest wait, and not yet in the count. Without such threads, sum, mean and longest wait are
/// exact. No counter of a later reading is smaller.
///
/// @par Memory
/// Some 4.4 KB, whatever is added. No function allocates memory.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, except for constructing and destroying. No function blocks: all
/// counters are lock-free.
///
/// @par Example
/// @code
/// turnstile::wait_statistics waits;
/// auto upstream = turnstile::measured(sem, waits);
/// upstream.async_acquire_permit([](turnstile::error_code, turnstile::permit) {});
/// io.run();
/// auto now = waits.read();
/// std::cout << now.granted << " granted, 99 % of them within " << now.quantile(0.99).count()
///           << " ns\n";
/// @endcode
class wait_statistics {
 public:
  /// What had been added at one moment.
  struct reading {
    std::uint64_t granted = 0;    ///< acquires that were granted
    std::uint64_t aborted = 0;    ///< cancelled acquires
    std::uint64_t closed = 0;     ///< acquires that ended with `errc::closed`
    std::uint64_t exceeding = 0;  ///< acquires that ended with `errc::exceeds_limit`
    std::uint64_t full = 0;       ///< acquires that were refused because the queue was full
    std::uint64_t timed_out = 0;  ///< acquires that ended with `errc::timed_out`
    std::uint64_t other = 0;      ///< acquires that ended with another error

    /// Returns the wait that the share q of the granted acquires did not exceed: the median for 0.5, and the
    /// longest for 1. Values outside of [0, 1] count as 0 or 1. Zero if no acquire was granted.
    TURNSTILE_API std::chrono::nanoseconds quantile(double q) const noexcept;

    /// Returns how many of the granted acquires waited at most that long, for a histogram with bounds of your own. An
    /// acquire whose wait differs from `time` by less than 5 % may count on either side.
    TURNSTILE_API std::uint64_t within(std::chrono::nanoseconds time) const noexcept;

    /// Returns the sum of the waits of the granted acquires.
    std::chrono::nanoseconds sum() const noexcept {
      return std::chrono::nanoseconds(static_cast<std::int64_t>(sum_));
    }

    /// Returns what was added after an earlier reading of the same statistics, for example in the last minute. The
    /// longest wait of that time is known to 5 %.
    TURNSTILE_API reading since(const reading& earlier) const noexcept;

    /// Returns the mean wait of the granted acquires; zero if there are none.
    TURNSTILE_API std::chrono::nanoseconds mean() const noexcept;

    /// Returns the longest wait of the granted acquires; zero if there are none.
    std::chrono::nanoseconds longest() const noexcept { return std::chrono::nanoseconds(longest_); }

   private:
    friend class wait_statistics;

    std::array<std::uint64_t, detail::time_histogram::size> waits_{};
    std::uint64_t sum_ = 0;
    std::int64_t longest_ = 0;
  };

  /// Constructs statistics in which nothing is counted yet.
  wait_statistics() = default;
  wait_statistics(const wait_statistics&) = delete;
  wait_statistics& operator=(const wait_statistics&) = delete;

  /// Adds an acquire that has ended.
  ///
  /// The wait goes into the quantiles, the mean and the longest wait only if the acquire was granted. Failed
  /// acquires are only counted.
  /// @param ec what it completed with.
  /// @param waited how long it took. A negative time counts as zero.
  TURNSTILE_API void add(const error_code& ec, std::chrono::nanoseconds waited) noexcept;

  /// Returns what has been added until now.
  TURNSTILE_API reading read() const noexcept;

 private:
  enum outcome : std::size_t { aborted, closed, exceeding, full, timed_out, other, outcomes };

  static outcome outcome_of(const error_code& ec) noexcept;

  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  std::array<std::atomic<std::uint64_t>, outcomes> failed_{};
  std::array<std::atomic<std::uint64_t>, detail::time_histogram::size> waits_{};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::int64_t> longest_{0};
};

}  // namespace turnstile::inline v1

#endif
