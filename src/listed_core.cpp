// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include <turnstile/detail/listed_core.hpp>

#include <algorithm>

namespace turnstile::inline v1::detail {

namespace {

void link(listed_link& x, listed_link& before) noexcept {
  x.next = &before;
  x.previous = before.previous;
  x.previous->next = before.previous = &x;
}

void unlink(listed_link& x) noexcept {
  x.previous->next = x.next;
  x.next->previous = x.previous;
}

listed_waiter& to_waiter(listed_link* l) noexcept { return static_cast<listed_waiter&>(*l); }

}  // namespace

// ---- The gate ----------------------------------------------------------------------------------

outcome waiter_gate::wait(listed_waiter& x) noexcept { return core_.wait_listed(x); }

bool waiter_gate::departure::ends(bool is_passed_on) noexcept {
  if (!waiter_) return is_passed_on;
  if (!is_passed_on && is_granted_) {
    core_.come_back(*waiter_);
    return false;
  }
  if (was_last_) core_.begin_or_end_of_waits();
  core_.drop_reference();  // the waiter's
  return is_passed_on;
}

void waiter_gate::add_object() noexcept { core_.add_reference(); }
void waiter_gate::drop_object() noexcept { core_.drop_reference(); }

void waiter_gate::return_otherwise(std::size_t n) noexcept {
  listed_core& c = core_;
  c.take_permits(n);
  c.drop_reference();
}

// ---- The list ----------------------------------------------------------------------------------

void listed_waiter::leave_list() noexcept {
  if (!list_) return;
  listed_core& c = *list_;
  c.leave(*this);
  c.drop_reference();
}

void listed_core::insert(listed_waiter& x, listed_link& before) noexcept {
  if (&before == list_.next) first_since_ = time();
  link(x, before);
  permits_ += x.permits();
}

void listed_core::remove(listed_waiter& x) noexcept {
  const bool was_first = list_.next == &x;
  unlink(x);
  permits_ -= x.permits();
  if (was_first) first_since_ = time();
}

bool listed_core::leave(listed_waiter& x) noexcept {
  const std::lock_guard<std::mutex> lock(list_mutex_);
  x.list_ = nullptr;
  if (x.is_ending_) {
    unlink(x);
    return false;
  }
  remove(x);
  return !has_waits();
}

void listed_core::come_back(listed_waiter& x) noexcept {
  const std::lock_guard<std::mutex> lock(list_mutex_);
  x.list_ = this;
  x.is_ending_ = false;
  insert(x, *list_.next);
  // What has ended the waits since it left. The strand looks at that when it puts it back into the queue.
  if (x.permits() > most_)
    x.cancellation_->note(outcome::exceeds_limit);
  else if (refusal_ != outcome::waiting)
    x.cancellation_->note(refusal_);
}

// From core::wait() on, x may be gone.
outcome listed_core::wait_listed(listed_waiter& x) noexcept {
  bool was_first;
  {
    const std::lock_guard<std::mutex> lock(list_mutex_);
    if (x.permits() > most_) return outcome::exceeds_limit;
    if (refusal_ != outcome::waiting) return refusal_;
    add_reference();  // x's
    x.list_ = this;
    x.in_order_ = entering_++ == 0;
    was_first = !has_waits();
    insert(x, list_);
  }
  const std::uint32_t n = x.permits();
  add_reference();
  outcome o = core::wait(x);
  while (o == outcome::granted && !confirm()) {
    take_back(n);
    o = core::wait(x);
  }
  {
    const std::lock_guard<std::mutex> lock(list_mutex_);
    --entering_;
  }
  if (o != outcome::waiting) {
    leave(x);
    drop_reference();  // x's
  }
  if (was_first) begin_or_end_of_waits();
  drop_reference();
  return o;
}

void listed_core::look_again() noexcept { set_flags(pending, decides::none); }

listed_core::waits listed_core::get_waits() const noexcept {
  const std::lock_guard<std::mutex> lock(list_mutex_);
  waits w{permits_, 0, first_since_};
  for (listed_link* l = list_.next; l != &list_; l = l->next) {
    const listed_waiter& x = to_waiter(l);
    if (w.first != 0 && x.in_order_) break;
    w.first = std::max<std::int64_t>(w.first, x.permits());
  }
  return w;
}

// ---- Ending waits ------------------------------------------------------------------------------

void listed_core::refuse(outcome o) noexcept {
  {
    const std::lock_guard<std::mutex> lock(list_mutex_);
    refusal_ = o;
  }
  if (o != outcome::waiting) end_waits(o);
}

void listed_core::set_most(std::size_t n) noexcept {
  {
    const std::lock_guard<std::mutex> lock(list_mutex_);
    most_ = n;
  }
  end_waits(outcome::exceeds_limit, n);
}

void listed_core::cancel_listed() noexcept {
  if (is_closed()) return run_if_needed();  // what still waits is closed
  {
    const std::lock_guard<std::mutex> lock(list_mutex_);
    for (listed_link* l = list_.next; l != &list_; l = l->next)
      to_waiter(l).cancellation_->note(outcome::aborted);
  }
  // Not core::cancel(), which does nothing if nothing is queued: the strand may be about to put a waiter back.
  basic_strand::cancel_all();
}

void listed_core::end_waits(outcome o, std::size_t above, std::size_t most) noexcept {
  std::unique_lock<std::mutex> lock(list_mutex_);
  for (listed_link* l = list_.next; l != &list_;) {
    listed_waiter& x = to_waiter(l);
    l = l->next;
    if (x.permits() <= above || x.permits() > most) continue;
    remove(x);
    x.is_ending_ = true;
    link(x, ending_);
  }
  const bool was_last = !has_waits() && ending_.next != &ending_;
  // While it is in a list, x lives. Of what another call has put there, either may request the end.
  while (ending_.next != &ending_) {
    listed_waiter& x = to_waiter(ending_.next);
    cancellation& c = *x.cancellation_;
    c.add_reference();
    unlink(x);
    x.next = x.previous = &x;
    lock.unlock();
    c.request(o);
    c.drop_reference();
    lock.lock();
  }
  lock.unlock();
  if (was_last) begin_or_end_of_waits();
}

}  // namespace turnstile::inline v1::detail
