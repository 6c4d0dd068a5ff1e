// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include <turnstile/wait_statistics.hpp>

#include <boost/system/errc.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace turnstile::inline v1 {

namespace detail {

std::size_t time_histogram::index_of(std::uint64_t time) noexcept {
  const auto bits = static_cast<std::size_t>(std::bit_width(time));
  if (bits < smallest_bits)
    return static_cast<std::size_t>(time >> 5);  // the width of a bucket: 32
  const std::size_t octave = bits - smallest_bits;
  if (octave >= octaves) return size - 1;
  return per_octave * (octave + 1) +
         static_cast<std::size_t>((time >> (octave + 5)) & (per_octave - 1));
}

std::uint64_t time_histogram::middle_of(std::size_t index) noexcept {
  if (index < per_octave) return 32 * index + 16;
  const std::size_t octave = index / per_octave - 1;
  return ((per_octave + index % per_octave) << (octave + 5)) + (std::uint64_t(16) << octave);
}

}  // namespace detail

using detail::time_histogram;

wait_statistics::outcome wait_statistics::outcome_of(const error_code& ec) noexcept {
  if (ec.category() == error_category()) {
    switch (static_cast<errc>(ec.value())) {
      case errc::closed: return closed;
      case errc::exceeds_limit: return exceeding;
      case errc::queue_full: return full;
      case errc::timed_out: return timed_out;
      default: return other;
    }
  }
  return ec == boost::system::errc::operation_canceled ? aborted : other;
}

void wait_statistics::add(const error_code& ec, std::chrono::nanoseconds waited) noexcept {
  // Each counter is a number by itself, so relaxed is enough, except where it says more.
  if (ec) {
    failed_[outcome_of(ec)].fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::int64_t time = std::max<std::int64_t>(waited.count(), 0);
  std::int64_t longest = longest_.load(std::memory_order_relaxed);
  while (time > longest &&
         !longest_.compare_exchange_weak(longest, time, std::memory_order_relaxed)) {
  }
  sum_.fetch_add(static_cast<std::uint64_t>(time), std::memory_order_relaxed);
  // Released, so that a reading which sees this one sees the longest wait and the sum, too.
  waits_[time_histogram::index_of(static_cast<std::uint64_t>(time))].fetch_add(
      1, std::memory_order_release);
}

wait_statistics::reading wait_statistics::read() const noexcept {
  reading r;
  for (std::size_t i = 0; i != waits_.size(); ++i) {
    r.waits_[i] = waits_[i].load(std::memory_order_acquire);  // see add()
    r.granted += r.waits_[i];
  }
  r.sum_ = sum_.load(std::memory_order_relaxed);
  r.longest_ = longest_.load(std::memory_order_relaxed);
  const auto failed = [this](outcome o) { return failed_[o].load(std::memory_order_relaxed); };
  r.aborted = failed(aborted);
  r.closed = failed(closed);
  r.exceeding = failed(exceeding);
  r.full = failed(full);
  r.timed_out = failed(timed_out);
  r.other = failed(other);
  return r;
}

std::chrono::nanoseconds wait_statistics::reading::quantile(double q) const noexcept {
  if (granted == 0) return {};
  // How many waits are at most as long.
  const double exact = std::ceil(std::min(q, 1.0) * static_cast<double>(granted));
  std::uint64_t left = exact >= 1 ? static_cast<std::uint64_t>(exact) : 1;
  if (left >= granted) return longest();
  for (std::size_t i = 0; i + 1 < waits_.size(); ++i) {
    if (left <= waits_[i])
      return std::min(longest(), std::chrono::nanoseconds(time_histogram::middle_of(i)));
    left -= waits_[i];
  }
  return longest();
}

std::uint64_t wait_statistics::reading::within(std::chrono::nanoseconds time) const noexcept {
  if (time >= longest()) return granted;
  if (time.count() < 0) return 0;
  const auto end = static_cast<std::uint64_t>(time.count());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i + 1 < waits_.size() && time_histogram::middle_of(i) <= end; ++i)
    count += waits_[i];
  return count;
}

wait_statistics::reading wait_statistics::reading::since(const reading& earlier) const noexcept {
  reading r = *this;
  r.granted -= earlier.granted;
  r.aborted -= earlier.aborted;
  r.closed -= earlier.closed;
  r.exceeding -= earlier.exceeding;
  r.full -= earlier.full;
  r.timed_out -= earlier.timed_out;
  r.other -= earlier.other;
  r.sum_ -= earlier.sum_;
  for (std::size_t i = 0; i != r.waits_.size(); ++i) r.waits_[i] -= earlier.waits_[i];
  if (r.longest_ > earlier.longest_) return r;  // the longest has come since
  std::size_t last = r.waits_.size();
  while (last != 0 && r.waits_[last - 1] == 0) --last;
  if (last != r.waits_.size())
    r.longest_ = last == 0 ? 0 : static_cast<std::int64_t>(time_histogram::middle_of(last - 1));
  return r;
}

std::chrono::nanoseconds wait_statistics::reading::mean() const noexcept {
  if (granted == 0) return {};
  return std::chrono::nanoseconds(sum_ / granted);
}

}  // namespace turnstile::inline v1
