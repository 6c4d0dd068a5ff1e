"""Faults seen in other asynchronous semaphores, channels and servers, put into this one.

Each fault is a set of patches, keyed by the text that they change, and has the test case that must
find it. The rows are those of the table of what can go wrong: Q1 to Q7 for the queue, H1 to H13 for
what is Asio's."""

from dataclasses import dataclass

CORE = 'src/core.cpp'
DETAIL = 'include/turnstile/detail/'
CORE_HPP, OP, SERVICE = DETAIL + 'core.hpp', DETAIL + 'acquire_op.hpp', DETAIL + 'service.hpp'
PERMIT, SEMAPHORE = 'include/turnstile/permit.hpp', 'include/turnstile/semaphore.hpp'


@dataclass
class Hazard:
    row: str
    fault: str
    killer: str  # <program>: <suite>/<case>
    patches: list  # (file, old text, new text)
    address: bool = False  # needs the tests compiled with AddressSanitizer
    about_compiling: bool = False

    def __str__(self):
        return f'{self.row}: {self.fault}: {self.killer}'


HAZARDS = []


def fault(row, what, killer, *patches, address=False, about_compiling=False):
    HAZARDS.append(Hazard(row, what, killer, list(patches), address, about_compiling))


# ---- The queue -----------------------------------------------------------------------------------

fault('Q1', 'the queue is not looked at when its head is cancelled',
      'weighted: those_behind_a_head_that_leaves/go_when_it_is_cancelled',
      (CORE, 'free = refused ? 0', 'free = refused || !(w & (owed | pending)) ? 0'))
fault('Q1', 'the queue is not looked at when a limit excludes its head',
      'weighted: those_behind_a_head_that_leaves/go_when_a_lowered_limit_excludes_it',
      (CORE, 'free = refused ? 0', 'free = refused || !(w & (owed | pending)) ? 0'),
      (CORE, '((w & queued) ? owed : 0)', 'word(0)'))

# A cancelled waiter is marked, and stays until it is the head.
STAYS = [
    (CORE, '      if (c.target_) decide(c.target_, outcome::aborted);\n      run',
     '      if (c.target_) c.target_->outcome_ = outcome::aborted;\n      run'),
    (CORE, 'if (c->target_) decide(c->target_, outcome::aborted);',
     'if (c->target_) c->target_->outcome_ = outcome::aborted;'),
]
fault('Q2', 'a cancelled waiter stays in the queue until it is the head', 'cancellation: one_wait/is_one_of_many', *STAYS)
fault('Q2', 'a cancelled waiter stays and swallows a wake-up',
      'cancellation: one_wait/leaves_its_place_at_once_and_swallows_nothing', *STAYS,
      (CORE, 'while (queue_.front() && queue_.front()->outcome_ != outcome::waiting)', 'while (false)'))
fault('Q3', 'a release wakes one waiter', 'queue: order/one_release_serves_as_many_as_it_suffices_for',
      (CORE, 'granted != most && rest', 'granted != 1 && rest'),
      (CORE, 'more = rest && rest->permits_ <= free;', 'more = false;'))
fault('Q3', 'several releases in one turn wake one waiter',
      'core: calls_back/a_release_is_enough_for_a_wait_that_comes_after_it',
      (CORE, '    if (w & queued) next = (w & busy)', '    if (w & busy) return true;\n    if (w & queued) next = (w & busy)'))
fault('Q4', 'the permits of a grant are free until its handler is called',
      'queue: from_hand_to_hand/nobody_gets_between_the_release_and_the_handler',
      (CORE, '      next += rest->permits_;\n', ''), (CORE, '  if (first->permits_ != n', '  if (true'),
      (CORE_HPP, '(w & queued) || n > free', 'n > free'))
fault('Q4', 'somebody who tries overtakes the queue', 'queue: from_hand_to_hand/try_acquire_does_not_overtake',
      (CORE_HPP, '(w & queued) || n > free', 'n > free'))
fault('Q5', 'shrinking reopens a closed semaphore', 'closing: what_close_does/is_not_undone_by_anything',
      (CORE, 'compare_exchange_weak(w, w + taken,', 'compare_exchange_weak(w, (w + taken) & ~closed,'))
fault('Q6', 'a release changes the count before the check', 'counting: releasing/past_max_is_all_or_nothing',
      (CORE_HPP, '      if (n > used(w)) return false;\n      if (n == 0)',
       '      if (n > used(w)) {\n        word_.fetch_and(~used_mask);\n        return false;\n      }\n      if (n == 0)'))
fault('Q6', 'the same, of a bounded semaphore', 'bounded: more_than_the_limit/cannot_be_given_back',
      (CORE_HPP, '      if (n > used(w)) return false;\n      if (n == 0)',
       '      if (n > used(w)) {\n        word_.fetch_and(~used_mask);\n        return false;\n      }\n      if (n == 0)'))
fault('Q7', 'a cancellation walks through the queue',
      'cancellation: a_storm/of_cancellations_takes_no_longer_the_more_there_are',
      (CORE, '  queue_.erase(x);\n',
       '  for (waiter* y = queue_.front(); y != x;) y = waiter_list::next(y);\n  queue_.erase(x);\n'))
fault('Q7', 'those who timed out keep their memory', 'cancellation: a_storm/of_timeouts_leaves_no_memory_behind',
      *STAYS)

# ---- Asio ----------------------------------------------------------------------------------------

fault('H1', 'handlers are destroyed with a mutex locked',
      'lifetime: contexts/destructors_of_handlers_may_close_and_destroy',
      (SERVICE, '    while (core* const c = next_to_abandon()) {',
       '    const std::scoped_lock lock(mutex_);\n    while (core* const c = next_to_abandon()) {'),
      (SERVICE, '    const std::scoped_lock lock(mutex_);\n    is_shut_down_', '    is_shut_down_'))
fault('H1', 'a semaphore that comes during the destruction is not abandoned',
      'lifetime: contexts/destructors_of_handlers_may_make_semaphores',
      (SERVICE, 'if (s.is_shut_down_) c.abandon();', ''))
fault('H1', 'a handler is destroyed while it stands in a list',
      'lifetime: contexts/destructors_of_handlers_may_call_every_member',
      (CORE, '    x->discard();\n', '    decided_.push_front(x);\n    x->discard();\n    decided_.erase(x);\n'))
fault('H1', 'the service of strands shuts down before the semaphores\'',
      'lifetime: contexts/a_strand_that_was_made_after_a_semaphore_is_dropped_in_time',
      (SERVICE, '    const asio::strand<context_only> s(context_only{&context});\n', ''), address=True)
fault('H1', 'a strand that is shut down destroys inside execute()',
      'lifetime: contexts/a_shut_down_strand_of_another_context_gives_back_at_once',
      (OP, '    if (hand.came_back()) discard();  // the executor is shut down\n', ''))
fault('H1', 'what a shut-down executor destroys is destroyed twice',
      'lifetime: contexts/a_shut_down_strand_of_another_context_gives_back_at_once',
      (OP, 'if (op_ && !handing_over::come_back(*op_)) op_->discard();',
       'if (op_ && (handing_over::come_back(*op_), true)) op_->discard();'))
fault('H2', 'a completion destroyed uncalled keeps the permits',
      'lifetime: contexts/permits_of_handlers_that_are_destroyed_go_to_the_next',
      (OP, '      op.discard();', '      op.take_apart_uncalled().permit_.forget();'))
fault('H2', 'one that was granted at once keeps them',
      'lifetime: contexts/permits_of_handlers_that_are_destroyed_go_to_the_next',
      (OP, '  decided<handler_type, WithPermit> f{', '  if constexpr (!WithPermit) p.forget();\n  decided<handler_type, WithPermit> f{'))
fault('H3', 'permits do not share ownership of the state',
      'permits: outliving_the_semaphore/and_all_members_still_work',
      (PERMIT, '      c->give_back(n);\n      c->drop_reference();\n', '      c->give_back(n);\n'),
      (PERMIT, 'if (detail::core* const c = std::exchange(core_, nullptr)) c->drop_reference();', 'core_ = nullptr;'),
      (PERMIT, '    core_->add_reference();\n', ''),
      (PERMIT, 'noexcept { return {c, n}; }', 'noexcept {\n  c.drop_reference();\n  return {c, n};\n}'),
      address=True)
fault('H3', 'granted operations do not share ownership of the state', 'lifetime: semaphores/so_does_the_last_grant',
      (CORE, '    lent_ += granted;\n', ''), (CORE, '      --lent_;\n', ''),
      (OP, '    const outcome o = get_outcome();\n', '    core_->add_reference();\n    const outcome o = get_outcome();\n'),
      address=True)
# The mutex is the one that Boost.SAM's semaphore and Asio's channels have.
LOCKS = '\n#include <mutex>\nnamespace { std::mutex guard; }\n'
fault('H4', 'completing under a lock',
      'executors: custom/an_executor_that_runs_inline_neither_deadlocks_nor_recurses',
      (CORE, '#include <turnstile/detail/core.hpp>\n', '#include <turnstile/detail/core.hpp>\n' + LOCKS),
      (CORE, '    refused = !hand_over();', '    guard.lock();\n    refused = !hand_over();\n    guard.unlock();'),
      (CORE, 'bool core::release_to_queue(std::size_t n, word w) noexcept {\n',
       'bool core::release_to_queue(std::size_t n, word w) noexcept {\n  guard.lock();\n  guard.unlock();\n'))
fault('H5', 'after a throw the waiter is not put back', 'executors: custom/a_waiter_that_is_refused_is_the_head_again',
      (OP, '      return !hand.came_back();', '      return true;'))
fault('H5', 'after a throw it is put back, whoever has the completion',
      'executors: custom/what_was_kept_before_the_throw_is_the_executors_to_run',
      (OP, '      return !hand.came_back();', '      return false;'))
fault('H5', 'the same, of a strand that fails to schedule itself', 'allocation: without_memory/on_a_strands_executor',
      (OP, '      return !hand.came_back();', '      return false;'))
fault('H5', 'the waiter that is put back keeps its permits',
      'executors: custom/a_waiter_that_is_refused_is_the_head_again',
      (CORE, '      permits += x->permits_;\n', ''))
fault('H5', 'an acquire that is refused at once keeps its permits',
      'executors: custom/an_acquire_granted_at_once_and_refused_takes_nothing',
      (OP, '  decided<handler_type, WithPermit> f{', '  p.forget();\n  decided<handler_type, WithPermit> f{'))
fault('H6', 'the slot is not cleared', 'cancellation: emitted/the_slot_is_touched_on_the_handlers_executor_only',
      (OP, '    if (cancellation_) asio::get_associated_cancellation_slot(handler_).clear();\n', ''))
fault('H6', 'the slot is cleared by the thread that releases',
      'cancellation: emitted/the_slot_is_touched_on_the_handlers_executor_only',
      (OP, '      this->schedule();\n',
       '      if (cancellation_) asio::get_associated_cancellation_slot(handler_).clear();\n'
       '      this->schedule();\n'))
fault('H6', 'the slot is cleared where the handler is destroyed',
      'cancellation: emitted/the_slot_is_touched_on_the_handlers_executor_only',
      (OP, '    take_apart_uncalled();\n', '    take_apart();\n'))
fault('H6', 'the slot is cleared after the handler was called',
      'cancellation: emitted/inside_the_handler_means_the_slots_next_wait',
      (OP, '    take_apart()();',
       '    auto slot = asio::get_associated_cancellation_slot(handler_);\n'
       '    take_apart_uncalled()();\n    slot.clear();'))
fault('H6', 'the slot\'s handler does not own what it names',
      'cancellation: emitted/after_the_destruction_of_the_context_does_nothing',
      (OP, '  ~cancel_handler() { cancellation_->drop_reference(); }', '  ~cancel_handler() {}'),
      (OP, '    if (cancellation_) cancellation_->drop_reference();\n  }\n',
       '    if (cancellation_) cancellation_->drop_reference(), cancellation_->drop_reference();\n  }\n'))
fault('H6', 'the slot\'s handler uses itself after it was destroyed',
      'cancellation: during_the_emission/everything_dies',
      (OP, '    c.add_reference();\n    c.request();\n    c.drop_reference();',
       '    c.add_reference();\n    c.request();\n    cancellation_->drop_reference();'), address=True)
fault('H7', 'completing inside the release', 'queue: completions/are_never_inline',
      (OP, '      this->schedule();\n', '      call();\n'))
fault('H7', 'the same, with an executor that is not Asio\'s scheduler', 'executors: posting/never_inside_a_call_on_a_strand',
      (OP, '        completion c(*this);\n', '        completion c(*this);\n        return std::move(c)(), true;\n'))
fault('H7', 'completing inside the acquire that is granted at once', 'queue: completions/are_never_inline',
      (OP, '        detail::post(ex, std::move(f), allocator);', '        f();'))
fault('H7', 'completing inside a release on the context\'s thread',
      'queue: completions/are_never_inline_on_the_context_either',
      (OP, '  void schedule() noexcept {',
       '  void schedule() noexcept {\n    if (scheduler_->can_dispatch()) return run(this, this, {}, 0);\n'))
fault('H7', 'completing inside a release where the executor prefers that',
      'executors: posting/never_inside_a_call_on_an_executor_that_prefers_to_block',
      (OP, '    asio::prefer(asio::require(ex, asio::execution::blocking.never),',
       '    asio::prefer(asio::prefer(ex, asio::execution::blocking.possibly),'))
fault('H8', 'the handler is called before the memory is free', 'allocation: user_code/a_handler_may_own_its_memory',
      (OP, '    take_apart()();',
       '    const outcome o = get_outcome();\n'
       '    decided<Handler, WithPermit>{std::move(handler_), o, '
       'o == outcome::granted ? make_permit(*core_, permits()) : permit(), tracked_}();\n'
       '    if (o == outcome::granted) core_->add_reference();\n    take_apart().permit_.forget();'))
fault('H8', 'the handler is destroyed before the memory is free',
      'allocation: user_code/a_handler_that_owns_its_memory_may_be_destroyed',
      (OP, '    this->~acquire_op();\n', '    { const Handler first(std::move(d.handler_)); }\n    this->~acquire_op();\n'),
      (OP, '    take_apart()();', '    decided<Handler, WithPermit>{std::move(handler_), get_outcome(), '
       'make_permit(*core_, permits()), tracked_}();'),
      address=True)
fault('H9', 'an exception of a handler does not leave run()', 'lifetime: throwing_handlers/leave_nothing_half_done',
      (OP, '      op.call();', '      try {\n        op.call();\n      } catch (...) {\n      }'))
fault('H9', 'permits are passed on after the handler has returned',
      'lifetime: throwing_handlers/leave_nothing_half_done',
      (OP, "      permit_.forget();  // they are the handler's now\n      std::move(handler_)(ec);",
       '      std::move(handler_)(ec);\n      permit_.forget();'))
fault('H10', 'no work on the handler\'s executor', 'executors: outstanding_work/run_does_not_return_while_a_waiter_waits',
      (OP, '{ s.work_started(); }', '{}'), (OP, '    if (scheduler_) scheduler_->work_finished();\n', ''),
      (OP, 'post_deferred_completion(this)', 'post_immediate_completion(this, false)'))
fault('H10', 'the same, with an executor that is not Asio\'s scheduler',
      'executors: outstanding_work/a_polymorphic_executor_is_what_it_stands_for',
      (OP, '      : tracked_(asio::prefer(ex, asio::execution::outstanding_work.tracked)) {}',
       '      : tracked_(ex) {}'),
      (OP, '  std::decay_t<typename tracked::type> tracked_;', '  E tracked_;'))
fault('H10', 'no work on the semaphore\'s executor', 'executors: outstanding_work/both_executors_have_work_while_a_waiter_waits',
      (OP, '      if (!detail::same_executor(handler_ex, ex)) semaphore_work_.emplace(ex);\n', ''))
fault('H10', 'work is counted twice on one executor', 'executors: outstanding_work/the_same_executor_is_not_counted_twice',
      (OP, '      if (!detail::same_executor(handler_ex, ex)) semaphore_work_.emplace(ex);\n', '      semaphore_work_.emplace(ex);\n'))
fault('H10', 'the work is kept until the handler has returned', 'executors: outstanding_work/the_semaphores_executor_has_none_when_the_wait_is_over',
      (OP, '      semaphore_work_.reset();\n      this->schedule();\n', '      this->schedule();\n'))
# The operation finds the state through the semaphore object.
THROUGH_THE_OBJECT = [
    (SERVICE, '  core* get_core() const noexcept { return core_; }\n',
     '  core* get_core() const noexcept { return core_; }\n'
     '  core* const& place() const noexcept { return core_; }\n'),
    (OP, 'core_(sem.get_core()),', 'core_(sem.place()),'),
    (OP, '  core* core_;  // from', '  core* const& core_;  // from'),
]
fault('H11', 'an operation refers to the object that it was started on', 'lifetime: moves/waits_and_permits_follow_the_state',
      *THROUGH_THE_OBJECT)
fault('H12', 'an initiation does not name its executor', 'tokens: an_initiation_names_its_executor',
      (SEMAPHORE, '    using executor_type = Executor;\n\n    explicit initiate', '    explicit initiate'),
      (SEMAPHORE, '    executor_type get_executor() const noexcept { return semaphore_->get_executor(); }\n', ''),
      about_compiling=True)
fault('H13', 'an error code of another library\'s type', 'cancellation: a_cancelled_co_await_throws',
      (SEMAPHORE, 'async_initiate<Token, void(error_code)>(initiate_acquire<false>(*this),',
       'async_initiate<Token, void(std::error_code)>(initiate_acquire<false>(*this),'),
      (OP, "      permit_.forget();  // they are the handler's now\n      std::move(handler_)(ec);",
       '      permit_.forget();\n      std::move(handler_)(std::error_code(ec));'),
      (SEMAPHORE, '      if (core().would_grant(n)) return try_and_wait<false, void>(n, token);\n', ''))
