// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_STATE_WORD_HPP
#define TURNSTILE_DETAIL_STATE_WORD_HPP

// The layout of the word that holds the state of a semaphore. This is the only place that states it.
//
//   bits 0..30   used       permits in use, 0 .. max
//   bit  31      closed     no acquire succeeds any more
//   bit  32      queued     a waiter is in the queue or in the mailbox: no acquire may overtake it
//   bit  33      busy       a thread has the strand
//   bit  34      pending    work was recorded for the strand, and its holder has not seen it yet
//   bit  35      reserved   permits became free while waiters are queued: they are reserved for the
//                           queue until the strand has looked at it
//   bit  36      orphaned   the semaphore was destroyed: every waiter is aborted
//   bit  37      abandoned  the execution context was destroyed: every waiter is destroyed uncalled
//   bit  38      dead       the last reference is gone: the holder of the strand deletes the core
//   bit  39      offered    the strand is free, but work is left; with `busy`, that is about to be so
//   bits 40..58  epoch      which limit is in force
//   bits 59..63  refs       references that came with permits which were granted at once, modulo 32
//
// The limit is not in the word, since two numbers of 31 bits and the flags need more than 64. It stands in a
// second word together with its epoch, and the epoch in the state word says which limit the state word
// belongs to. So a compare-and-swap of the state word fails if the limit has changed.

#include <turnstile/detail/config.hpp>

#include <cstdint>

namespace turnstile::inline v1::detail {

using word = std::uint64_t;

struct state_word {
  static constexpr std::uint32_t max = 0x7fffffff;

  static constexpr word used_mask = max;
  static constexpr word closed = word(1) << 31;
  static constexpr word queued = word(1) << 32;
  static constexpr word busy = word(1) << 33;
  static constexpr word pending = word(1) << 34;
  static constexpr word reserved = word(1) << 35;
  static constexpr word orphaned = word(1) << 36;
  static constexpr word abandoned = word(1) << 37;
  static constexpr word dead = word(1) << 38;
  static constexpr word offered = word(1) << 39;
  static constexpr word epoch_unit = word(1) << 40;
  static constexpr word ref_unit = word(1) << 59;
  static constexpr word epoch_mask = ref_unit - epoch_unit;
  static constexpr int ref_modulus = 32;

  // The permits in use; or, for a word of `counter::limit_`, the limit, which has the same bits there.
  static constexpr std::uint32_t used(word w) noexcept {
    return static_cast<std::uint32_t>(w & used_mask);
  }

  static constexpr word epoch(word w) noexcept { return w & epoch_mask; }
  static constexpr word next_epoch(word w) noexcept { return (w + epoch_unit) & epoch_mask; }

  // A lowered limit may leave more permits in use than it allows.
  static constexpr std::uint32_t free_permits(word w, std::uint32_t limit) noexcept {
    return limit > used(w) ? limit - used(w) : 0;
  }

  // Neither is set: the strand is free, and no work is left with it.
  static constexpr word not_idle = busy | offered;
  static constexpr bool is_idle(word w) noexcept { return !(w & not_idle); }

  // w after a thread has taken the strand. If another thread has it, only its offer is withdrawn.
  static constexpr word with_strand(word w) noexcept { return (w | busy) & ~offered; }
};

}  // namespace turnstile::inline v1::detail

#endif
