/* Copyright (c) 2026 The turnstile authors
   Distributed under the Boost Software License, Version 1.0 (see LICENSE)

   The protocol of the core: four waiters, of which the last wants both of two permits, over the
   word, the mailbox and the strand. Sequentially consistent; the explorer looks at memory orders.

   One step here is one access to the word or the mailbox. Where the core computes the new word from
   the old one alone, its loop around a compare-and-swap is one step; the strand, which judges the
   word together with the queue, reads the word in one step and swaps it in another.

   -DCANCEL     a thread cancels the last waiter once that waits
   -DCANCEL_ALL a thread cancels all who wait
   -DCLOSE      a thread closes the semaphore
   -DHOLD       one permit never comes back (the last waiter ends by CANCEL or CLOSE)
   -DMUTANT=n   has fault n

   Found as an invalid end state: a waiter left asleep. The rest is asserted. */

#ifndef MUTANT
#define MUTANT 0
#endif

#ifndef N
#define N 4
#endif
#define PERMITS 2
#define WANTS(i) ((i) == N - 1 -> 2 : 1)
#define NOBODY 15

/* The word. */
#define USED 3
#define QUEUED 4
#define BUSY 8
#define PENDING 16
#define CLOSED 32
#define HAS(x, flag) (((x) & (flag)) != 0)
#define WITHOUT(x, flag) ((x) & (255 - (flag)))
#define FREE(x) (PERMITS - ((x) & USED))

/* What became of a waiter. */
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
byte mail[8] = NOBODY;
byte mails;

/* The strand's. */
byte queue[N] = NOBODY;
byte queued_count;
byte decided[N] = NOBODY;
byte decided_count;
bool in_queue[N];

/* The waiters'. */
byte state[N];
bool returned[N];      /* the call came back: it waits */
bool told[N];
byte holding = HELD;   /* permits in the callers' hands */
byte ended;
byte begun;            /* all but the last are alike: they may as well begin in this order */

/* For the order: who was waiting when the call of another began. */
byte ahead[N];
#define BIT(i) (1 << (i))
#define COMES(i)                                                          \
  k = 0;                                                                  \
  do                                                                      \
  :: k < N ->                                                             \
     if                                                                   \
     :: returned[k] && state[k] == WAITING -> ahead[i] = ahead[i] | BIT(k) \
     :: else                                                              \
     fi;                                                                  \
     k++                                                                  \
  :: else -> break                                                        \
  od;                                                                     \
  k = 0

inline in_order(i) {
  k = 0;
  do
  :: k < N ->
     assert(!((ahead[i] & BIT(k)) && state[k] == WAITING)); /* first come, first served */
     k++
  :: else -> break
  od;
  k = 0
}

/* Nobody asks any more who was before x, nor whether x was before somebody. */
inline forget(x) {
  ahead[x] = 0;
  do
  :: k < N -> ahead[k] = ahead[k] & (255 - BIT(x)); k++
  :: else -> break
  od;
  k = 0
}

inline put(m) {
  assert(mails < 8);
  mail[mails] = m;
  mails++
}

/* Takes waiter x out of the queue, with what became of it. */
inline decide(x, o) {
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
  :: k < N -> queue[k] = NOBODY
  :: else
  fi;
  k = 0;
  in_queue[x] = false;
  state[x] = o;
  forget(x);
  assert(decided_count < N);
  decided[decided_count] = x;
  decided_count++
}

inline decide_all(o) {
  do
  :: queued_count > 0 -> who = queue[0]; decide(who, o)
  :: else -> break
  od;
  who = 0
}

inline enqueue(x) {
  queue[queued_count] = x;
  queued_count++;
  in_queue[x] = true
}

inline take_mail() {
  j = 0;
  do
  :: j < mails ->
#if MUTANT == 9
     t = mail[mails - 1 - j]; /* the newest first */
#else
     t = mail[j];
#endif
     if
     :: t < N && state[t] == GRANTED ->
#if MUTANT == 17
        enqueue(t) /* as if it had no permits */
#else
        assert(decided_count < N);
        decided[decided_count] = t;
        decided_count++
#endif
     :: t < N && state[t] != GRANTED -> enqueue(t)
     :: t >= N && t < 2 * N ->
        if
#if MUTANT == 3
        :: !told[t - N] -> decide(t - N, ABORTED) /* also who was decided */
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
  :: mails > 0 -> mails--; mail[mails] = NOBODY
  :: else -> break
  od
}

#if MUTANT == 5
#define MAY_GRANT (HAS(w, PENDING) && WANTS(head) <= FREE(w)) /* only when there is mail */
#elif MUTANT == 6
#define MAY_GRANT true
#else
#define MAY_GRANT (WANTS(head) <= FREE(w))
#endif

/* Tells those who were decided. One step: nothing that a waiter does once it is told depends on who
   else is. */
inline tell() {
  atomic {
    giving = false;
    /* Where nobody waits any more, who is told may know it. */
    assert(queued_count > 0 || HAS(word, PENDING) || !HAS(word, QUEUED));
    do
    :: j < decided_count ->
       t = decided[j];
       decided[j] = NOBODY;
       assert(!told[t]); /* once each */
       told[t] = true;
       holding = (state[t] == GRANTED -> holding + WANTS(t) : holding);
       assert(holding <= PERMITS);
#if MUTANT == 13
       decided_count = 1; /* only the first */
#endif
       j++
    :: else -> break
    od;
    decided_count = 0;
    j = 0;
    t = 0;
    leaving = true
  }
}

/* core::run(): w is the word as this thread last saw or set it. Grants to one at a time, where the
   core takes as many as it can. With `leaving`, first core::leave(). */
inline serve() {
  do
#if MUTANT == 18
  :: atomic { leaving -> leaving = false; word = WITHOUT(word, BUSY) }; break
#else
  :: atomic { leaving && word == w -> leaving = false; word = WITHOUT(word, BUSY) }; break
#endif
  :: atomic { leaving && word != w -> leaving = false; w = word }
  :: atomic { !leaving && mails > 0 -> take_mail() }
  :: !leaving && mails == 0 ->
     atomic {
       if
#if MUTANT != 10
       :: HAS(w, CLOSED) && queued_count > 0 -> decide_all(SHUT)
#endif
       :: else
       fi;
       next = w;
       head = queue[0];
       grant = (queued_count > 0 && MAY_GRANT);
       rest = queued_count - (grant -> 1 : 0);
#if MUTANT == 2
       leaves = !grant && decided_count == 0;
#else
       leaves = !grant && !HAS(w, PENDING) && decided_count == 0;
#endif
       more = grant && rest > 0 && WANTS(queue[1]) <= FREE(w) - WANTS(head);
       settled = !HAS(w, PENDING) && !more;
       next = (HAS(w, PENDING) -> next : WITHOUT(next, QUEUED));
       next = (more -> next : WITHOUT(next, PENDING));
#if MUTANT != 4
       next = (rest > 0 -> next | QUEUED : next);
#endif
#if MUTANT != 15
       next = (grant -> next + WANTS(head) : next);
#endif
       next = (leaves -> WITHOUT(next, BUSY) : next);
       if
#if MUTANT == 12
       :: true -> /* a store, not a swap */
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
             in_order(head);
             decide(head, GRANTED)
          :: else
          fi;
          if
          :: leaves -> skip
          :: !leaves && settled -> giving = true
          :: else
          fi
       fi;
       grant = false; rest = 0; more = false; settled = false; next = 0; head = 0
     };
     if
     :: leaves -> leaves = false; break
     :: giving ->
        tell()
     :: else
     fi
  od;
  w = 0
}

/* What core::release() does that has the strand, and n permits in hand, still counted as in use:
   core::pass_on(), or they are given back to the count. */
inline pass_on(n) {
  if
  :: atomic {
       queued_count > 0 && FREE(w) == 0 && !HAS(w, CLOSED) &&
#if MUTANT != 20
       (queued_count > 1 || word == w) &&
#endif
#if MUTANT != 21
       WANTS(queue[0]) == n &&
#endif
       true ->
       head = queue[0];
#if MUTANT != 19
       word = (queued_count == 1 -> WITHOUT(word, QUEUED) : word);
       w = (queued_count == 1 -> word : w);
#endif
       in_order(head);
       decide(head, GRANTED);
       head = 0;
       giving = true
     };
     tell()
  :: else -> atomic { word = word - n; w = word }
  fi
}

/* core::set(): mine says whether this thread has the strand now. */
inline set(flags) {
  atomic {
    w = word | (flags);
    if
    :: HAS(w, QUEUED | PENDING) && HAS(word, BUSY) ->
#if MUTANT != 8
       w = w | PENDING
#else
       w = WITHOUT(w, PENDING)
#endif
    :: HAS(w, QUEUED | PENDING) && !HAS(word, BUSY) -> w = w | BUSY; mine = true
    :: else
    fi;
    word = w
  };
  if
  :: mine -> mine = false; serve()
  :: else
  fi;
  w = 0
}

#define LOCALS                                              \
  byte w, next, head, rest, j, k, t, who;                     \
  bool grant, leaves, leaving, more, settled, giving, mine, announce; \
  byte flags

proctype waiter(byte me) {
  LOCALS;
  atomic {
    (me == N - 1 || begun == me);
    begun = (me < N - 1 -> begun + 1 : begun);
    COMES(me);
    if
    :: HAS(word, CLOSED) -> state[me] = SHUT; ahead[me] = 0; told[me] = true
    :: !HAS(word, CLOSED) &&
#if MUTANT == 14
       WANTS(me) <= FREE(word) -> /* overtakes */
#else
       !HAS(word, QUEUED) && WANTS(me) <= FREE(word) ->
#endif
       in_order(me);
       state[me] = GRANTED;
       forget(me);
       if
       :: HAS(word, BUSY) -> announce = true; flags = PENDING
       :: else ->
          told[me] = true;
          holding = holding + WANTS(me);
          assert(holding <= PERMITS)
       fi;
       word = word + WANTS(me)
    :: else ->
       if
       :: HAS(word, BUSY) -> announce = true; flags = PENDING | QUEUED
       :: else ->
          word = word | BUSY | QUEUED;
          w = word;
          enqueue(me);
          mine = true
       fi
    fi
  };
  if
  :: announce ->
#if MUTANT == 7
     set(flags);
     atomic { put(me) }
#else
     atomic { put(me) };
     set(flags)
#endif
  :: mine ->
     mine = false;
     leaving = true;
     serve()
  :: else
  fi;
  if
  :: atomic { !told[me] -> announce = false; flags = 0; returned[me] = true }
  :: atomic { told[me] -> announce = false; flags = 0 }
  fi;

  /* core::release() */
  if
  :: atomic {
       told[me] && state[me] == GRANTED ->
       state[me] = OVER;
       returned[me] = false;
       assert((word & USED) >= WANTS(me)); /* conserved */
       holding = holding - WANTS(me);
       if
#if MUTANT != 1
       :: HAS(word, QUEUED) && !HAS(word, BUSY) ->
          word = word | BUSY;
          w = word;
          mine = true
#endif
       :: else -> word = word - WANTS(me)
       fi
     };
     if
     :: mine -> mine = false; pass_on(WANTS(me)); serve()
     :: else
     fi
  :: atomic {
       told[me] && state[me] != GRANTED ->
       state[me] = OVER;
       returned[me] = false;
#if MUTANT == 16
       word = word - ((word & USED) > 0 -> 1 : 0) /* gives back what it has not */
#else
       skip
#endif
     }
  fi;
  ended++
}

#ifdef CANCEL
proctype canceller() {
  LOCALS;
  returned[N - 1] || told[N - 1];
  atomic {
    if
    :: HAS(word, BUSY) -> announce = true
    :: else ->
       word = word | BUSY;
       w = word;
       if
       :: in_queue[N - 1] -> decide(N - 1, ABORTED)
       :: else
       fi;
       mine = true
    fi
  };
  if
  :: announce ->
     announce = false;
     atomic { put(N + N - 1) };
#if MUTANT != 11
     set(PENDING)
#endif
  :: mine ->
     mine = false;
     serve()
  fi;
  ended++
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
       :: HAS(word, BUSY) -> announce = true
       :: else ->
          word = word | BUSY;
          w = word;
          decide_all(ABORTED);
          mine = true
       fi
    fi
  };
  if
  :: announce ->
     announce = false;
     atomic { put(2 * N) };
     set(PENDING)
  :: mine -> mine = false; serve()
  :: else
  fi;
  ended++
}
#endif

#ifdef CLOSE
proctype closer() {
  LOCALS;
  set(CLOSED);
  ended++
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
  ended == count;
  assert(WITHOUT(word, CLOSED) == HELD); /* all permits are back, nobody has the strand */
  assert(holding == HELD && mails == 0 && queued_count == 0 && decided_count == 0)
}
