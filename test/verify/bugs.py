"""The catalogue of seeded bugs.

Each bug has a name, what it changes (a file, a text that is there exactly once, and the text that replaces it),
and the methods that must find it. A bug of a kind that was seen in other asynchronous semaphores, channels and
servers has the number of that kind as its row: Q1 to Q7 for the queue, H1 to H13 for the use of Asio, F1 to F17 for
semaphores of many processes (src/fleet/README.md).

If a source changes, `test/verify/run --check` says which texts have to follow. Keep a text as short as it can
be and still be there once."""

import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
DETAIL = 'include/turnstile/detail/'
DELIVERY = DETAIL + 'delivery.hpp'
CORE, CORE_HPP = 'src/core.cpp', DETAIL + 'core.hpp'
STRAND, STRAND_HPP = 'src/strand.hpp', DETAIL + 'strand.hpp'
COUNTER, DECISIONS = DETAIL + 'counter.hpp', DETAIL + 'decisions.hpp'
QUEUE, MAILBOX, CANCELLATION = DETAIL + 'wait_queue.hpp', DETAIL + 'mailbox.hpp', DETAIL + 'cancellation.hpp'
OP, SERVICE = DETAIL + 'acquire_op.hpp', DETAIL + 'service.hpp'
ASIO, COMPLETION = DETAIL + 'asio_internals.hpp', DETAIL + 'completion.hpp'
EXECUTOR, INITIATE = DETAIL + 'handler_executor.hpp', DETAIL + 'initiate_acquire.hpp'
REQUEST, LANES = DETAIL + 'cancel_request.hpp', DETAIL + 'lanes.hpp'
KEYED, KEY_NODE = 'src/keyed_core.cpp', DETAIL + 'key_node.hpp'
LANE_QUEUE, LANE_QUEUE_HPP = 'src/lane_queue.cpp', DETAIL + 'lane_queue.hpp'
KEY_TABLE, KEYED_HPP = DETAIL + 'key_table.hpp', DETAIL + 'keyed_core.hpp'
MEMBER, SERVER = 'src/fleet/member.cpp', 'src/fleet/server.cpp'
SHARED, SHARED_HPP, TURN = 'src/shared_core.cpp', DETAIL + 'shared_core.hpp', 'src/shared_turn.cpp'
LISTED, LISTED_HPP = 'src/listed_core.cpp', DETAIL + 'listed_core.hpp'
INITIATE_SHARED, SHARED_PERMIT = DETAIL + 'initiate_shared.hpp', 'include/turnstile/shared_permit.hpp'
LOSS, TIMER_ALARM = DETAIL + 'loss_listener.hpp', DETAIL + 'timer_alarm.hpp'
LOSS_RELAY, WITH_PERMIT = DETAIL + 'loss_relay.hpp', 'include/turnstile/with_permit.hpp'
SHARED_SEMAPHORE, STATISTICS = 'include/turnstile/shared_semaphore.hpp', 'include/turnstile/statistics.hpp'
MEMORY, MEMORY_ENGINE, TIME = 'src/memory_state.cpp', 'include/turnstile/memory_engine.hpp', 'src/time_source.cpp'
TEXT = 'src/fleet/text.cpp'
ANSWER, CALLER, DIALOGUE, LISTENER, PIPE, URL, CLIENT = (
    f'src/redis/{s}.cpp' for s in ('answer', 'caller', 'dialogue', 'listener', 'pipe', 'url', 'client'))
DRIVER = DETAIL + 'redis_driver.hpp'
PERMIT, SEMAPHORE = 'include/turnstile/permit.hpp', 'include/turnstile/semaphore.hpp'


class Bug(NamedTuple):
    name: str
    changes: tuple  # of (file, before, after)
    found_by: tuple  # of methods
    row: str


class Method(NamedTuple):
    name: str
    what: str = ''  # the program of the explorer, or "<unit test>: <suite>/<case>"
    address: bool = False  # the unit test is compiled with AddressSanitizer, too
    about_compiling: bool = False  # the unit test must not compile

    def __str__(self):
        return f'{self.name}, {self.what}' if self.what else self.name


def explorer(program=''):
    """One of its programs; or all, the first that fails being enough."""
    return Method('explorer', program)


def unit(what, address=False, about_compiling=False):
    return Method('unit', what, address, about_compiling)


linearizability, tsan, asan, depth, fuzz, fleet, fleet_exhaustive = (
    Method(n) for n in ('linearizability', 'tsan', 'asan', 'depth', 'fuzz', 'fleet', 'fleet-exhaustive'))
# test/verify/stress/shell.cpp: the Asio shell over the core, under two sanitizers.
fleet_member, fleet_server = Method('fleet-member'), Method('fleet-server')  # the unit tests in test/fleet
shell_tsan, shell_asan = Method('shell-tsan'), Method('shell-asan')

BUGS = []


def bug(name, *changes, found_by, row=''):
    BUGS.append(Bug(name, changes, tuple(found_by), row))


def order(file, text, before, after):
    """A change of the first memory order `before` in the text."""
    return file, text, text.replace(f'memory_order_{before}', f'memory_order_{after}', 1)


def keyed(*programs):
    """Programs of the explorer over the keyed core."""
    return [explorer(f'keyed: {p}') for p in programs]


HISTORY = unit('keyed_history: random_histories_are_as_the_naive_model_has_them')


def spin_mutants():
    """The names of the bugs in the model of the protocol."""
    model = (ROOT / 'test/verify/model/turnstile.pml').read_text()
    return sorted(set(re.findall(r'(?:ifn?def |defined\()MUTANT_(\w+)', model)))


# ---- The queue: wake-ups -------------------------------------------------------------------------

bug('a release to the queue leaves the strand alone (lost wake-up)',
    (CORE, 'next | reserved : with_strand(w);', 'next | reserved : next;'),
    found_by=[explorer('acquire | release'), linearizability, tsan])
bug('the strand is left with mail pending (lost wake-up)',
    (STRAND, 'p.grants == 0 && !(w & pending) && !queue_', 'p.grants == 0 && !queue_'),
    found_by=[explorer('cancel one | cancel() | grant, two wait'), linearizability])
bug('a raised limit is not followed by a look at the queue (lost wake-up)',
    (CORE, '  change_limit(n);\n  run_if_needed();\n', '  change_limit(n);\n'),
    found_by=[explorer('set_limit | set_limit | acquire')])
bug('`queued` is cleared from a word with `pending`',
    (STRAND, 'if (!(w & pending)) p.next &= ~queued;', 'p.next &= ~queued;'),
    found_by=[explorer('a call back | wait, try_acquire')])
bug('`queued` is cleared while a waiter is left',
    (STRAND, '  if (t.rest) p.next |= queued;\n', ''),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('the waiters behind a cancelled head are not reconsidered',
    (STRAND, 't = refused ? ', 't = refused || !(w & (reserved | pending)) ? '),
    found_by=[explorer('weighted head + canceller'), tsan, fuzz,
              unit('weighted: those_behind_a_head_that_leaves/a_cancelled_head_lets_those_behind_it_go')], row='Q1')
bug('the waiters behind a head that a lowered limit excludes are not reconsidered',
    (STRAND, 't = refused ? ', 't = refused || !(w & (reserved | pending)) ? '),
    (CORE, '((w & queued) ? reserved : 0)', 'word(0)'),
    found_by=[unit('weighted: those_behind_a_head_that_leaves/a_head_that_a_lowered_limit_excludes_lets_those_behind_it_go')], row='Q1')
bug('the head is granted without a look at what is free',
    (QUEUE, 'rest && rest->permits_ <= free; ++t.grants', 'rest; ++t.grants'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('a release wakes one waiter',
    (QUEUE, 't.grants != most_grants && rest', 't.grants != 1 && rest'),
    (QUEUE, 't.more = rest && rest->permits_ <= free;', 't.more = false;'),
    found_by=[fuzz, unit('queue: order/one_release_serves_as_many_as_it_suffices_for')], row='Q3')
bug('several releases in one turn wake one waiter',
    (CORE, '    if (w & queued) next = (w & busy)',
     '    if (w & busy) return true;\n    if (w & queued) next = (w & busy)'),
    found_by=[unit('core: calls_back/a_release_is_enough_for_a_wait_that_comes_after_it')], row='Q3')
bug('an acquire that takes the strand leaves waiters that are hopeless',
    (CORE, 'if (!queue_.has_hopeless(w, max) && ', 'if ('),
    found_by=[explorer('abandon | acquire')])

# ---- The queue: order, cancellation, limits ------------------------------------------------------

bug('a waiter joins the queue at its head',
    (QUEUE, 'queue_.push_back(x)', 'queue_.push_front(x)'),
    found_by=[linearizability])
OLDEST_FIRST = '''\
    batch b{nullptr, (newest & 1) != 0};
    for (mail* m = reinterpret_cast<mail*>(newest & ~std::uintptr_t(1)); m;) {
      mail* const older = m->next_;
      m->next_ = b.oldest;
      b.oldest = m;
      m = older;
    }
'''
bug('mail is taken the newest first',
    (MAILBOX, OLDEST_FIRST,
     '    batch b{reinterpret_cast<mail*>(newest & ~std::uintptr_t(1)), (newest & 1) != 0};\n'),
    found_by=[explorer('cancel the head | wait, wait, try_acquire'), linearizability])
bug('cancel() forgets which mail was there before it',
    (MAILBOX, 'cancels_older_ = newest & 1', 'cancels_older_ = false'),
    found_by=[explorer('cancel one | cancel() | grant, two wait'), linearizability])
bug('cancel() reaches all waiters but the last',
    (QUEUE, 'while (front()) decide(front(), o);', 'while (front() != queue_.back()) decide(front(), o);'),
    found_by=[fuzz])
bug('an acquire completes at once while the strand hands over others',
    (CORE, 'if (is_idle(w)) return o;', 'return o;'),
    found_by=[explorer('set_limit | release | acquire'), linearizability])
bug('try_acquire overtakes the queue',
    (COUNTER, '(w & queued) || n > free', 'n > free'),
    found_by=[explorer('set_limit | release | acquire'), linearizability,
              unit('queue: from_hand_to_hand/try_acquire_does_not_overtake')], row='Q4')
bug('the permits of a grant are free until its handler is called',
    (QUEUE, '      t.permits += rest->permits_;\n', ''), (CORE, '  if (first->permits_ != n', '  if (true'),
    (COUNTER, '(w & queued) || n > free', 'n > free'),
    found_by=[unit('queue: from_hand_to_hand/no_acquire_gets_between_the_release_and_the_handler')], row='Q4')
# A cancelled waiter is marked, and stays until it is the head.
STAYS = [
    (STRAND, 'if (c.target_) queue_.decide(c.target_, c.requested());',
     'if (c.target_) c.target_->outcome_ = c.requested();'),
    (STRAND, 'if (c->target_) queue_.decide(c->target_, c->requested());',
     'if (c->target_) c->target_->outcome_ = c->requested();'),
]
bug('a cancelled waiter stays in the queue until it is the head', *STAYS,
    found_by=[unit('cancellation: one_wait/any_of_many_waits_can_be_cancelled'),
              unit('cancellation: a_storm/many_timeouts_leave_no_memory_behind')], row='Q2')
bug('a cancelled waiter stays in the queue and swallows a wake-up', *STAYS,
    (QUEUE, 'while (front() && front()->outcome_ != outcome::waiting)', 'while (false)'),
    found_by=[unit('cancellation: one_wait/a_cancelled_wait_leaves_the_queue_at_once_and_takes_nothing')], row='Q2')
bug('a cancellation walks through the queue',
    (QUEUE, '    queue_.erase(x);\n',
     '    for (waiter* y = front(); y != x;) y = waiter_list::next(y);\n    queue_.erase(x);\n'),
    found_by=[unit('cancellation: a_storm/a_cancellation_takes_no_longer_the_more_waits_there_are')], row='Q7')
bug('mail is compared with a limit that was read before the mail was taken',
    (STRAND, '''\
  const mailbox::batch b = mailbox_.take();
  // Afterwards, so that no waiter is held to an older limit than its call has seen.
  const std::uint32_t limit = limit_under(w);
''', '''\
  const std::uint32_t limit = limit_under(w);
  const mailbox::batch b = mailbox_.take();
'''),
    found_by=[explorer('raise, then ask for as much | release')])
bug('a waiter that joins the queue may exceed the limit without being noticed',
    (QUEUE, '    largest_ = (std::max)(largest_, x->permits_);\n    note', '    note'),
    found_by=[explorer('set_limit | set_limit | acquire')])
bug('a lowered limit ends no wait',
    (QUEUE, 'if (x->permits_ > limit)\n      decide', 'if (false)\n      decide'),
    found_by=[fuzz])
bug('a lowered limit forgets how many permits the waiters want that stay',
    (QUEUE, '    else\n      largest_ = (std::max)(largest_, x->permits_);\n', ''),
    found_by=[fuzz])
bug('close() does not complete the waiters',
    (QUEUE, '  if (w & state_word::closed) decide_all(outcome::closed);\n', ''),
    found_by=[explorer('close, then release | acquire')])
bug('a closed semaphore grants',
    (COUNTER, 'if (w & closed) return outcome::closed;\n', '\n'),
    found_by=[fuzz])
bug('shrink() reopens a closed semaphore',
    (CORE, 'compare_exchange_weak(w, w + taken,', 'compare_exchange_weak(w, (w + taken) & ~closed,'),
    found_by=[unit('closing: what_close_does/close_is_not_undone_by_anything')], row='Q5')

# ---- The count of permits ------------------------------------------------------------------------

bug('try_acquire is a load, then a store',
    (COUNTER, 'if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;\n      if (ref)',
     'word_.store(next);\n      if (ref)'),
    found_by=[linearizability])
bug('release is a load, then a store',
    (CORE_HPP, '''\
while (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                          std::memory_order_relaxed));
''', 'while (word_.store(w - n), false);\n'),
    found_by=[linearizability])
bug('release adds first and checks afterwards',
    (CORE_HPP, '''\
    word w = word_.load(std::memory_order_relaxed);
    do {
      if (n + kept > used(w)) return false;
      if (n == 0) return true;
      if (w & queued) return release_to_queue(n, w, kept);
    } while (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                          std::memory_order_relaxed));
''', '''\
    const word w = word_.fetch_sub(n);
    if (n > used(w)) {
      word_.fetch_add(n);
      return false;
    }
    if (w & queued) set_flags(reserved | pending, decides::none);
'''),
    found_by=[linearizability])
bug('an over-release changes the count',
    (CORE_HPP, '      if (n + kept > used(w)) return false;\n      if (n == 0)',
     '      if (n > used(w)) {\n        word_.fetch_and(~used_mask);\n        return false;\n      }\n      if (n == 0)'),
    found_by=[unit('counting: releasing/release_past_max_changes_nothing'),
              unit('bounded: more_than_the_limit/release_above_the_limit_is_an_error')], row='Q6')
bug('a permit gives back more than the limit takes',
    (CORE_HPP, 'while (!release(n)) n = ', 'if (!release(n)) n = '),
    found_by=[fuzz])
bug('shrink is a load, then a store',
    (CORE, 'if (word_.compare_exchange_weak(w, w + taken, std::memory_order_acquire)) return taken;',
     'word_.store(w + taken);\n    return taken;'),
    found_by=[linearizability])
bug('shrink takes permits that are reserved for the queue',
    (CORE, '(w & reserved) ? 0 : (std::min)', '(std::min)'),
    found_by=[explorer('shrink | release of two, two wait'), linearizability])
bug('a limit is not bound to its word',
    (CORE, 'next_epoch(w) | n;', '(w & epoch_mask) | n;'),
    found_by=[linearizability])
bug('a release that takes the strand reserves nothing for the queue',
    (CORE, 'next = (w - n) | reserved;', 'next = w - n;'),
    found_by=[explorer('shrink | release of two, two wait')])
bug('a release to a busy strand reserves nothing for the queue',
    (CORE, 'next | reserved : with_strand', 'next : with_strand'),
    found_by=[explorer('shrink | release | release, two wait')])
bug('a raised limit reserves nothing for the queue',
    (CORE, '((w & queued) ? reserved : 0)', 'word(0)'),
    found_by=[explorer('raise the limit | shrink, one waits')])
bug('a release gives its permits to a waiter that wants another number',
    (CORE, 'first->permits_ != n || ', ''),
    found_by=[explorer('release, too few for the head | set_limit')])
bug('a release gives its permits to the head though others are free',
    (CORE, ' || used(w) != limit', ''),
    found_by=[explorer('release of two | try_acquire, two wait, one permit is free')])
bug('a release gives its permits to a waiter that was put back decided',
    (CORE, '(w & reserved) || queue_.has_hopeless(w, limit))', '(w & reserved))'),
    found_by=[explorer('a refusing executor | release | canceller')])
bug('a waiter that was granted the permits of a release still seems to wait',
    (CORE, 'if (first->permits_ != n', 'if (!first || first->permits_ != n'),
    (CORE, 'if (!wait_queue::next(first)) {', 'if (false) {'),
    found_by=[explorer('release | the granted waiter releases, try_acquire')])
bug('the permits of a release are given back twice',
    (CORE, 'if (n + kept > used(w)) {  // another', 'if (false) {  // another'),
    found_by=[explorer('release | release, one in use, one waits')])
bug('an over-release to the queue succeeds',
    (CORE, '  do {\n    if (n + kept > used(w)) return false;\n', '  do {\n    if (n + kept > used(w)) return true;\n'),
    found_by=[explorer('release of two | release of two, one waits')])

# ---- An executor refuses a completion ------------------------------------------------------------

bug('a refused grant keeps its permits',
    (QUEUE, '      r.permits += y->permits_;\n', ''),
    found_by=[explorer('a refusing executor | release | release'),
              unit('executors: custom/a_waiter_that_is_refused_is_the_head_again')], row='H5')
bug('a waiter that was put back decided stands behind those that wait again',
    (QUEUE, 'standing.push_front(y)', 'queue_.push_front(y)'),
    found_by=[explorer('a refusing executor | release | wait, cancel the third')])
bug('after a refusal no waiter is delivered again',
    (STRAND, 'abandoned)) refused = false;', 'abandoned)) {}'),
    found_by=[explorer('a refusing executor | release | destroy')])
bug('a refused waiter of a destroyed semaphore is not discarded',
    (STRAND, 'x->grant_stands_ ? orphaned | abandoned : abandoned', 'abandoned'),
    found_by=[explorer('a refusing executor | release | destroy')])

# ---- The strand is offered -----------------------------------------------------------------------

bug('the holder leaves work behind without an offer (lost wake-up)',
    (STRAND, 'if (word_.compare_exchange_weak(w, w & ~busy, ', 'if (word_.compare_exchange_weak(w, w & ~(busy | offered), '),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('a resumption takes the strand though a thread has it',
    (STRAND, '    if (!(w & busy)) run(with_strand(w), decides::none);\n', '    run(with_strand(w), decides::none);\n'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('a resumption that comes too early leaves the offer standing (lost wake-up)',
    (STRAND, '    if ((w & busy) && can_repeat) return false;\n', '    if (w & busy) break;\n'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('a resumption that comes too early does not come again (lost wake-up)',
    (STRAND, '    if ((w & busy) && can_repeat) return false;\n', '    if ((w & busy) && can_repeat) break;\n'),
    found_by=[unit('bounded_work: the_core/a_resumption_that_comes_too_early_comes_again')])
bug('the holder leaves though its offer was cleared (lost wake-up)',
    (STRAND, 'std::memory_order_relaxed); w & offered;) {', 'std::memory_order_relaxed);;) {'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('no resumption is posted for an offer (lost wake-up)',
    (STRAND, '    queue_.first_decided()->post_resumption();\n', '    drop_reference();\n'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('an acquire completes at once though completions were left with an offer',
    (CORE_HPP, 'take<not_idle>', 'take<busy>'),
    found_by=[unit('bounded_work: the_core/what_was_left_is_handed_over_before_what_comes_later')])
bug('a release hands its permits past an offer',
    (CORE, 'work_was_left ? nullptr : grant_to_first(n, w)', 'grant_to_first(n, w)'),
    found_by=[explorer('offered: release | release of two, release | resumptions')])
bug('a release hands its permits past those that are reserved for the queue',
    (CORE, ' || (w & reserved) ||', ' ||'),
    found_by=[explorer('set_limit to what is in use | release, one waits')])
bug('a resumption has no reference',
    (STRAND, "    add_reference();  // the resumption's\n", ''),
    (STRAND, '    break;\n  }\n  drop_reference();\n  return true;', '    break;\n  }\n  return true;'),
    found_by=[explorer('offered: permits come back | destroy | resumptions')])
bug('the reference of a resumption stays',
    (STRAND, '    break;\n  }\n  drop_reference();\n  return true;', '    break;\n  }\n  return true;'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('the offer of a refused resumption stands (lost wake-up)',
    (STRAND, 'if ((w & busy) && can_repeat) return false;\n', 'if (w & busy) return can_repeat ? false : (drop_reference(), true);\n'),
    found_by=[explorer('offered: release | release thrice | resumptions, one is refused')])
bug('a waiter of another context does not withdraw an offer',
    (CORE, 'const word withdrawn = x.elsewhere_ ? offered : 0;', 'const word withdrawn = 0;'),
    found_by=[explorer('offered: release, wait elsewhere during the offer')])
bug('the strand is offered though a waiter of another context is queued',
    (STRAND, '  if (queue_.has_elsewhere()) return offer::impossible;\n', ''),
    found_by=[explorer('offered: release twice | wait elsewhere | release twice'),
              unit('bounded_work: the_core/a_waiter_of_another_context_is_never_left_behind')])
bug('a waiter of another context is forgotten when the next waiter is queued',
    (DECISIONS, 'x->elsewhere_ || (has_elsewhere_ && (others || has_decided()));', 'x->elsewhere_;'),
    found_by=[unit('bounded_work: the_core/a_waiter_of_another_context_is_never_left_behind')])
bug('the strand is offered though mail was not read',
    (STRAND, '(before & (pending | orphaned | abandoned))', '(before & (orphaned | abandoned))'),
    found_by=[explorer('offered: release, wait elsewhere before the offer')])
bug('a call hands over completions of others without bound',
    (STRAND, 'for_others = most_for_others,', 'for_others = ~std::size_t(0),'),
    found_by=[unit('bounded_work: the_core/one_call_hands_over_at_most_64_for_others'), shell_asan])
bug('a call counts what other threads released before its plan as its own',
    (STRAND, '      if (w != planned) own.end(queue_);\n', ''),
    found_by=[explorer('offered: set_limit | release of three, four wait')])
bug('a call counts the mail of other threads as its own',
    (STRAND, '    own.end(queue_);\n    read_mail(w);\n', '    read_mail(w);\n'),
    found_by=[explorer('offered: set_limit | cancel(), three wait')])
bug('a call leaves what it has decided itself to others',
    (STRAND, '    own.end(queue_);\n    for (refused', '    own.last = nullptr;\n    for (refused'),
    found_by=[unit('bounded_work: the_core/what_a_call_decides_itself_is_handed_over_by_it')])

# ---- The bound of the queue ----------------------------------------------------------------------

bug('the bound is checked before it is counted',
    (CORE, 'if (entered_.compare_exchange_weak(entered, entered + 1, std::memory_order_acq_rel,\n'
     '                                       std::memory_order_acquire))\n      return true;',
     'return entered_.fetch_add(1), true;'),
    found_by=[explorer('bounded: wait | wait')])
bug('a place stays taken by an acquire that was granted after all',
    (CORE, 'if (o != outcome::waiting && std::exchange(entered, false))', 'if (false)'),
    found_by=[explorer('bounded: wait | wait | release')])
bug('a place stays taken by a waiter that was decided',
    (QUEUE, '    count_left(1);\n    if (x->cancellation_) x->c', '    if (x->cancellation_) x->c'),
    found_by=[unit('bounded_waiting: one_semaphore/a_place_is_free_as_soon_as_the_wait_is_decided')])
bug('a full queue keeps refused waiters from being tried again',
    (CORE, 'if (looked || !is_idle(w)) return outcome::queue_full;', 'return outcome::queue_full;'),
    found_by=[unit('bounded_waiting: an_acquire_that_finds_the_queue_full_has_refused_waiters_tried_again')])
bug('a waiter is counted twice beside a busy strand',
    (CORE, 'if ((announcement & queued) && !entered) entered_', 'if (announcement & queued) entered_'),
    found_by=[explorer('bounded: wait | release, one waits')])
bug('a waiter is counted twice at a free strand',
    (CORE, 'queue_.enqueue(&x, entered);', 'queue_.enqueue(&x, false);'),
    found_by=[unit('bounded_waiting: one_semaphore/an_acquire_beyond_the_bound_is_refused')])
bug('waiting() misses waiters while others come and leave',
    (CORE_HPP, 'if (std::exchange(entered, now) == now) return n;', 'return static_cast<void>(now), n;'),
    found_by=[explorer('bounded: wait, release | waiting(), one waits')])
bug('relaxed: a reading of the waiters that have left',
    order(QUEUE, 'return left_.load(std::memory_order_acquire)', 'acquire', 'relaxed'),
    found_by=[explorer('bounded: wait, release | waiting(), one waits')])
bug('relaxed: an entry under the bound',
    order(CORE, 'entered + 1, std::memory_order_acq_rel', 'acq_rel', 'acquire'),
    found_by=[explorer('bounded: wait | release, one waits')])
bug('the bound counts one too many',
    (CORE, 'while (waiting_among(entered) < max_waiting())', 'while (waiting_among(entered) <= max_waiting())'),
    found_by=[explorer('bounded: wait | wait'), unit('bounded_waiting: one_semaphore/an_acquire_beyond_the_bound_is_refused')])

# ---- Cancellations -------------------------------------------------------------------------------

bug('a request that came before its acquire was queued is ignored',
    (QUEUE, '  if (requested != outcome::waiting) decide(x, requested);\n', ''),
    found_by=[explorer('wait | a timer')])
bug('a request that came before its acquire was queued decides it twice',
    (QUEUE, 'if (requested != outcome::waiting) decide(x, requested);\n',
     'cancellation* const c = x->cancellation_;\n'
     '  if (requested != outcome::waiting) decide(x, requested), c->target_ = x;\n'),
    found_by=[explorer('wait | a timer')])
bug('an acquire that decides an early request leaves the strand without telling it',
    (CORE, '&& !queue_.has_decided()) w = try_leave(w);', ') w = try_leave(w);'),
    found_by=[explorer('wait | a timer')])
bug('a decided waiter can still be cancelled',
    (QUEUE, '    if (x->cancellation_) x->cancellation_->target_ = nullptr;\n', ''),
    found_by=[explorer('2 acquirers | canceller of one'), asan])
bug('a mailed cancellation has no reference',
    (STRAND, "  c.add_reference();  // the mailbox's\n", ''), (STRAND, '      c->drop_reference();\n', ''),
    found_by=[explorer('2 acquirers | canceller of one'), asan])
bug('a cancellation is never freed',
    (CANCELLATION, 'if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;',
     'references_.fetch_sub(1, std::memory_order_acq_rel);'),
    found_by=[asan])
bug('the end of a wait does not drop the reference of its cancellation',
    (CORE, '  if (claim(outcome::granted)) core_.drop_reference();\n', ''),
    found_by=[explorer('2 acquirers | canceller of one'), asan])
bug('a cancellation keeps the core until the slot is cleared',
    (CORE, '  if (claim(outcome::granted)) core_.drop_reference();\n', ''),
    (CANCELLATION, '  virtual ~cancellation() = default;\n',
     '  virtual ~cancellation() {\n    if (claim(outcome::granted)) core_.drop_reference();\n  }\n'),
    found_by=[unit('cancellation: emitted/what_stays_in_the_slot_keeps_no_memory_of_the_semaphore')])
bug('a request that comes second drops the reference of the first',
    (CORE, '  if (!claim(o)) return;\n  core_.cancel(*this);\n', '  if (claim(o)) core_.cancel(*this);\n'),
    found_by=[explorer('wait | a timer | release | cancel'), asan])

# ---- References and lifetime of the core ---------------------------------------------------------

bug('the holder of the strand does not notice the last reference',
    (STRAND, '(w & dead) || ((w & orphaned)', '((w & orphaned)'),
    found_by=[explorer('release | the handler destroys')])
bug('the last reference deletes the core under the strand',
    (CORE, 'if (!(word_.fetch_or(dead, std::memory_order_acq_rel) & busy)) delete this;',
     'word_.fetch_or(dead, std::memory_order_acq_rel);\n  delete this;'),
    found_by=[explorer('release | the handler destroys')])
bug('a mailed acquire has no reference',
    (CORE, '''\
  add_reference();
  const word withdrawn = x.elsewhere_ ? offered : 0;
  mailbox_.put(x);
  set_flags(announcement, decides::none, withdrawn);
  drop_reference();
''', '''\
  const word withdrawn = x.elsewhere_ ? offered : 0;
  mailbox_.put(x);
  set_flags(announcement, decides::none, withdrawn);
'''),
    found_by=[explorer('wait | release | the handler destroys')])
bug('a cancel() that leaves a mark has no reference',
    (STRAND, '  add_reference();  // the waiters, which hold the others, may be gone before set_flags()\n', ''),
    (STRAND, '  set_flags(pending, decides::some);\n  drop_reference();\n', '  set_flags(pending, decides::some);\n'),
    found_by=[explorer('cancel() | release | the handler destroys')])
bug('a granted waiter has no reference to the core',
    (STRAND, 'granted_refs_ += p.grants;', ';'),
    found_by=[asan])
bug('a waiter that is granted the permits of a release has no reference to the core',
    (CORE, '  ++granted_refs_;\n', ''),
    found_by=[explorer('acquire | release')])
bug('the references of grants by the strand are not added up',
    (STRAND, 'missing = granted_refs_ + ', 'missing = '),
    found_by=[explorer('acquire | release')])
bug('the references of grants at once, in the word, are not added up',
    (STRAND, 'granted_refs_ + static_cast<std::int64_t>(w / ref_unit)', 'granted_refs_'),
    found_by=[explorer('acquire | release')])
bug('a refused grant keeps its reference',
    (STRAND, '  granted_refs_ -= r.references;\n', ''),
    found_by=[explorer('a refusing executor | release | release')])
bug('the references are added up twice',
    (STRAND, 'std::exchange(references_summed_, true)', 'references_summed_'),
    found_by=[explorer('destroy | a permit comes back')])
bug('the strand is left without adding up the references',
    (STRAND, '  if (w & orphaned) return word_.load(std::memory_order_acquire);\n', ''),
    found_by=[explorer('weighted head + canceller | release | try_acquire')])
bug('the reference of a grant during the last delivery is not added up',
    (STRAND, '  if (w & orphaned) return word_.load(std::memory_order_acquire);\n', '  if (w & orphaned) return w;\n'),
    found_by=[explorer('destroy, the aborted acquires | a permit comes back')])
bug('the end of the semaphore does not have the references added up',
    (STRAND_HPP, 'set_flags(orphaned | pending, decides::some)', 'set_flags(orphaned, decides::some)'),
    found_by=[explorer('acquire | release')])

# ---- Memory orders -------------------------------------------------------------------------------

bug('relaxed: the mailbox, taken',
    order(MAILBOX, 'newest_.exchange(0, std::memory_order_acquire)', 'acquire', 'relaxed'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit'), tsan])
bug('relaxed: the mailbox, put into',
    order(MAILBOX, '(&m),\n                                            std::memory_order_release', 'release', 'relaxed'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
RUN = '''\
w, p.next, std::memory_order_acq_rel,
                                                    std::memory_order_acquire)) {
'''
bug('no release: the strand, left by a thread that found nothing to do',
    order(STRAND, RUN, 'acq_rel', 'acquire'), found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('no acquire: the strand, going on',
    order(STRAND, RUN, 'acq_rel', 'release'), found_by=[explorer('cancel the head | wait, wait, try_acquire')])
bug('no acquire: the strand, after the word has changed',
    order(STRAND, RUN, 'acquire', 'relaxed'), found_by=[explorer('release, too few for the head | set_limit')])
LEAVE = 'w & ~busy, std::memory_order_release,\n                                       std::memory_order_acquire)'
bug('no release: the strand, left at once',
    order(STRAND, LEAVE, 'release', 'relaxed'), found_by=[explorer('acquire | release'), tsan])
bug('no acquire: the strand, not left after all',
    order(STRAND, LEAVE, 'acquire', 'relaxed'),
    found_by=[explorer('lower the limit | release, with a heavy waiter')])
bug('no release: the strand, offered',
    order(STRAND, 'if (word_.compare_exchange_weak(w, w & ~busy, std::memory_order_release', 'release', 'relaxed'),
    found_by=[explorer('offered: release | release thrice | resumptions')])
bug('no acquire: the strand, taken by a resumption',
    order(STRAND, 'with_strand(w), std::memory_order_acquire,\n', 'acquire', 'relaxed'),
    found_by=[explorer('offered: release | release | two run resumptions')])
bug('relaxed: the strand, taken by an acquire',
    order(CORE, 'w | busy | queued, std::memory_order_acquire', 'acquire', 'relaxed'),
    found_by=[explorer('3 threads x 1 round, 1 permit')])
TAKEN = '''\
w | busy, std::memory_order_acquire)) {
      '''
bug('relaxed: the strand, taken by cancel()',
    order(STRAND, TAKEN + 'queue_', 'acquire', 'relaxed'),
    found_by=[explorer('cancel() | release | the handler destroys')])
bug('relaxed: the strand, taken by a cancellation',
    order(STRAND, 'w | busy, std::memory_order_acquire)) {\n      if (c', 'acquire', 'relaxed'), found_by=[explorer('2 acquirers | canceller of one')])
RELEASE = 'std::memory_order_acq_rel, std::memory_order_relaxed));\n  if (!(next & busy)'
bug('no release: a release to the queue',
    order(CORE, RELEASE, 'acq_rel', 'acquire'), found_by=[explorer('acquire | release')])
bug('no acquire: a release to the queue',
    order(CORE, RELEASE, 'acq_rel', 'release'), found_by=[explorer('acquire | release')])
bug('relaxed: the permits of a release, given back to the count',
    order(CORE, 'while (!word_.compare_exchange_weak(w, next, std::memory_order_acquire));', 'acquire', 'relaxed'),
    found_by=[explorer('release, too few for the head | set_limit')])
SET = 'std::memory_order_acq_rel, std::memory_order_relaxed));\n  // Work that an offer'
bug('no release: a flag, set',
    order(STRAND, SET, 'acq_rel', 'acquire'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('no acquire: a flag, set',
    order(STRAND, SET, 'acq_rel', 'release'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('relaxed: permits, taken by a waiting acquire',
    order(CORE, '''\
w + x.permits_ + ref_unit;
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)''', 'acquire', 'relaxed'),
    found_by=[explorer('2 threads x 2 rounds, 1 permit')])
bug('relaxed: permits, taken by shrink',
    order(CORE, 'w + taken, std::memory_order_acquire', 'acquire', 'relaxed'),
    found_by=[explorer('shrink by two | release | release')])
bug('relaxed: permits, taken at once',
    order(COUNTER, 'compare_exchange_weak(w, next, std::memory_order_acquire)', 'acquire', 'relaxed'),
    found_by=[explorer('try_acquire, release | try_acquire, release')])
bug('relaxed: permits, released',
    order(CORE_HPP, 'w - n, std::memory_order_release,\n', 'release', 'relaxed'),
    found_by=[explorer('acquire | release'), tsan])
bug('relaxed: permits of an object, released',
    order(CORE_HPP, 'w - n, std::memory_order_release, std::memory_order_relaxed', 'release', 'relaxed'),
    found_by=[explorer('a permit object | a permit object')])
REFERENCE = 'references_.fetch_sub(1, std::memory_order_acq_rel)'
bug('no acquire: a reference, dropped',
    order(CORE, REFERENCE, 'acq_rel', 'release'), found_by=[explorer('destroy | a permit comes back')])
bug('no release: a reference, dropped',
    order(CORE, REFERENCE, 'acq_rel', 'acquire'), found_by=[explorer('destroy | a permit comes back')])
bug('no acquire: a cancellation, dropped',
    order(CANCELLATION, REFERENCE, 'acq_rel', 'release'), found_by=[explorer('2 acquirers | canceller of one')])
bug('no release: a cancellation, dropped',
    order(CANCELLATION, REFERENCE, 'acq_rel', 'acquire'), found_by=[explorer('2 acquirers | canceller of one')])
bug('no acquire: the references, added up',
    order(STRAND, 'references_.fetch_add(missing, std::memory_order_acquire', 'acquire', 'relaxed'),
    found_by=[explorer('release | the handler destroys')])
DEAD = 'fetch_or(dead, std::memory_order_acq_rel)'
bug('no release: the dead flag',
    order(CORE, DEAD, 'acq_rel', 'acquire'), found_by=[explorer('release | the handler destroys')])
bug('no acquire: the dead flag',
    order(CORE, DEAD, 'acq_rel', 'release'), found_by=[explorer('release | the handler destroys')])
bug('no release: a limit, proposed',
    order(CORE, '(l, proposal, std::memory_order_acq_rel)', 'acq_rel', 'relaxed'),
    found_by=[explorer('raise the limit | try_acquire')])
bug('relaxed: a limit, put in force',
    order(CORE, 'const word l = limit_.load(std::memory_order_acquire)', 'acquire', 'relaxed'),
    found_by=[explorer('raise the limit | try_acquire')])
bug('no release: the epoch of a limit',
    order(CORE, 'word_.compare_exchange_strong(w, next, std::memory_order_acq_rel', 'acq_rel', 'relaxed'),
    found_by=[explorer('release, too few for the head | set_limit')])

# ---- Asio: contexts and lifetime -----------------------------------------------------------------

bug('handlers are destroyed with a mutex locked',
    (SERVICE, '    while (counter* const c = next_to_abandon()) {',
     '    const std::scoped_lock lock(mutex_);\n    while (counter* const c = next_to_abandon()) {'),
    (SERVICE, '    const std::scoped_lock lock(mutex_);\n    is_shut_down_', '    is_shut_down_'),
    found_by=[unit('lifetime: contexts/destructors_of_handlers_may_close_and_destroy')], row='H1')
bug('a semaphore that is made during the destruction of its context is not abandoned',
    (SERVICE, 'if (s.is_shut_down_) c.abandon();', ''),
    found_by=[unit('lifetime: contexts/destructors_of_handlers_may_make_semaphores')], row='H1')
bug('a handler is destroyed while its waiter is in a list',
    (STRAND, '    x->discard();\n', '    queue_.put_decided(x);\n    x->discard();\n    queue_.remove_decided(x);\n'),
    (DECISIONS, '  bool has_decided()',
     '  void put_decided(waiter* x) noexcept { decided_.push_back(x); }\n'
     '  void remove_decided(waiter* x) noexcept { decided_.erase(x); }\n  bool has_decided()'),
    found_by=[unit('lifetime: contexts/destructors_of_handlers_may_call_every_member')], row='H1')
bug('the service of strands shuts down before that of the semaphores',
    (SERVICE, '    make_strand_service(context);\n', ''),
    found_by=[unit('lifetime: contexts/a_strand_that_was_made_after_a_semaphore_is_dropped_in_time', address=True)],
    row='H1')
bug('a strand that is shut down destroys inside execute()',
    (OP, '      if (d.came_back()) discard();  // the executor is shut down\n', ''),
    found_by=[unit('lifetime: contexts/a_shut_down_strand_of_another_context_gives_back_at_once')], row='H1')
bug('what an executor that is shut down destroys is destroyed twice',
    (OP, 'if (op_ && !delivery::come_back(delivery_, op_)) op_->discard();',
     'if (op_ && (delivery::come_back(delivery_, op_), true)) op_->discard();'),
    found_by=[unit('lifetime: contexts/a_shut_down_strand_of_another_context_gives_back_at_once')], row='H1')
bug('a completion that is destroyed uncalled keeps its permits',
    (OP, '(tracking_));  // not invoked\n    take_apart();\n',
     '(tracking_));  // not invoked\n    take_apart().permit_.forget();\n'),
    found_by=[tsan, unit('lifetime: contexts/permits_of_handlers_that_are_destroyed_go_to_the_next')], row='H2')
bug('a completion that was granted at once and is destroyed uncalled keeps its permits',
    (COMPLETION, '  completion<handler_type, WithPermit> f{',
     '  if constexpr (!WithPermit) p.forget();\n  completion<handler_type, WithPermit> f{'),
    found_by=[unit('lifetime: contexts/permits_of_handlers_that_are_destroyed_go_to_the_next')], row='H2')
bug('permits do not share ownership of the core',
    (CORE_HPP, '  c()->drop_reference();\n', ''), (CORE, '  give_back(n);\n  drop_reference();\n', '  give_back(n);\n'),
    (PERMIT, 'if (detail::permit_owner* const o = std::exchange(owner_, nullptr)) o->drop_object();',
     'owner_ = nullptr;'),
    (PERMIT, '    static_cast<Owner*>(o)->drop_reference();\n', '    {}\n'),
    (PERMIT, '    owner_->add_object();\n', ''),
    (PERMIT, 'noexcept { return {o, n}; }', 'noexcept {\n  o.drop_object();\n  return {o, n};\n}'),
    found_by=[unit('permits: outliving_the_semaphore/all_members_of_a_permit_work_without_its_semaphore', address=True)], row='H3')
bug('granted operations do not share ownership of the core',
    (STRAND, 'granted_refs_ += p.grants;', ';'), (STRAND, '  granted_refs_ -= r.references;\n', ''),
    (OP, '    const outcome o = this->get_outcome();\n',
     '    owner_->get_counter().add_reference();\n    const outcome o = this->get_outcome();\n'),
    found_by=[unit('lifetime: semaphores/the_last_grant_outlives_the_semaphore', address=True)], row='H3')
bug('an operation refers to the object that it was started on',
    (SERVICE, '  bool has_context() const',
     '  counter* const& place() const noexcept { return core_; }\n  bool has_context() const'),
    (OP, 'owner_(&owner),', 'owner_{sem.place()},'),
    (OP, '  Owner* owner_;  // from', '''\
  struct owner_of {
    counter* const& core_;
    Owner& operator*() const noexcept { return static_cast<Owner&>(*core_); }
    Owner* operator->() const noexcept { return &**this; }
    operator Owner*() const noexcept { return &**this; }
  };
  owner_of owner_;  // from'''),
    found_by=[unit('lifetime: moves/waits_and_permits_follow_the_state')], row='H11')

# ---- Asio: executors -----------------------------------------------------------------------------

# The mutex is the one that Boost.SAM's semaphore and Asio's channels have.
bug('completions are handed over with a mutex locked',
    (STRAND, '#include <turnstile/detail/strand.hpp>\n',
     '#include <turnstile/detail/strand.hpp>\n\n#include <mutex>\nnamespace { std::mutex guard; }\n'),
    (STRAND, '    for (refused = false;', '    guard.lock();\n    for (refused = false;'),
    (STRAND, 'refused = !deliver(x);\n      if (was', 'refused = !deliver(x);\n      guard.unlock();\n      if (was'),
    (CORE, 'bool core::release_to_queue(std::size_t n, word w, std::size_t kept) noexcept {\n',
     'bool core::release_to_queue(std::size_t n, word w, std::size_t kept) noexcept {\n  guard.lock();\n  guard.unlock();\n'),
    found_by=[unit('executors: custom/an_executor_that_runs_inline_neither_deadlocks_nor_recurses')], row='H4')
bug('a waiter is not put back after its executor threw',
    (OP, '        if (!d.came_back()) return departure.ends(true);\n', '        return departure.ends(true);\n'),
    found_by=[unit('executors: custom/a_waiter_that_is_refused_is_the_head_again')], row='H5')
bug('a waiter is put back after its executor threw, though the executor kept the completion',
    (OP, '        if (!d.came_back()) return departure.ends(true);\n', ''),
    found_by=[unit('executors: custom/a_completion_kept_before_the_executor_threw_is_run_by_it'),
              unit('allocation: without_memory/operations_without_memory_on_a_strand')], row='H5')
bug('an acquire that is refused at once keeps its permits',
    (COMPLETION, '  completion<handler_type, WithPermit> f{',
     '  p.forget();\n  completion<handler_type, WithPermit> f{'),
    found_by=[unit('executors: custom/an_acquire_granted_at_once_and_refused_takes_nothing')], row='H5')
bug('two hand-overs are told apart by the operation only',
    (DELIVERY, 'while (i && i != d) i = i->outer_;\n    return i && i->what_ == what ? i : nullptr;',
     'while (i && i->what_ != what) i = i->outer_;\n    return i;'),
    found_by=[unit('executors: custom/an_inline_handler_may_give_its_memory_to_another_wait')])
bug('two hand-overs are told apart by their place on the stack only',
    (DELIVERY, 'return i && i->what_ == what ? i : nullptr;', 'return i;'),
    found_by=[unit('executors: custom/a_kept_completion_may_be_destroyed_while_another_is_handed_over')])
bug('a release calls the handler',
    (OP, '      this->schedule();\n', '      call();\n'),
    found_by=[unit('queue: completions/completions_are_never_inline')], row='H7')
bug("a release calls the handler, with an executor that is not Asio's scheduler",
    (OP, '        handle h(*this, d);\n', '        handle h(*this, d);\n        return std::move(h)(), true;\n'),
    found_by=[unit('executors: posting/handlers_never_run_inside_a_call_on_a_strand')], row='H7')
bug('an acquire that is granted at once calls the handler',
    (COMPLETION, '        detail::post(ex, std::move(f), allocator);', '        f();'),
    found_by=[unit('queue: completions/completions_are_never_inline')], row='H7')
bug("a release on the context's thread calls the handler",
    (ASIO, '  void schedule() noexcept {',
     '  void schedule() noexcept {\n    if (scheduler_->can_dispatch()) return run(this, this, {}, 0);\n'),
    found_by=[unit('queue: completions/completions_are_never_inline_on_the_context_either')], row='H7')
bug('a release calls the handler if the executor prefers that',
    (EXECUTOR, 'asio::require(ex, asio::execution::blocking.never)',
     'asio::prefer(ex, asio::execution::blocking.possibly)'),
    found_by=[depth, unit('executors: posting/handlers_never_run_inside_a_call_on_an_executor_that_prefers_to_block')], row='H7')
bug('an exception of a handler does not leave run()',
    (ASIO, '      op.call();', '      try {\n        op.call();\n      } catch (...) {\n      }'),
    found_by=[unit('lifetime: throwing_handlers/throwing_handlers_leave_nothing_half_done')], row='H9')
bug('permits are passed on after the handler has returned',
    (COMPLETION, '      detail::forget_permit_of<core>(permit_);  // they belong to the handler now\n      std::move(handler_)(ec);',
     '      std::move(handler_)(ec);\n      detail::forget_permit_of<core>(permit_);'),
    found_by=[unit('lifetime: throwing_handlers/throwing_handlers_leave_nothing_half_done')], row='H9')
bug("there is no work on the handler's executor",
    (ASIO, '{ s.work_started(); }', '{}'), (ASIO, '    if (scheduler_) scheduler_->work_finished();\n', ''),
    (ASIO, 'post_deferred_completion(this)', 'post_immediate_completion(this, false)'),
    found_by=[unit('executors: outstanding_work/run_does_not_return_while_a_waiter_waits')], row='H10')
bug("there is no work on the handler's executor if it is not Asio's scheduler",
    (EXECUTOR, '      : executor_(asio::prefer(ex, asio::execution::outstanding_work.tracked)) {}',
     '      : executor_(ex) {}'),
    (EXECUTOR, '  std::decay_t<typename tracked::type> executor_;', '  E executor_;'),
    found_by=[unit('executors: outstanding_work/a_polymorphic_executor_is_what_it_stands_for')], row='H10')
bug("there is no work on the semaphore's executor",
    (OP, 'handler_ex, ex)) return;\n      semaphore_work_.emplace(ex);\n', 'handler_ex, ex)) return;\n'),
    found_by=[unit('executors: outstanding_work/both_executors_have_work_while_a_waiter_waits')], row='H10')
bug('work is counted twice on one executor',
    (OP, '      if (detail::same_executor(handler_ex, ex)) return;\n', ''),
    found_by=[unit('executors: outstanding_work/the_same_executor_is_not_counted_twice')], row='H10')
bug("the work on the semaphore's executor is kept until the handler has returned",
    (OP, '      semaphore_work_.reset();\n      this->schedule();\n', '      this->schedule();\n'),
    found_by=[unit('executors: outstanding_work/the_semaphores_executor_has_none_when_the_wait_is_over')], row='H10')

# ---- Asio: slots, memory, tokens -----------------------------------------------------------------

CLEAR = 'if (this->cancellation_) asio::get_associated_cancellation_slot(handler_).clear();\n'
bug('the thread that releases clears the slot',
    (OP, '  bool deliver() noexcept override {\n', '  bool deliver() noexcept override {\n    ' + CLEAR),
    found_by=[tsan, shell_tsan, unit('cancellation: emitted/the_slot_is_touched_in_the_initiating_call_only')],
    row='H6')
bug('the completion clears the slot',
    (OP, '    const outcome o = this->get_outcome();\n', '    ' + CLEAR + '    const outcome o = this->get_outcome();\n'),
    found_by=[shell_tsan, unit('cancellation: emitted/the_slot_is_touched_in_the_initiating_call_only')], row='H6')
bug('the slot is cleared after the handler was called',
    (OP, '    take_apart()();\n',
     '    auto slot = asio::get_associated_cancellation_slot(handler_);\n    take_apart()();\n    slot.clear();\n'),
    found_by=[unit('cancellation: emitted/an_emission_after_the_handler_cancels_the_wait_that_it_began')], row='H6')
bug("the slot's handler does not own what it names",
    (REQUEST, 'cancellation_(&c) { c.add_reference(); }', 'cancellation_(&c) {}'),
    (REQUEST, '  ~cancellation_share() {\n    if (cancellation_) cancellation_->drop_reference();\n  }\n',
     '  ~cancellation_share() {}\n'),
    found_by=[unit('cancellation: emitted/an_emission_after_the_destruction_of_the_context_does_nothing', address=True)],
    row='H6')
bug("the slot's handler uses itself after it was destroyed",
    (REQUEST, '    const cancellation_share share(*cancellation_);\n    share.cancellation_->request(o);\n',
     '    cancellation_->request(o);\n'),
    found_by=[unit('cancellation: during_the_emission/everything_may_be_destroyed_during_the_emission', address=True)], row='H6')
bug('the handler is called before its memory is free',
    (OP, '    take_apart()();\n',
     '    const outcome o = this->get_outcome();\n'
     '    completion<Handler, WithPermit>{std::move(handler_), o, '
     'o == outcome::granted ? make_permit(*owner_, this->permits()) : permit(), tracking_}();\n'
     '    if (o == outcome::granted) owner_->get_counter().add_reference();\n    take_apart().permit_.forget();\n'),
    found_by=[unit('allocation: user_code/a_handler_may_own_its_memory')], row='H8')
bug('the handler is destroyed before its memory is free',
    (OP, '    this->~acquire_op();\n', '    { const Handler first(std::move(c.handler_)); }\n    this->~acquire_op();\n'),
    (OP, '    take_apart()();\n', '    completion<Handler, WithPermit>{std::move(handler_), this->get_outcome(), '
     'make_permit(*owner_, this->permits()), tracking_}();\n'),
    found_by=[unit('allocation: user_code/a_handler_that_owns_its_memory_may_be_destroyed', address=True)], row='H8')
bug('a coroutine goes on at once on the thread of another executor',
    (SEMAPHORE, '''\
    if (detail::runs_in_this_thread(co_await boost::asio::this_coro::executor) &&
        detail::goes_on_at_once()) {
''', '    if (detail::goes_on_at_once()) {\n'),
    found_by=[shell_tsan, unit('coroutines: a_coroutine_that_moved_to_a_pool_comes_back_to_its_io_context')])
bug('a timed acquire that has no time is timed out beside a busy strand',
    (INITIATE, ' && !c.would_grant(n))', ')'),
    found_by=[unit('executors: custom/a_timed_acquire_without_time_is_granted_beside_a_busy_strand')])
bug('the timer of a granted acquire outlives the context of the semaphore',
    (OP, '      expiry_.reset();\n      semaphore_work_.reset();\n      this', '      semaphore_work_.reset();\n      this'),
    found_by=[unit('timed: one_acquire/a_timed_acquire_that_was_granted_outlives_the_context_of_its_semaphore', address=True)])
bug('an initiation does not name its executor',
    (INITIATE, '  using executor_type = Executor;\n\n', ''),
    (INITIATE, '  executor_type get_executor() const noexcept { return implementation_->get_executor(); }\n', ''),
    found_by=[unit('tokens: an_initiation_names_its_executor', about_compiling=True)], row='H12')
bug("an error code is of another library's type",
    (SEMAPHORE, '''\
    return boost::asio::async_initiate<Token, void(error_code)>(initiation<false>(), token, n);
''', '''\
    return boost::asio::async_initiate<Token, void(std::error_code)>(initiation<false>(), token, n);
'''),
    (COMPLETION, '  // they belong to the handler now\n      std::move(handler_)(ec);',
     '\n      std::move(handler_)(std::error_code(ec));'),
    (SEMAPHORE, '      if (core().would_grant(n)) return try_and_wait<false, void>(n, token);\n', ''),
    found_by=[unit('cancellation: a_cancelled_co_await_throws')], row='H13')

# ---- The lanes: fairness between keys ------------------------------------------------------------

bug('the key that holds most comes first',
    (LANES, 'return a.held < b.held;', 'return a.held > b.held;'),
    found_by=[unit('lanes: turns/a_permit_goes_to_the_key_that_holds_fewest')])
bug('the key whose head came last comes first',
    (LANES, 'return a.arrival < b.arrival;', 'return a.arrival > b.arrival;'),
    found_by=[unit('lanes: turns/of_keys_that_hold_the_same_the_one_whose_head_waits_longest_comes_first')])
bug('a lane keeps its turn when its head leaves',
    (LANES, 'const bool was_head = head(l) == &x;', 'const bool was_head = l.waiting_ == 1;'),
    found_by=[unit('lanes: turns/a_new_head_waits_since_it_came'), unit('lanes: histories')])
bug('an arrival overtakes the head whose turn it is',
    (LANES, '!other || other->turn_.passed_over || other->held_ > l.held_', 'true || !other'),
    found_by=[unit('lanes: limits/the_head_whose_turn_it_is_holds_back_the_others')])
bug('a key at its limit holds back arrivals of others',
    (LANES, '!other || other->turn_.passed_over || ', '!other || '),
    found_by=[unit('lanes: limits/a_head_that_does_not_fit_under_the_limit_of_its_key_is_passed_over')])
bug('a key at its limit holds back the waiters of others',
    (LANES, 'if (a.passed_over != b.passed_over) return b.passed_over;', ''),
    found_by=[unit('lanes: histories')])
bug('a key that holds more than a lowered limit is granted more',
    (LANES, 'l.held_ > limits_.per_key || ', ''),
    found_by=[unit('lanes: limits/a_lowered_limit_takes_nothing_from_the_holders')])
bug('a waiter that was put back is missed by a lowered limit',
    (LANES, '  unlink(l);\n  largest_ = (std::max)(largest_, x.permits());\n', '  unlink(l);\n'),
    found_by=[unit('lanes: histories')])
bug('a key may have one waiter more than its bound',
    (LANES, 'l.waiting_ >= limits_.max_waiting_per_key', 'l.waiting_ > limits_.max_waiting_per_key'),
    found_by=[unit('lanes: bounds/a_key_may_have_so_many_waiters')])

# ---- Keys ------------------------------------------------------------------------------------------

bug('a claim of a key that is undone is not announced (lost wake-up)',
    (KEYED, ' & key_node::has_waiters) announce(k, 0);', ' & key_node::has_waiters) {}'),
    found_by=keyed('try A | acquire A | try B, total 1'))
bug('a key whose permits came back is mailed without its flag',
    (LANE_QUEUE, 'k.state_.fetch_and(~key_node::mailed, std::memory_order_acq_rel);', 'k.state_.load(std::memory_order_acquire);'),
    found_by=[explorer()])
bug('a key is mailed again while the strand still reads its mail',
    order(LANE_QUEUE, '~key_node::mailed, std::memory_order_acq_rel', 'acq_rel', 'acquire'),
    found_by=keyed('release | release, release, two wait, one key'))
bug('the strand does not read the permits of a key that was mailed',
    (LANE_QUEUE, '    refresh(k);\n    k.end_wait();', '    k.end_wait();'),
    found_by=[explorer()])
bug('a release that takes the strand does not tell it of the key',
    (KEYED, '      queue_.refresh(k);\n', ''),
    found_by=[HISTORY, unit('keyed: fairness/a_release_counts_for_its_own_key_first')])
bug('an acquire of a key with waiters claims permits',
    (KEY_NODE, '(s & has_waiters) || held(s) > limit', 'held(s) > limit'),
    found_by=[HISTORY])
bug('a key claims permits above its limit',
    (KEY_NODE, 'held(s) > limit || n > limit - held(s)', 'held(s) > limit'),
    found_by=[HISTORY, unit('keyed: limits/a_key_holds_at_most_its_limit')])
bug('the strand admits a waiter without closing its key to others',
    (LANE_QUEUE, 'k.state_.fetch_or(key_node::has_waiters, std::memory_order_acquire);\n  refresh', 'refresh'),
    found_by=[explorer()])
bug('a key without waiters stays closed to other threads',
    (LANE_QUEUE, '  if (n == 0) k.state_.fetch_and(~key_node::has_waiters, std::memory_order_release);\n', ''),
    found_by=[HISTORY])
bug('the last pin is dropped without the mutex',
    (KEYED, 'if (left < key_node::one_pin) return', 'if (left < key_node::one_pin && k.state_.load() != 0) return'),
    (KEYED, '    const std::scoped_lock lock(mutex_);\n    // Acquires what was done through the other pins.', '    // Acquires what was done through the other pins.'),
    found_by=[explorer()])
bug('a node is removed though its key holds permits',
    (KEYED, '    if (left != 0 && !orphaned_nodes_) return true;\n', ''),
    found_by=[unit('keyed: permits/forgotten_permits_are_held_until_the_semaphore_is_gone')])
bug('a key that comes meanwhile is not found by the second look',
    (KEY_TABLE, '      if (inserted) spare.release();\n      at = there;\n', '      at = tree::s_iterator_to(*spare.release());\n'),
    found_by=keyed('acquire, release | acquire, release, one key'))
bug('a new key of which nothing is claimed stays',
    (KEY_TABLE, 'if (!waits && at->is_pinned())', 'if (!waits)'),
    found_by=keyed('lower per_key | try A for two'))
bug('the total is taken whatever has changed since it was looked at',
    (KEYED_HPP, 'word_.compare_exchange_strong(w, w + n, std::memory_order_acquire)',
     '(word_.fetch_add(n, std::memory_order_acquire), true)'),
    found_by=[explorer()])
bug('a claim is not compared with a lower limit of keys',
    (KEYED, 'o == outcome::granted ? per_key() : 0;', 'o == outcome::granted ? state_word::max : 0;'),
    found_by=keyed('wait A | try A, lower per_key, raise the total'))
bug('a grant of the strand leaves the queue open before it comes to the key',
    (LANE_QUEUE, 'return {1, next_->permits_, true, true};', 'return {1, next_->permits_, true, false};'),
    found_by=keyed('try A | try B, wait A, release B | lower per_key, raise the total'))
bug('an acquire of a key overtakes completions that the strand has yet to deliver',
    (KEYED_HPP, '(is_idle(w) || !beside_strand) &&', ''),
    found_by=[explorer()])
bug('two claims above a lower limit of a key are both undone',
    (KEYED, 'compare_exchange_weak(s, s - n, std::memory_order_acq_rel,\n                                           std::memory_order_acquire)',
     'fetch_sub(n, std::memory_order_acq_rel)'),
    found_by=keyed('try A | try A | lower per_key, raise the total'))
bug('an acquire of a key overtakes them where the total has changed',
    (KEYED, 'beside_strand && !is_idle(w)', 'beside_strand && false'),
    found_by=[explorer()])
bug('a closed keyed semaphore aborts its waiters',
    (KEYED, '  if (is_closed()) return set_flags(pending, decides::some);\n', ''),
    found_by=keyed('close, cancel() | release, A and B wait'))
bug('a refused decision is not tried again by the next release',
    (LANE_QUEUE_HPP, '!inbox_.empty() || !standing_.empty()};', '!inbox_.empty()};'),
    found_by=keyed('a refusing executor | cancel | release B'))
bug('a waiter that is granted as it comes is queued above the bound',
    (LANE_QUEUE, '  if (a == admission::granted && !is_cancelled) return true;\n', ''),
    (LANE_QUEUE, 'a == admission::queue_full', 'a == admission::queue_full && false'),
    found_by=[HISTORY, unit('keyed: bounded/zero_means_never_wait')])
bug('new limits of keys are not looked at',
    (LANE_QUEUE, '         lanes_.limits() != limits_under(limit);', '         false;'),
    found_by=[HISTORY, unit('keyed: limits/set_limits_grants_at_once')])

# ---- One limit for many processes: the server ----------------------------------------------------

bug("the server's clock ends leases when it jumps",
    (SERVER, 's.now += std::clamp<number>(wall - s.wall, 0, longest_step(s.lease));',
     's.now += std::max<number>(wall - s.wall, 0);'), found_by=[fleet], row='F1')
bug("the server's time goes back with its clock",
    (SERVER, 'std::clamp<number>(wall - s.wall, 0, longest_step(s.lease))',
     'std::min<number>(wall - s.wall, longest_step(s.lease))'), found_by=[fleet], row='F1')
bug('the server ends a lease when its member gives it up',
    (SERVER, 'm.end = s.now + s.lease;', 'm.end = s.now + given_up_after(s.lease);'), found_by=[fleet, fleet_exhaustive], row='F1')
bug('a lease never ends',
    (SERVER, 'if (entry.second.end > s.now) return false;', 'if (entry.second.share >= 0) return false;'),
    found_by=[fleet], row='F2')
bug('a request is executed after a later one',
    (SERVER, 'r.serial <= m->second.serial', 'r.serial == m->second.serial'), found_by=[fleet, fleet_exhaustive], row='F5')
bug('a server that takes over grants at once',
    (SERVER, ': s.run_id != f.run_id;', ': false;'), found_by=[fleet, fleet_exhaustive], row='F8')
bug('a young server without state grants to a newcomer at once',
    (SERVER, 'r.version > 0 || f.age < given_up_after(s.lease)', 'r.version > 0'), found_by=[fleet], row='F9')
bug('a server that takes over learns until the members give up, and its clock jumps',
    (SERVER, 's.learning_until = s.now + s.lease;', 's.learning_until = s.now + given_up_after(s.lease);'),
    found_by=[fleet], row='F8')
bug('a server that takes over gives a member what it gave back before',
    (SERVER, 'r.epoch == s.epoch ? m.share - r.held : 0', 'm.share - r.held'), found_by=[fleet], row='F8')
bug('a server that takes over relies on a lease whose end it may have forgotten',
    (SERVER, 'const bool is_restored = m.epoch != s.epoch && m.end - s.now > s.lease / 3;', 'const bool is_restored = m.epoch != s.epoch;'), found_by=[fleet_server], row='F8')
bug('a token does not grow when another server takes over',
    (SERVER, 's.version = std::max(s.version, r.version);', ''), (SERVER, 'std::max(s.version + 1, f.wall)', 's.version + 1'),
    found_by=[fleet], row='F10')
bug('a session that a failover restored keeps its token',
    (SERVER, 'if (m.epoch != s.epoch && m.share > 0 && !claimed) m.token = m.version = ++s.version;', ''),
    found_by=[fleet], row='F10')
bug('a token is that of an older grant',
    (SERVER, 'if (r.m->share > r.share) r.m->token = r.m->version;', 'if (r.m->token == 0) r.m->token = r.m->version;'),
    found_by=[fleet], row='F10')
bug('what a member claims is used again without room for it',
    (SERVER, 'm.debt += std::min(claimed, excess(s));', 'm.debt += 0;'), found_by=[fleet, fleet_server], row='F11')
bug('what a member claims while the server learns is used again',
    (SERVER, 'r.lost ? claimed : 0', 'number(0)'), found_by=[fleet_server], row='F11')
bug('shares stay over the limit',
    (SERVER, 'number missing = excess(s);', 'number missing = 0;'),
    (SERVER, 'r.m->recall = r.m->debt = std::min(r.m->debt, excess(s));', 'r.m->recall = r.m->debt = 0;'),
    found_by=[fleet], row='F12')
bug('more is granted than the limit leaves',
    (SERVER, 'std::min(r.target - r.m->share, s.limit - s.used)', 'r.target - r.m->share'), found_by=[fleet], row='F12')
bug('what a member has not heard of is taken back',
    (SERVER, 'r.epoch == s.epoch ? m.share - r.held : 0', '0'), found_by=[fleet], row='F5')
bug('the news of a new session are older than those of the one that ended',
    (SERVER, 'if (m.version == 0)', 'if (m.version < 0)'), found_by=[fleet], row='F5')
bug('a starving member has no turn',
    (SERVER, 'if (r.has_turn && part <= left) {', 'if (r.has_turn && part < 0) {'), found_by=[fleet], row='F14')
bug('a place in the queue is for what was needed long ago',
    (SERVER, 'm.need = r.need <= s.limit ? r.need : 0;', 'm.need = std::max(m.need, r.need <= s.limit ? r.need : 0);'),
    found_by=[fleet_server], row='F14')
bug('what cannot be divided goes from the member that had its turn last',
    (SERVER, 'a->m->turn_end > b->m->turn_end', 'a->m->turn_end < b->m->turn_end'), found_by=[fleet_server], row='F14')
bug('the member that has more gets more',
    (SERVER, 'return a->m->share != b->m->share', 'return true || a->m->share != b->m->share'),
    (SERVER, '    if ((*first)->demand > level) break;', '    if ((*first)->demand > level + (*first)->m->share / 2) break;'),
    found_by=[fleet], row='F14')
bug('in-use permits are not recalled for others',
    (SERVER, 'std::clamp<number>(beyond(r) - r.m->recall,', 'std::clamp<number>(beyond(r) - r.m->recall - r.m->in_use,'),
    found_by=[fleet], row='F14')
bug('idle permits of other members are asked for once a head waits in vain',
    (SERVER, '  return wanted;', '  return std::any_of(rows.begin(), rows.end(), [](const row& r) { return r.m->need > 0; }) ? wanted : 0;'),
    found_by=[fleet_server], row='F17')

# ---- One limit for many processes: a member ------------------------------------------------------

bug('a stopped process grants before it has looked at the clock',
    (MEMBER, 'return counts_on_share() && (now < deadline_ || options_.when_unreachable == unreachable::keep);',
     'return counts_on_share() || now < 0;'), found_by=[fleet, fleet_member, fleet_exhaustive], row='F3')
bug('the deadline counts from the answer',
    (MEMBER, 'deadline_ = sent_at_ + given_up_after(lease_);', 'deadline_ = now + given_up_after(lease_);'),
    found_by=[fleet, fleet_member, unit('shared_lease: loss/a_late_answer_is_an_answer_if_its_lease_is_valid'), fleet_exhaustive], row='F4')
bug('the lease is given up when the server ends it',
    (MEMBER, 'deadline_ = sent_at_ + given_up_after(lease_);', 'deadline_ = sent_at_ + lease_;'), found_by=[fleet], row='F4')
bug('the deadline is not observed',
    (MEMBER, 'if (!valid_ || now < deadline_) return;', 'if (!valid_ || now >= 0) return;'), found_by=[fleet], row='F4')
ends_silently = (
    MEMBER, '  if (valid_)\n    end_if_due(now);  // the lease may have become shorter\n  else\n    lost_ = !(valid_ = now < deadline_);',
    '  valid_ = now < deadline_;\n  lost_ = !valid_;')
bug('an answer that makes the lease shorter hides the loss',
    ends_silently,
    found_by=[fleet_member], row='F4')
bug('an answer that begins a new lease hides the loss',
    (MEMBER, '  end_if_due(now);\n  in_flight_', '  in_flight_'),
    found_by=[fleet_member, unit('shared_lease: loss/a_loss_comes_before_what_is_granted_under_the_next_lease')], row='F4')
bug('an answer that comes after its deadline hides the loss',
    (MEMBER, '  end_if_due(now);\n  in_flight_', '  in_flight_'),
    ends_silently,
    found_by=[fleet, fleet_member, fleet_exhaustive,
              unit('shared_lease: loss/an_answer_that_is_read_after_the_deadline_does_not_hide_the_loss')], row='F4')
bug('an answer to an older request renews the lease',
    (MEMBER, 'if (r.serial != sent_.serial || !unanswered_) {', 'if (!unanswered_) {'), found_by=[fleet], row='F4')
bug('a failed request is not sent anew',
    (MEMBER, 'retry_at_ = now + backoff_;', 'retry_at_ = largest;'), found_by=[fleet, fleet_exhaustive], row='F6')
bug('a request without an answer is waited for',
    (MEMBER, 'if (in_flight_ && now >= sent_at_ + patience(lease_))', 'if (in_flight_ && now < 0)'),
    found_by=[fleet, fleet_exhaustive], row='F6')
bug('what was offered back is used again as the offer failed',
    (MEMBER, '  in_flight_ = false;\n  backoff_', '  in_flight_ = false;\n  ceiling_ = largest;\n  backoff_'),
    found_by=[fleet, fleet_exhaustive], row='F7')
bug('a head that waits in vain does not ask again',
    (MEMBER, 'if (waits) at = std::min(at, std::max(l.head_since, sent_at_) + slice_);', ''), found_by=[fleet], row='F13')
bug('older news replace newer ones',
    (MEMBER, ' || n.version < version_) return;', ') return;'), found_by=[fleet, fleet_exhaustive], row='F5')
bug('news of a server that is gone are listened to',
    (MEMBER, 'n.epoch != epoch_ || ', ''), found_by=[fleet_member], row='F8')
bug('news of a server that took over are ignored since its versions are smaller',
    (MEMBER, 'if (r.news.epoch != std::exchange(epoch_, r.news.epoch)) version_ = 0;', 'epoch_ = r.news.epoch;'),
    found_by=[fleet], row='F8')
bug('a member leaves with permits in use',
    (MEMBER, 'if (l.want > 0) return false;', 'if (l.want > 0 && !leaving_) return false;'),
    (MEMBER, '(leaving_ && l.want == 0)', 'leaving_'), 
    found_by=[fleet, unit('shared_lease: the_end/leaving_waits_for_the_permits')], row='F15')
bug('recalled permits are granted again',
    (MEMBER, 'share_ - (is_fresh_ ? debt_ : recall_)', 'share_'), found_by=[fleet], row='F14')
bug('what was claimed is granted once',
    (MEMBER, 'share_ - (is_fresh_ ? debt_ : recall_)', 'share_ - (is_fresh_ ? 0 : recall_)'), found_by=[fleet_member], row='F11')
bug('a share that has grown is recalled before it was used',
    (MEMBER, 'is_fresh_ = is_fresh_ || n.share > share_;', ''), found_by=[fleet_member], row='F14')
bug('a member does not say that its waiters have gone',
    (MEMBER, 'if (was_waiting && l.want <= share_) at = std::min(at, sent_at_ + slice_);', ''), found_by=[fleet_member], row='F14')
bug('a member claims more than it was granted',
    (MEMBER, 'r.held = held(l);', 'r.held = held(l) + (r.lost ? 1 : 0);'), found_by=[fleet, fleet_exhaustive], row='F11')
bug('an idle member goes on renewing',
    (MEMBER, 'now - needed_at_ >= lease_', 'now < 0'), found_by=[fleet], row='F16')
bug('idle permits are never given back',
    (MEMBER, 'return std::max(l.in_use, std::min(most, idle));', 'return std::max({l.in_use, most, idle * 0});'),
    found_by=[fleet, unit('shared_semaphore: acquiring/an_idle_semaphore_leaves_after_a_lease_and_makes_no_requests')], row='F16')
bug('while others wait, each release of an idle permit is a request',
    (MEMBER, 'if (r.keep < keep(l, 0)) offered_at_ = now;', ''), found_by=[fleet_member], row='F17')
bug('a member that lost its lease does not count what is in use',
    (MEMBER, 'return std::max(l.in_use, std::min(share_, ceiling_));', 'return counts_on_share() ? std::min(share_, ceiling_) : 0;'),
    (MEMBER, 'r.in_use = l.in_use;', 'r.in_use = counts_on_share() ? l.in_use : 0;'),
    (MEMBER, '  return std::max(l.in_use, std::min(most, idle));', '  return std::min(most, idle);'), found_by=[fleet], row='F11')

# ---- One limit for many processes: the semaphore ---------------------------------------------------

bug('release() gives back permits of the ballast',
    (SHARED_HPP, 'if (n + ballast > used(w)) return false;', 'if (n > used(w)) return false;'),
    found_by=[unit('shared_semaphore: acquiring/acquired_permits_are_given_back_by_release'),
              unit('shared_threads: two_threads_cannot_release_the_same_permit')])
bug('a permit that was released before gives back one of the ballast',
    (SHARED, 'while (!release(n)) n = (std::min)(n, in_use());', 'core::release(n);'),
    found_by=[unit('shared_semaphore: acquiring/a_permit_that_was_released_before_leaves_the_ballast_alone')])
bug('a release that pays a debt does not tell the member (lost wake-up)',
    (SHARED_HPP, '      if (is_over) [[unlikely]]\n        kick();', '      static_cast<void>(is_over);'),
    (SHARED, 'if (is_released && used(w) + n > limit_under(w)) kick();', ''),
    found_by=[unit('shared_semaphore: acquiring/two_semaphores_of_one_name_use_no_more_than_the_limit')], row='F13')
bug('of two releases at once neither tells the member (lost wake-up)',
    (SHARED_HPP, 'if (w & queued) return release_to_waiters(n);', 'return release_to_waiters(n);'),
    found_by=[unit('shared_threads: of_two_releases_at_once_one_gives_back_what_is_recalled')], row='F13')
bug('no grant is compared with the deadline',
    (SHARED_HPP, 'return !checks_ || (time()', 'return true || (time()'),
    found_by=[unit('shared_lease: loss/a_process_that_was_stopped_grants_nothing_past_its_deadline')], row='F3')
bug('a grant to the queue is not compared with the deadline',
    (LISTED_HPP, 'w.grant_stands_ = !is_granted_ || core_.confirm();', 'w.grant_stands_ = true;'),
    found_by=[unit('shared_lease: loss/a_process_that_was_stopped_grants_nothing_to_its_queue')], row='F3')
bug('a grant whose lease was lost before its completion is one of the next lease',
    (SHARED_HPP, ' && covers_all());', ');'),
    found_by=[unit('shared_operations: others/a_grant_whose_lease_was_lost_before_its_completion_is_not_of_the_next_lease'),
              unit('shared_threads: valid_permits_are_never_more_than_the_limit_although_leases_are_lost')], row='F11')
bug('a grant of this lease is refused since a part of the share is recalled',
    (TURN, 'std::max(usable, to_permits(m.share() - m.debt()))', 'usable'),
    found_by=[unit('shared_operations: others/a_grant_stands_although_a_part_of_the_share_is_recalled_then'),
              unit('shared_operations: others/a_grant_stands_although_the_semaphore_leaves_then')])
bug('a debt counts as covered',
    (TURN, 'to_permits(m.share() - m.debt())', 'to_permits(m.share())'),
    found_by=[unit('shared_operations: others/a_grant_whose_lease_was_lost_before_its_completion_is_not_of_the_next_lease')], row='F11')
bug('with `keep` what is granted without a lease is one of the next lease',
    (SHARED_HPP, 'checks_ || covers_all() ? m.lease : m.lease - 1', 'm.lease'),
    found_by=[unit('shared_lease: loss/with_keep_what_is_granted_without_a_lease_is_not_valid_under_the_next_one'),
              unit('shared_operations: others/with_keep_a_grant_stands_and_is_not_of_the_next_lease_either')], row='F4')
bug('a claim without room gives a token',
    (TURN, 'if (m.share() == 0 || m.share() > m.debt())', 'if (m.share() >= 0)'),
    found_by=[unit('shared_lease: loss/with_keep_what_is_granted_without_a_lease_is_not_valid_under_the_next_one')], row='F10')
bug('an operation of a permit that was granted without a lease does not start',
    (SHARED_HPP, '(m.lease | 1) != ', 'm.lease != '),
    found_by=[unit('shared_operations: with_permit/with_keep_an_operation_starts_without_a_lease')])
bug('the destructor destroys a waiter uncalled whose grant does not stand',
    (STRAND, 'x->grant_stands_ ? orphaned | abandoned : abandoned', 'orphaned | abandoned'),
    found_by=[unit('shared_operations: others/the_destructor_ends_a_waiter_whose_grant_does_not_stand')])
bug('a waiter that its executor refused is not told of a lower limit that came before',
    (LISTED, '  if (x.permits() > most_)\n    x.cancellation_->note(outcome::exceeds_limit);\n  else if (refusal_', '  if (refusal_'),
    found_by=[unit('shared_operations: others/a_lower_limit_ends_the_wait_of_an_acquire_that_is_refused_then')])
bug('what was closed is told that it was cancelled',
    (LISTED, '  if (is_closed()) return run_if_needed();  // what still waits is closed\n', ''),
    found_by=[unit('shared_operations: others/close_ends_a_waiter_whose_grant_does_not_stand')])
bug('a closed waiter whose grant does not stand is not told',
    (LISTED_HPP, 'core_.look_again();', ''),
    found_by=[unit('shared_operations: others/close_ends_a_waiter_whose_grant_does_not_stand')])
bug('a cancellation forgets a waiter whose grant does not stand later',
    (LISTED, '      to_waiter(l).cancellation_->note(outcome::aborted);\n', '      ;\n'),
    found_by=[unit('shared_operations: others/cancel_ends_a_waiter_whose_grant_turns_out_later_not_to_stand')])
bug('an acquire that meets the deadline fails instead of waiting',
    (SHARED_HPP, '      take_permits(n);\n    return outcome::waiting;', '      take_permits(n);\n    return outcome::unreachable;'),
    found_by=[unit('shared_lease: loss/an_acquire_that_meets_the_deadline_waits_in_its_turn')], row='F3')
bug('a grant that does not stand keeps its permits',
    (LISTED_HPP, '    take_permits(n);  // fewer, if another call has released more than it held\n    drop_reference();', '    drop_reference();'),
    found_by=[unit('shared_lease: loss/an_acquire_that_meets_the_deadline_waits_in_its_turn')])
bug('with `keep` grants are compared with the deadline',
    (SHARED, 'check_every_grant &&\n              s.options.when_unreachable != unreachable::keep)', 'check_every_grant)'),
    found_by=[unit('shared_lease: loss/with_keep_grants_go_on_and_are_not_valid')])
bug('with `fail` the acquires that wait are not ended',
    (LISTED, 'if (o != outcome::waiting) end_waits(o);', ''),
    found_by=[unit('shared_lease: loss/with_fail_acquires_fail_until_the_server_answers')])
bug('with `fail` acquires fail also once the server has answered',
    (TURN, 'if (std::exchange(c.refuses, o.refuse) != o.refuse)', 'if (!std::exchange(c.refuses, o.refuse) && o.refuse)'),
    found_by=[unit('shared_lease: loss/with_fail_acquires_fail_until_the_server_answers')])
bug('async_wait_lost is not told of a loss',
    (TURN, 'events_->end_waits(outcome::lease_lost, event::lease_lost - 1, event::lease_lost);', ''),
    found_by=[unit('shared_lease: loss/a_loss_is_told_once_to_each_that_waits_for_it')], row='F4')
bug('a loss ends async_leave and async_set_limit, too',
    (TURN, 'outcome::lease_lost, event::lease_lost - 1, event::lease_lost', 'outcome::lease_lost, 0'),
    found_by=[unit('shared_lease: loss/a_loss_ends_no_other_event')])
bug('operations are not told of a loss',
    (TURN, '  listeners_.tell();\n', ''),
    found_by=[unit('shared_operations: with_permit/a_lost_lease_cancels_the_operation_and_is_its_error')], row='F4')
bug('one operation is told of a loss',
    (LOSS, 'if (l) l->lost();', 'if (l) return l->lost();'),
    found_by=[unit('shared_operations: with_permit/a_lost_lease_cancels_all_operations')], row='F4')
bug('a loss comes after what is granted under the next lease',
    (TURN, '    note_loss();\n  }\n', '  }\n'),
    (TURN, '  if (std::exchange(c.refuses, o.refuse)', '  if (o.lost) note_loss();\n  if (std::exchange(c.refuses, o.refuse)'),
    found_by=[unit('shared_lease: loss/a_loss_comes_before_what_is_granted_under_the_next_lease')], row='F4')
bug('with `keep` nothing is granted for the moment of a loss',
    (TURN, 'if (usable != c.usable) core::set_limit(ballast);', 'core::set_limit(ballast);'),
    found_by=[unit('shared_operations: others/with_keep_acquires_are_granted_also_while_a_loss_is_told')])
bug('without its engine, a destroyed semaphore reports no loss',
    (TURN, ' &&\n            (after == 0 || c.member.deadline() == 0))', ')'),
    found_by=[unit('shared_operations: with_permit/the_operation_may_outlive_semaphore_and_engine_and_is_cancelled')])
bug('an operation starts after the deadline',
    (LOSS_RELAY, ' || !core_->is_in_time())', ')'),
    found_by=[unit('shared_operations: with_permit/an_operation_does_not_start_after_the_deadline')], row='F3')
bug('an operation with the permit of a measured shared semaphore is not told of a loss',
    (WITH_PERMIT, 'using permit_type = decltype(sem.try_acquire_permit(n));', 'using permit_type = permit;'),
    found_by=[unit('shared_operations: with_permit/a_lost_lease_cancels_the_operation_of_a_measured_semaphore')])
bug('a handler of a shared acquire that is an lvalue is moved from',
    (SHARED_SEMAPHORE, 'return acquire<true, Token>(token, n);', 'return acquire<true>(token, n);'),
    found_by=[unit('shared_operations: others/a_handler_that_is_an_lvalue_is_copied')])
bug('a handler of an event that is an lvalue is moved from',
    (SHARED_SEMAPHORE, 'wait<Token>(token, detail::shared_core::lease_lost)', 'wait(token, detail::shared_core::lease_lost)'),
    found_by=[unit('shared_operations: others/a_handler_that_is_an_lvalue_is_copied')])
bug('a handler of a measured acquire that is an lvalue is moved from',
    (STATISTICS, 'initiate<detail::acquire, void(error_code), Token>(token, n)', 'initiate<detail::acquire, void(error_code)>(token, n)'),
    found_by=[unit('shared_operations: others/a_handler_that_is_an_lvalue_is_copied')])
bug('an operation that has ended is told of a loss',
    (LOSS, 'if (l.is_listed_) unlink(l);', ''),
    found_by=[unit('shared_operations: with_permit/a_loss_after_the_end_of_the_operation_does_nothing')])
bug('setting a limit completes before the server has confirmed it',
    (TURN, 'c.sets_limit && !m.has_new_limit() &&', 'c.sets_limit &&'),
    found_by=[unit('shared_lease: the_limit/a_limit_is_set_although_the_first_try_fails')])
bug('a lowered limit of all processes ends no wait',
    (LISTED, '  end_waits(outcome::exceeds_limit, n);\n', ''),
    found_by=[unit('shared_lease: the_limit/a_lower_limit_ends_the_waits_for_more')])
bug('an error that passes fails acquires',
    (TURN, 'if (!error.empty() && !error.starts_with("TURNSTILE")) return;', ''),
    found_by=[unit('shared_lease: errors/other_errors_are_tried_again')], row='F6')
bug('what is no semaphore is tried again',
    (TURN, 'if (!error.empty() && !error.starts_with("TURNSTILE")) return;', 'if (!error.empty()) return;'),
    found_by=[unit('shared_lease: errors/what_the_server_does_not_take_for_a_semaphore_fails_acquires')])
bug('a name without a limit leaves acquires waiting',
    (TURN, '    if (r->status == fleet::status::no_limit) end_waits(outcome::no_limit);\n', ''),
    found_by=[unit('shared_lease: errors/without_a_limit_acquires_fail')])
bug('async_leave completes while permits are in use',
    (TURN, '!contents_->leaves || !is_quiet', '!contents_->leaves'),
    found_by=[unit('shared_lease: the_end/leaving_waits_for_the_permits')], row='F15')
bug('the destructor does not give the share back',
    (SHARED, '  core::orphan();\n  leave();', '  core::orphan();'),
    found_by=[unit('shared_lease: the_end/the_destructor_gives_the_share_back_at_once')], row='F15')
bug('a channel stays subscribed to',
    (TURN, 'e.ignore(fleet::channel_of(c.key, c.id));', '(void)e;'),
    found_by=[unit('shared_lease: the_end/an_engine_of_ones_own_is_told_when_a_channel_is_not_needed_any_more')])
bug('a semaphore is never freed',
    (TURN, 'if (is_over) drop_reference();', '(void)is_over;'),
    found_by=[unit('shared_lease: the_end/the_destructor_gives_the_share_back_at_once')])
bug('the end of the context forgets those that wait for events',
    (SHARED, '  core::abandon();\n  events_->abandon();', '  core::abandon();'),
    found_by=[unit('shared_lease: the_end/all_orders_of_destruction_are_safe')])
bug('a loss is forgotten if memory is short',
    (MEMBER, '  note_use(now, l);\n', '  note_use(now, l);\n  o.lost = report_end(l);\n'),
    (MEMBER, '  o.lost = report_end(l);  // last, as there may be no memory for a request\n', ''),
    found_by=[unit('shared_allocation: a_loss_that_is_noticed_late_is_told_although_memory_was_short')])
bug('an alarm for which there was no memory is not set again',
    (SHARED_HPP, 'if (o == outcome::waiting && lacks_alarm_.load(std::memory_order_relaxed)) kick();', ''),
    found_by=[unit('shared_allocation: every_acquire_is_granted_although_memory_was_short')])
bug('an alarm that was set earlier stays, though it has to ring sooner',
    (TURN, 'else if (at < alarm_at)', 'else if (alarm_at == fleet::largest)'),
    found_by=[unit('shared_semaphore: acquiring/a_new_head_waits_for_a_slice_before_it_asks')], row='F13')
bug('a permit of a lost lease is valid once there is another lease',
    (SHARED_HPP, 'm.lease == lease_number_.load(std::memory_order_acquire) && now < deadline', 'm.lease != 0 && now < deadline'),
    found_by=[unit('shared_lease: loss/after_the_deadline_nothing_is_granted_and_acquires_wait')], row='F4')
bug('a permit is valid until a turn notices that the lease is lost',
    (SHARED_HPP, 'lease_number_.load(std::memory_order_acquire) && now < deadline', 'lease_number_.load(std::memory_order_acquire) && deadline != 0'),
    found_by=[unit('shared_semaphore: permits/a_permit_is_valid_until_the_deadline')], row='F4')
bug('a permit is of the lease at the initiation of its acquire',
    (INITIATE_SHARED, 'void note() noexcept { mark_ = core_->mark(); }', 'void note() noexcept {}'),
    found_by=[unit('shared_lease: loss/a_permit_is_of_the_lease_under_which_it_was_granted')])
bug('merged permits are of the younger lease',
    (SHARED_PERMIT, 'mark_.lease = (std::min)(', 'mark_.lease = (std::max)('),
    found_by=[unit('shared_semaphore: permits/permits_of_two_leases_are_valid_as_the_older_one')])
bug('an acquire of more than the limit waits',
    (SHARED_HPP, 'n > most || (limit != 0 && n > limit)', 'n > most'),
    (LISTED, 'if (x.permits() > most_) return outcome::exceeds_limit;', ''),
    found_by=[unit('shared_semaphore: acquiring/more_than_the_limit_is_refused_at_once_if_it_is_known_and_later_if_not')])
bug('async_leave does not close',
    (INITIATE_SHARED, '      c.close();\n', ''),
    found_by=[unit('shared_lease: the_end/leaving_waits_for_the_permits')], row='F15')
bug('cancel() leaves out events',
    (SHARED_HPP, 'cancel_listed();\n    events_->cancel();', 'core::cancel();'),
    found_by=[unit('shared_lease: the_end/cancel_ends_all_waits')])
bug('a timer that was cancelled still rings',
    (TIMER_ALARM, '      if (manual_) manual_->clear();\n      timer_.reset();', '      if (manual_) manual_->clear();'),
    found_by=[unit('shared_lease: the_end/after_leaving_no_work_is_left')])

# ---- One limit for many processes: the list of what waits --------------------------------------------

bug('what has left the list is still wanted',
    (LISTED, '  permits_ -= x.permits();\n', ''),
    found_by=[unit('shared_semaphore: acquiring/an_idle_semaphore_leaves_after_a_lease_and_makes_no_requests')])
bug('the head seems to wait since the list began',
    (LISTED, '  if (was_first) first_since_ = time();\n', ''),
    found_by=[unit('shared_semaphore: acquiring/a_new_head_waits_for_a_slice_before_it_asks')])
bug('the first acquire that waits does not tell the member (lost wake-up)',
    (LISTED, '  if (was_first) begin_or_end_of_waits();\n', ''),
    found_by=[unit('shared_semaphore: acquiring/an_acquire_before_the_first_answer_waits_for_it')], row='F13')
bug('an acquire that its executor refused leaves the list',
    (LISTED, '    core_.come_back(*waiter_);\n', '    core_.drop_reference();\n'),
    found_by=[unit('shared_operations: others/a_waiter_that_was_put_back_is_granted_again_without_another_call')])
bug('what was put back waits for another call',
    (TURN, ' || usable != c.usable || fits)', ' || usable != c.usable)'),
    found_by=[unit('shared_operations: others/a_waiter_that_was_put_back_is_granted_again_without_another_call')])
bug('a cancelled acquire is still wanted until it is destroyed',
    (LISTED_HPP, 'if (!w.list_) return true;', 'if (!w.list_ || !is_granted_) return true;'),
    found_by=[unit('shared_semaphore: acquiring/a_cancelled_acquire_is_not_wanted_any_more_though_its_handler_has_not_run')])

# ---- One limit for many processes: in memory ---------------------------------------------------------

bug('a server in memory that has restarted seems to be old',
    (MEMORY, '  contents_->started = contents::wall(time_.get());\n  if', '  if'),
    found_by=[unit('shared_lease: loss/a_server_that_has_restarted_grants_nothing_new_for_a_while')], row='F9')
bug('a server in memory that has restarted with its state seems to be the same',
    (MEMORY, '  ++contents_->starts;\n', ''),
    found_by=[unit('shared_lease: loss/a_server_that_has_restarted_with_its_state_grants_nothing_new_either')], row='F8')
bug('a server in memory forgets its handlers',
    (MEMORY, '  sinks_.push_back(s);\n', '  sinks_.assign(1, s);\n'),
    found_by=[unit('shared_semaphore: acquiring/each_engine_of_a_server_hears_its_messages')])
bug('the alarms of a clock that is moved by hand ring the last first',
    (TIME, 'return a->at_ < b->at_;', 'return a->at_ > b->at_;'),
    found_by=[unit('shared_lease: loss/without_messages_it_asks_every_slice')])
bug('an alarm of a clock that is moved by hand rings after its end',
    (TIME, '~manual_alarm() override { clear(); }', '~manual_alarm() override = default;'),
    found_by=[unit('shared_lease: the_end/the_lease_is_renewed_for_permits_that_outlive_the_semaphore')])
bug('late replies are lost',
    (MEMORY_ENGINE, 'for (pending& p : late) post(std::move(p));', 'late.clear();'),
    found_by=[unit('shared_lease: loss/a_late_answer_is_an_answer_if_its_lease_is_valid')])
bug('a request whose reply is lost is not executed',
    (MEMORY_ENGINE, 'if (f != fault::request_lost) {', 'if (f != fault::request_lost && f != fault::reply_lost) {'),
    found_by=[unit('shared_lease: errors/a_request_whose_reply_is_lost_was_executed')])
bug('messages that are to be lost are handed over',
    (MEMORY_ENGINE, 'return drops_ || at == handlers_.end()', 'return at == handlers_.end()'),
    found_by=[unit('shared_lease: loss/without_messages_it_asks_every_slice')])

# ---- One limit for many processes: what is written ---------------------------------------------------

bug('the script gets its arguments in another order',
    (TEXT, 'r.lease, r.slice, r.limit, r.set_limit, number(r.lost)', 'r.slice, r.lease, r.limit, r.set_limit, number(r.lost)'),
    found_by=[unit('text: the_arguments_stand_in_the_order_of_the_script')])
bug('news may end in anything',
    (TEXT, 'return error == std::errc() && rest == end;', 'return error == std::errc();'),
    found_by=[unit('text: what_is_no_news_is_not_read')])
bug('a reply of more numbers is one',
    (TEXT, 'x.size() != numbers_of_reply', 'x.size() < numbers_of_reply'),
    found_by=[unit('text: what_is_no_reply_is_not_read')])

# ---- The Redis engine --------------------------------------------------------------------------------

bug('a script that the server does not know is not sent',
    (ANSWER, 'if (code == "NOSCRIPT") return remedy::send_text;', ''),
    found_by=[unit('redis_caller: after_noscript_the_text_is_sent_once')])
bug('the text of a script is sent again and again',
    (CALLER, 'r == remedy::send_text && !c.has_text', 'r == remedy::send_text'),
    found_by=[unit('redis_caller: after_noscript_the_text_is_sent_once')])
bug('a connection to a replica is kept',
    (ANSWER, '{"READONLY", "LOADING"', '{"LOADING"'),
    found_by=[unit('redis_caller: errors_of_a_server_that_is_the_wrong_one_drop_the_connection'),
              unit('redis_faults: error_of_a_server_that_loads_or_is_a_replica_makes_a_new_connection')])
bug('a connection to a replica is kept if the error comes from within the script',
    (ANSWER, 'if (error.starts_with("ERR Error running script"))', 'if (error.empty())'),
    found_by=[unit('redis_caller: errors_of_a_server_that_is_the_wrong_one_drop_the_connection')])
bug('a connection to a full server is dropped',
    (ANSWER, '    if (code == c) return remedy::reconnect;\n', '    if (code == c || code == "OOM") return remedy::reconnect;\n'),
    found_by=[unit('redis_caller: other_errors_keep_the_connection'),
              unit('redis_faults: error_of_a_busy_or_full_server_keeps_the_connection')], row='F6')
bug('an error is a reply without numbers',
    (PIPE, 'a.type = answer::kind::error;', 'a.type = answer::kind::array;'),
    found_by=[unit('redis_faults: error_of_a_busy_or_full_server_keeps_the_connection')])
bug('a text is a reply without numbers',
    (CALLER, '} else if (a.type == answer::kind::array &&', '} else if (a.type != answer::kind::nil &&'),
    found_by=[unit('redis_caller: reply_that_is_no_list_of_numbers_is_an_error')])
bug('a request that was given up is sent again by the next connection',
    (CALLER, 'for (call& c : std::exchange(calls_, {}))\n    if (c.handler) post_(std::move(c.handler), {reason, {}});',
     'for (call& c : calls_)\n    if (c.handler) post_(c.handler, {reason, {}});'),
    found_by=[unit('redis_caller: requests_get_an_error_when_the_connection_is_lost_and_while_there_is_none'),
              unit('redis_faults: answer_that_is_cut_off_is_an_error_and_nothing_is_sent_twice')], row='F5')
bug('the answer to a request that was given up is that to the next one',
    (CALLER, 'if (calls_.empty()) return unexpected_answer(now);', 'if (calls_.empty()) return;'),
    found_by=[unit('redis_caller: answer_that_was_not_asked_for_drops_the_connection')], row='F5')
bug('a request is sent before the login',
    (CALLER, 'if (is_ready()) send_call(calls_.back(), now);', 'send_call(calls_.back(), now);'),
    found_by=[unit('redis_caller: request_waits_for_the_greeting_and_is_sent_as_evalsha')])
bug('the database is not selected',
    (CALLER, 'if (a.database) add', 'if (a.database < 0) add'),
    found_by=[unit('redis_caller: greeting_logs_in_and_selects_the_database')])
bug('a server before 6.0 is used',
    (CALLER, 'is_usable_ = !is_too_old(version);', 'is_usable_ = true;'),
    found_by=[unit('redis_caller: server_before_6_0_gets_no_request')])
bug('after a failed login the next one comes at once',
    (DIALOGUE, 'return fail(a.text, now + longest_delay);', 'return lost(a.text, now);'),
    found_by=[unit('redis_caller: greeting_that_is_refused_is_tried_again_after_250_ms')])
bug('the time between connections does not grow',
    (DIALOGUE, 'std::exchange(delay_, (std::min)(2 * delay_, longest_delay))', 'delay_'),
    found_by=[unit('redis_caller: delays_double_from_10_to_250_ms_until_a_request_succeeds')])
bug('the time for an answer begins anew with each request',
    (DIALOGUE, 'if (owed_++ == 0) due_', 'if (++owed_ != 0) due_'),
    found_by=[unit('redis_caller: silent_server_is_left_after_the_time_out')])
bug('a server that owes an answer is asked for one',
    (DIALOGUE, 'if (owed_) return lost(', 'if (false) return lost('),
    found_by=[unit('redis_caller: silent_server_is_left_after_the_time_out'),
              unit('redis_faults: answer_that_does_not_come_is_an_error_after_the_time_out')])
bug('an idle connection that is dead is not noticed',
    (DIALOGUE, 'return ping(now);', 'due_ = now + silence * timeout_;'),
    found_by=[unit('redis_caller: idle_connection_is_asked_for_a_sign_of_life'),
              unit('redis_listener: silent_subscription_is_asked_for_a_sign_of_life_and_left'),
              unit('redis_faults: dead_subscription_is_noticed_and_made_again')])
bug('subscriptions are lost with the connection',
    (LISTENER, 'for (const auto& [channel, handler] : channels_) send({"SUBSCRIBE", channel}, now);', '(void)now;'),
    found_by=[unit('redis_listener: channels_are_subscribed_to_and_again_after_each_connection'),
              unit('redis_faults: messages_come_and_the_subscription_is_made_again')])
bug('a message for a channel that was ignored drops the connection',
    (LISTENER, 'post_(place->second, std::move(a.elements[2].text));\n    return;',
     'return post_(place->second, std::move(a.elements[2].text));'),
    found_by=[unit('redis_listener: message_for_a_channel_that_was_ignored_is_no_answer')])
bug('a channel that is refused drops the connection',
    (LISTENER, 'if (remedy_for(a.text) == remedy::reconnect) return', 'return'),
    found_by=[unit('redis_listener: channel_that_is_refused_keeps_the_connection')])
bug('a write to a closed connection ends the program',
    (PIPE, '  const without_sigpipe guard;\n', ''),
    found_by=[unit('redis_faults: write_to_a_connection_that_the_server_has_closed_raises_no_signal')])
bug('a write takes a pending signal away from the program',
    (PIPE, 'is_blocked_ = !was_pending_ && ', 'is_blocked_ = '),
    found_by=[unit('redis_client: signal_of_the_program_that_is_pending_stays_so')])
bug('the rest of a large request is forgotten',
    (PIPE, 'has_output_ = !done;', 'has_output_ = false;'),
    found_by=[unit('redis_faults: large_request_to_a_slow_server_arrives_whole')])
bug('one answer is taken of all that were read',
    (CLIENT, 'while (k.pipe) {', 'if (k.pipe) {'),
    found_by=[unit('redis_faults: answers_that_come_together_are_all_taken')])
bug('a connection for which memory is short is kept',
    (CLIENT, 'if (of(l).pipe) dialogue(l).lost(reason, now());', '(void)l;'),
    found_by=[unit('redis_client: request_for_which_memory_is_short_gets_an_error_and_a_new_connection')])
bug('after a connection could not be begun none is made',
    (CLIENT, 'loop.wake_at((std::min)(calls.wake_at(), pushes.wake_at()));',
     'if (calls.is_ready()) loop.wake_at((std::min)(calls.wake_at(), pushes.wake_at()));'),
    found_by=[unit('redis_client: loop_that_cannot_connect_is_asked_again')])
bug('an engine that is destroyed leaves requests without a reply',
    (CLIENT, '  state_->calls.stop("the engine was destroyed");\n', ''),
    found_by=[unit('redis_lifetime: engine_that_is_destroyed_answers_with_an_error_and_lets_the_context_end')])
bug('an engine whose executor refuses ends the program',
    (DRIVER, '    } catch (...) {\n    }\n', '    } catch (...) {\n      throw;\n    }\n'),
    found_by=[unit('redis_lifetime: engine_whose_executor_refuses_can_be_destroyed')])
bug('an engine whose context is destroyed keeps the handlers',
    (CLIENT, '  state_->calls.abandon();\n', ''),
    found_by=[unit('redis_lifetime: context_that_is_destroyed_first_destroys_the_handlers_uncalled')])
bug('a handler is called inside the engine',
    (DRIVER, 'asio::post(io_->strand, std::move(f)); }', 'f(); }'),
    found_by=[unit('redis_lifetime: exception_of_a_handler_leaves_the_context_and_the_engine_goes_on')])
bug('the password ends at the first @',
    (URL, "text.rfind('@')", "text.find('@')"),
    found_by=[unit('redis_url: password_may_have_an_at_sign_and_colons')])
bug('an escaped character is read backwards',
    (URL, 'high * 16 + low', 'low * 16 + high'),
    found_by=[unit('redis_url: percent_signs_are_decoded')])
bug('a user is taken for the password',
    (URL, 'address.password = decoded(login.substr(colon + 1), "password");\n',
     'address.password = decoded(login.substr(colon + 1), "password");\n  else std::swap(address.user, address.password);\n'),
    found_by=[unit('redis_url: user_without_password_is_read')])
bug('a port may be 0',
    (URL, 'number(text.substr(1), 1, 65535', 'number(text.substr(1), 0, 65535'),
    found_by=[unit('redis_url: malformed_urls_are_refused')])
bug('the text of an error shows the password',
    (URL, '"a % in the ") + what', '"a % in ") + std::string(text) + what'),
    found_by=[unit('redis_url: error_does_not_show_the_password')])
