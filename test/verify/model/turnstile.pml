/* Copyright (c) 2026 The turnstile authors
   Distributed under the Boost Software License, Version 1.0 (see LICENSE)

   The protocol of the core: N waiters, of which the last wants all permits, over the word, the
   mailbox and the strand. Sequentially consistent; the explorer looks at memory orders.

   One step here is one access to the word or the mailbox. If the core computes the new word from
   the old one alone, its loop around a compare-and-swap is one step. The holder of the strand, which
   judges the word together with the queue, reads the word in one step and swaps it in another.

   -DN=n         n waiters, 4 unless given
   -DPERMITS=n   n permits, 2 unless given, at most 3
   -DCANCEL      a thread cancels the last waiter once that waits
   -DCANCEL_ALL  a thread cancels all waiters
   -DCLOSE       a thread closes the semaphore
   -DHOLD        one permit never comes back (CANCEL or CLOSE ends the last waiter)
   -DSHARE=n     a call delivers n completions, at least one, then it offers the strand. Without SHARE
                 no call ever offers it. The core has a larger share, and adds the completions that the
                 call decided itself. Waiters of other contexts, and executors that refuse, are left to
                 the explorer.
   -DBOUND=n     n waiters may wait; more are refused
   -DMUTANT_name has a seeded bug

   A lost wake-up is found as an invalid end state. Everything else is asserted.

   The mutants, with the settings in which spin refutes each. test/verify/model/run reads these lines. Clearing
   PENDING or QUEUED together with an offer is no mutant: until the strand is taken no acquire passes, and
   the next holder empties the mailbox and computes both flags anew.

   The strand, the word and the queue:
     mutant release_leaves_strand_free: N=3
     mutant strand_left_with_pending: N=3
     mutant decided_waiter_cancelled: N=3 CANCEL
     mutant queued_cleared_with_waiters_left: N=3
     mutant grants_only_with_pending: N=3 CANCEL HOLD
     mutant grants_without_permits: N=3
     mutant pending_set_before_mail: N=3
     mutant pending_not_set: N=3 CANCEL HOLD
     mutant newest_mail_first: N=3 CANCEL
     mutant close_ignored: N=3 CLOSE HOLD
     mutant cancellation_not_announced: N=3 CANCEL HOLD
     mutant store_instead_of_swap: N=3
     mutant delivers_only_first: N=3
     mutant acquire_overtakes_queue: N=3
     mutant grant_takes_no_permits: N=3
     mutant failed_acquire_releases: N=3 CLOSE
     mutant mailed_grant_queued: N=3
     mutant leaves_without_comparing: N=3
     mutant at_once_overtakes_busy: N=3
   A release with its permits in hand:
     mutant pass_on_keeps_queued: N=4
     mutant pass_on_without_comparing: N=4
     mutant pass_on_another_number: N=3
   The strand that is offered:
     mutant offer_without_resumption: N=3 SHARE=1
     mutant offer_stores_old_word: N=4 SHARE=1
     mutant resume_leaves_strand_free: N=3 SHARE=1
     mutant resume_ignores_busy: N=3 SHARE=1
     mutant resume_too_early_is_lost: N=3 SHARE=1
     mutant set_ignores_offer: N=3 CANCEL SHARE=1
     mutant set_only_clears_offer: N=3 CANCEL SHARE=1
     mutant release_ignores_offer: N=4 SHARE=1
     mutant release_only_clears_offer: N=4 SHARE=1
     mutant pass_on_despite_offer: N=4 PERMITS=1 CANCEL_ALL SHARE=1
     mutant at_once_overtakes_offer: N=4 PERMITS=3 CANCEL HOLD SHARE=1
   The bound:
     mutant enter_in_two_steps: N=4 BOUND=1
     mutant entry_not_taken_back: N=3 BOUND=1
     mutant entry_not_left: N=3 BOUND=1
*/

#ifndef N
#define N 4
#endif
#ifndef PERMITS
#define PERMITS 2
#endif
#define WANTS(i) ((i) == N - 1 -> PERMITS : 1)
#define NONE 15

/* The word. */
#define USED 3
#define QUEUED 4
#define BUSY 8
#define PENDING 16
#define CLOSED 32
#define OFFERED 64
#define HAS(x, flags) (((x) & (flags)) != 0) /* any of the flags */
#define WITHOUT(x, flags) ((x) & (255 - (flags)))
#define WITH_STRAND(x) (WITHOUT(x, OFFERED) | BUSY)
#define FREE(x) (PERMITS - ((x) & USED))

/* The states of a waiter. */
#define WAITING 0
#define GRANTED 1
#define ABORTED 2
#define SHUT 3
#define OVER 4

#ifdef HOLD
#define HELD 1
#else
#define HELD 0
#endif

byte word = HELD;

/* The mailbox, the oldest first: a waiter, N + a waiter to cancel, or 2 * N for all before it. */
byte mail[8] = NONE;
byte mails;

/* These belong to the holder of the strand. */
byte queue[N] = NONE;
byte queued_count;
byte decided[N] = NONE; /* waiters whose completion is to be delivered */
byte decided_count;
bool in_queue[N];

/* One entry for each waiter. */
byte state[N];
bool returned[N];  /* the call has returned, the completion has not run */
bool delivered[N]; /* the completion may run */
#ifdef SHARE
byte resumptions; /* posted, and not run */
#endif

#ifdef BOUND
byte entered; /* counted as waiting: in the mailbox, in the queue, or about to be */
byte left_queue; /* of these, decided by the strand */
#endif

byte holding = HELD; /* permits in the callers' hands */
byte finished;
byte started; /* all waiters but the last are alike: they may as well start in this order */

/* For the order: the waiters whose call had returned, without their completion, when this call began. */
byte ahead[N];
#define BIT(i) (1 << (i))

inline begin_call(x) {
  do
  :: k < N ->
     if
     :: returned[k] && !delivered[k] && state[k] <= GRANTED -> ahead[x] = ahead[x] | BIT(k)
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0
}

/* At the grant to x: first come, first served. */
inline check_grant(x) {
  do
  :: k < N ->
     assert(!((ahead[x] & BIT(k)) && state[k] == WAITING));
     k++
  :: else -> break
  od;
  k = 0
}

/* No later check asks about x. */
inline forget(x) {
  ahead[x] = 0;
  do
  :: k < N -> ahead[k] = ahead[k] & (255 - BIT(x)); k++
  :: else -> break
  od;
  k = 0
}

/* The completion of waiter x may run from here on. */
inline deliver(x) {
  assert(!delivered[x]); /* once each */
  if
  :: state[x] == GRANTED ->
     assert(ahead[x] == 0); /* grants are delivered in the order in which the calls came */
     forget(x);
     holding = holding + WANTS(x);
     assert(holding <= PERMITS)
  :: else
  fi;
  delivered[x] = true
}

inline put(m) {
  assert(mails < 8);
  mail[mails] = m;
  mails++
}

/* Takes waiter x out of the queue, with its new state. */
inline decide(x, o) {
#if defined(BOUND) && !defined(MUTANT_entry_not_left)
  left_queue++;
#endif
  k = 0;
  do
  :: k < queued_count && queue[k] != x -> k++
  :: else -> break
  od;
  queued_count = (k < queued_count -> queued_count - 1 : queued_count);
  do
  :: k < queued_count -> queue[k] = queue[k + 1]; k++
  :: else -> break
  od;
  if
  :: k < N -> queue[k] = NONE
  :: else
  fi;
  k = 0;
  in_queue[x] = false;
  state[x] = o;
  if
  :: o != GRANTED -> forget(x)
  :: else
  fi;
  assert(decided_count < N);
  decided[decided_count] = x;
  decided_count++
}

inline decide_all(o) {
  do
  :: queued_count > 0 -> first = queue[0]; decide(first, o)
  :: else -> break
  od;
  first = 0
}

inline enqueue(x) {
  queue[queued_count] = x;
  queued_count++;
#ifdef BOUND
  assert(queued_count <= BOUND);
#endif
  in_queue[x] = true
}

inline take_mail() {
  j = 0;
  do
  :: j < mails ->
#ifdef MUTANT_newest_mail_first
     t = mail[mails - 1 - j];
#else
     t = mail[j];
#endif
     if
     :: t < N && state[t] == GRANTED ->
#ifdef MUTANT_mailed_grant_queued
        enqueue(t)
#else
        assert(decided_count < N);
        decided[decided_count] = t;
        decided_count++
#endif
     :: t < N && state[t] != GRANTED -> enqueue(t)
     :: t >= N && t < 2 * N ->
        if
#ifdef MUTANT_decided_waiter_cancelled
        :: !delivered[t - N] -> decide(t - N, ABORTED)
#else
        :: in_queue[t - N] -> decide(t - N, ABORTED)
#endif
        :: else
        fi
     :: t == 2 * N -> decide_all(ABORTED)
     fi;
     j++
  :: else -> break
  od;
  j = 0;
  t = 0;
  do
  :: mails > 0 -> mails--; mail[mails] = NONE
  :: else -> break
  od
}

#if defined(MUTANT_grants_only_with_pending)
#define MAY_GRANT (HAS(w, PENDING) && WANTS(head) <= FREE(w))
#elif defined(MUTANT_grants_without_permits)
#define MAY_GRANT true
#else
#define MAY_GRANT (WANTS(head) <= FREE(w))
#endif

inline deliver_first_decided() {
  t = decided[0];
  decided_count--;
  do
  :: j < decided_count -> decided[j] = decided[j + 1]; j++
  :: else -> break
  od;
  decided[j] = NONE;
  j = 0;
  deliver(t);
  t = 0
}

/* If no waiter waits any more, a completion that is delivered may know it. */
#define QUEUED_IS_RIGHT (queued_count > 0 || HAS(word, PENDING) || !HAS(word, QUEUED))

/* core::hand_over(), as many completions as this call has left. One step: nothing that a completion
   does depends on the others that are delivered. */
inline hand_over() {
  atomic {
    delivering = false;
    assert(QUEUED_IS_RIGHT);
    do
#ifdef SHARE
    :: decided_count > 0 && left > 0 -> left--; deliver_first_decided()
#else
    :: decided_count > 0 -> deliver_first_decided()
#endif
#ifdef MUTANT_delivers_only_first
       ;
       do
       :: decided_count > 0 -> decided_count--; decided[decided_count] = NONE
       :: else -> break
       od
#endif
    :: else -> break
    od;
    leaving = (decided_count == 0)
  }
}

#ifdef SHARE
/* core::offer_strand(): `offered` says whether this thread has left. Not now if there may be mail. */
inline offer() {
  atomic {
    if
    :: HAS(word, PENDING) -> w = word
    :: else -> word = word | OFFERED; w = word; offered = true
    fi
  };
  if
  :: offered ->
#ifndef MUTANT_offer_without_resumption
     resumptions++;
#endif
     atomic {
       assert(HAS(word, BUSY) && HAS(word, OFFERED));
#ifdef MUTANT_offer_stores_old_word
       word = WITHOUT(w, BUSY)
#else
       word = WITHOUT(word, BUSY)
#endif
     }
  :: else
  fi
}
#endif

/* core::run(): w is the word as this thread last saw or set it. Grants to one waiter at a time,
   while the core takes as many as it can. With `leaving`, first core::leave(). */
inline run_strand() {
  do
#ifdef MUTANT_leaves_without_comparing
  :: atomic { leaving -> leaving = false; word = WITHOUT(word, BUSY) }; break
#else
  :: atomic { leaving && word == w -> leaving = false; word = WITHOUT(word, BUSY) }; break
#endif
  :: atomic { leaving && word != w -> leaving = false; w = word }
  :: atomic { !leaving && mails > 0 -> take_mail() }
  :: !leaving && mails == 0 ->
     atomic {
       if
#ifndef MUTANT_close_ignored
       :: HAS(w, CLOSED) && queued_count > 0 -> decide_all(SHUT)
#endif
       :: else
       fi;
       next = w;
       head = queue[0];
       grant = (queued_count > 0 && MAY_GRANT);
       rest = queued_count - (grant -> 1 : 0);
#ifdef MUTANT_strand_left_with_pending
       leaves = !grant && decided_count == 0;
#else
       leaves = !grant && !HAS(w, PENDING) && decided_count == 0;
#endif
       more = grant && rest > 0 && WANTS(queue[1]) <= FREE(w) - WANTS(head);
       settled = !HAS(w, PENDING) && !more;
       next = (HAS(w, PENDING) -> next : WITHOUT(next, QUEUED));
       next = (more -> next : WITHOUT(next, PENDING));
#ifndef MUTANT_queued_cleared_with_waiters_left
       next = (rest > 0 -> next | QUEUED : next);
#endif
#ifndef MUTANT_grant_takes_no_permits
       next = (grant -> next + WANTS(head) : next);
#endif
       next = (leaves -> WITHOUT(next, BUSY) : next);
       if
#ifdef MUTANT_store_instead_of_swap
       :: true ->
#else
       :: word != w && next != w -> w = word; leaves = false
       :: word == w || next == w ->
#endif
          if
          :: next != w -> word = next
          :: else
          fi;
          w = next;
          if
          :: grant ->
             check_grant(head);
             decide(head, GRANTED)
          :: else
          fi;
          if
          :: leaves -> skip
          :: !leaves && settled -> delivering = true
          :: else
          fi
       fi;
       grant = false; rest = 0; more = false; settled = false; next = 0; head = 0
     };
     if
     :: leaves -> leaves = false; break
     :: delivering ->
        hand_over();
#ifdef SHARE
        if
        :: leaving
        :: else ->
           offer();
           if
           :: offered -> offered = false; break
           :: else
           fi
        fi
#endif
     :: else
     fi
  od;
#ifdef SHARE
  left = SHARE;
#endif
  w = 0
}

/* What core::release() does with the strand and n permits in hand, which are still counted as in
   use: core::pass_on(), or it gives them back to the count. */
inline pass_on(n) {
  if
  :: atomic {
       queued_count > 0 && FREE(w) == 0 && !HAS(w, CLOSED) &&
#if defined(SHARE) && !defined(MUTANT_pass_on_despite_offer)
       !work_left &&
#endif
#ifndef MUTANT_pass_on_without_comparing
       (queued_count > 1 || word == w) &&
#endif
#ifndef MUTANT_pass_on_another_number
       WANTS(queue[0]) == n &&
#endif
       true ->
       head = queue[0];
#ifndef MUTANT_pass_on_keeps_queued
       word = (queued_count == 1 -> WITHOUT(word, QUEUED) : word);
       w = (queued_count == 1 -> word : w);
#endif
       check_grant(head);
       decide(head, GRANTED);
       decided_count--;
       decided[decided_count] = NONE
     };
     atomic {
       assert(QUEUED_IS_RIGHT);
       assert(decided_count == 0); /* completions are delivered in the order of the decisions */
       deliver(head);
       head = 0;
       leaving = true
     }
  :: else ->
     atomic {
       word = word - n;
       w = word;
       skip
     }
  fi;
#ifdef SHARE
  work_left = false
#endif
}

/* core::set(), without run_strand(): has_strand says whether this thread has the strand now. */
inline set(flags) {
  atomic {
    w = word | (flags);
    if
    :: HAS(w, QUEUED | PENDING | OFFERED) && HAS(word, BUSY) ->
#ifdef MUTANT_pending_not_set
       w = WITHOUT(w, PENDING)
#else
       w = w | PENDING
#endif
    :: HAS(w, QUEUED | PENDING | OFFERED) && !HAS(word, BUSY) ->
       w = WITH_STRAND(w);
       has_strand = true
#if defined(MUTANT_set_ignores_offer)
    :: HAS(word, OFFERED) && !HAS(word, BUSY)
#elif defined(MUTANT_set_only_clears_offer)
    :: HAS(word, OFFERED) && !HAS(word, BUSY) -> w = WITHOUT(w, OFFERED)
#endif
    :: else
    fi;
    assert(HAS(w, BUSY) || !HAS(w, OFFERED)); /* a call with work leaves no offer behind */
    word = w;
    w = (has_strand -> w : 0)
  }
}

#ifdef BOUND
#define MUST_WAIT(i) (!HAS(word, CLOSED) && (HAS(word, QUEUED) || WANTS(i) > FREE(word)))
#define NOT_FULL !refused
#ifdef MUTANT_entry_not_taken_back
#define NOT_ENTERED skip
#else
#define NOT_ENTERED entered = (counted -> entered - 1 : entered)
#endif
#else
#define NOT_FULL true
#define NOT_ENTERED skip
#endif

inline run_if_has_strand() {
  if
  :: has_strand -> has_strand = false; run_strand()
  :: else
  fi
}

#ifdef SHARE
#define LOCALS COMMON_LOCALS; byte left = SHARE; bool offered, work_left
#else
#define LOCALS COMMON_LOCALS
#endif
#define COMMON_LOCALS                                                     \
  byte w, next, head, rest, j, k, t, first;                               \
  bool grant, leaves, leaving, more, settled, delivering, has_strand, announce; \
  byte flags;                                                             \
  bool refused, counted

#ifdef MUTANT_at_once_overtakes_busy
#define AT_ONCE true
#elif defined(MUTANT_at_once_overtakes_offer)
#define AT_ONCE (!HAS(word, BUSY))
#else
#define AT_ONCE (!HAS(word, BUSY | OFFERED))
#endif

/* core::wait(), without run_strand() */
inline wait() {
  atomic {
    (me == N - 1 || started == me);
    started = (me < N - 1 -> started + 1 : started);
    begin_call(me)
  };
#ifdef BOUND
look:
  if
  :: MUST_WAIT(me) ->
     /* core::enter() */
#ifdef MUTANT_enter_in_two_steps
     refused = (entered - left_queue >= BOUND);
     atomic {
       if
       :: refused
       :: else -> entered++; counted = true
       fi
     }
#else
     atomic {
       refused = (entered - left_queue >= BOUND);
       if
       :: refused
       :: else -> entered++; counted = true
       fi
     }
#endif
  :: else
  fi;
#endif
  atomic {
    if
#ifdef BOUND
    :: refused -> state[me] = SHUT; ahead[me] = 0; delivered[me] = true
    :: !refused && !counted && MUST_WAIT(me) -> goto look
#endif
    :: NOT_FULL && HAS(word, CLOSED) ->
       NOT_ENTERED;
       state[me] = SHUT; ahead[me] = 0; delivered[me] = true
    :: NOT_FULL && !HAS(word, CLOSED) &&
#ifdef MUTANT_acquire_overtakes_queue
       WANTS(me) <= FREE(word) ->
#else
       !HAS(word, QUEUED) && WANTS(me) <= FREE(word) ->
#endif
       NOT_ENTERED;
       check_grant(me);
       state[me] = GRANTED;
       if
       :: AT_ONCE -> deliver(me)
       :: else -> announce = true; flags = PENDING
       fi;
       word = word + WANTS(me)
    :: else ->
       if
       :: !HAS(word, BUSY | OFFERED) ->
          word = WITH_STRAND(word) | QUEUED;
          w = word;
          enqueue(me);
          has_strand = true
       :: else -> announce = true; flags = PENDING | QUEUED
       fi
    fi
  };
  if
  :: announce ->
#ifdef MUTANT_pending_set_before_mail
     set(flags);
     atomic { put(me) };
#else
     atomic { put(me) };
     set(flags);
#endif
     announce = false;
     flags = 0
  :: has_strand ->
     leaving = (decided_count == 0)
  :: else
  fi
}

/* core::release(), without run_strand() */
inline release() {
  if
  :: atomic {
       delivered[me] && state[me] == GRANTED ->
       state[me] = OVER;
       returned[me] = false;
       assert((word & USED) >= WANTS(me)); /* conserved */
       holding = holding - WANTS(me);
       if
#ifndef MUTANT_release_leaves_strand_free
       :: HAS(word, QUEUED) && !HAS(word, BUSY) ->
#ifdef SHARE
          work_left = HAS(word, OFFERED);
#endif
          word = WITH_STRAND(word);
          w = word;
          has_strand = true
#endif
#if defined(MUTANT_release_ignores_offer)
       :: HAS(word, QUEUED) && !HAS(word, BUSY) && HAS(word, OFFERED) -> word = word - WANTS(me)
#elif defined(MUTANT_release_only_clears_offer)
       :: HAS(word, QUEUED) && !HAS(word, BUSY) && HAS(word, OFFERED) ->
          word = WITHOUT(word - WANTS(me), OFFERED)
#endif
       :: else -> word = word - WANTS(me)
       fi;
       assert(!HAS(word, QUEUED) || HAS(word, BUSY) || !HAS(word, OFFERED)) /* as in set() */
     };
     if
     :: has_strand -> pass_on(WANTS(me))
     :: else
     fi
  :: atomic {
       delivered[me] && state[me] != GRANTED ->
       state[me] = OVER;
       returned[me] = false;
#ifdef MUTANT_failed_acquire_releases
       word = word - ((word & USED) > 0 -> 1 : 0)
#else
       skip
#endif
     }
  fi
}

/* The call, then its completion. All parts share one run_strand(): with one each, pan would take
   minutes to compile. */
proctype waiter(byte me) {
  LOCALS;
  byte part;
  wait();
run_part:
  run_if_has_strand();
  if
  :: atomic { part == 0 && !delivered[me] -> returned[me] = true; part = 1 }
  :: atomic { part == 0 && delivered[me] -> part = 1 }
  :: part == 1 -> goto completion
  :: part == 2 -> goto end
  fi;
completion:
  if
  :: release()
  fi;
  if
  :: has_strand -> part = 2; goto run_part
  :: else
  fi;
end:
  finished++
}

#ifdef SHARE
/* The executor: runs the resumptions, each by core::resume(). One that comes too early comes again. */
proctype executor() {
  LOCALS;
end_executor:
  do
  :: atomic {
#if defined(MUTANT_resume_ignores_busy) || defined(MUTANT_resume_too_early_is_lost)
       resumptions > 0 ->
#else
       resumptions > 0 && !(HAS(word, OFFERED) && HAS(word, BUSY)) ->
#endif
       resumptions--;
       if
#if defined(MUTANT_resume_leaves_strand_free)
       :: HAS(word, OFFERED) -> word = WITHOUT(word, OFFERED)
#elif defined(MUTANT_resume_too_early_is_lost)
       :: HAS(word, OFFERED) && !HAS(word, BUSY) -> word = WITH_STRAND(word); w = word; has_strand = true
#else
       :: HAS(word, OFFERED) -> word = WITH_STRAND(word); w = word; has_strand = true
#endif
       :: else
       fi
     };
     run_if_has_strand()
  od
}
#endif

#ifdef CANCEL
proctype canceller() {
  LOCALS;
  returned[N - 1] || delivered[N - 1];
  atomic {
    if
    :: !HAS(word, BUSY | OFFERED) ->
       word = WITH_STRAND(word);
       w = word;
       if
       :: in_queue[N - 1] -> decide(N - 1, ABORTED)
       :: else
       fi;
       has_strand = true
    :: else -> announce = true
    fi
  };
  if
  :: announce ->
     announce = false;
     atomic { put(N + N - 1) };
#ifndef MUTANT_cancellation_not_announced
     set(PENDING)
#endif
  :: else
  fi;
  run_if_has_strand();
  finished++
}
#endif

#ifdef CANCEL_ALL
proctype cancel_all() {
  LOCALS;
  atomic {
    if
    :: !HAS(word, QUEUED) || HAS(word, CLOSED)
    :: else ->
       if
       :: HAS(word, BUSY | OFFERED) -> announce = true
       :: else ->
          word = word | BUSY;
          w = word;
          decide_all(ABORTED);
          has_strand = true
       fi
    fi
  };
  if
  :: announce ->
     announce = false;
     atomic { put(2 * N) };
     set(PENDING)
  :: else
  fi;
  run_if_has_strand();
  finished++
}
#endif

#ifdef CLOSE
proctype closer() {
  LOCALS;
  set(CLOSED);
  run_if_has_strand();
  finished++
}
#endif

init {
  byte i, count;
  atomic {
    do
    :: i < N -> run waiter(i); i++; count++
    :: else -> break
    od;
    i = 0;
#ifdef SHARE
    run executor();
#endif
#ifdef CANCEL
    run canceller(); count++;
#endif
#ifdef CANCEL_ALL
    run cancel_all(); count++;
#endif
#ifdef CLOSE
    run closer(); count++;
#endif
  };
#ifdef SHARE
  finished == count && resumptions == 0 && !HAS(word, BUSY);
#else
  finished == count;
#endif
  /* All permits are back, the strand is free and not offered, and nothing is left. */
  assert(WITHOUT(word, CLOSED) == HELD);
  assert(holding == HELD && mails == 0 && queued_count == 0 && decided_count == 0);
#ifdef BOUND
  assert(entered == left_queue)
#endif
}
