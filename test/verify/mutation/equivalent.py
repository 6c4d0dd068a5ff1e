"""Mutants that change nothing that anybody could see, each with the reason.

Keyed by the text of the line and what it becomes; where a line is there more than once, also by what
stands above it."""

from dataclasses import dataclass


@dataclass
class Equivalent:
    file: str
    old: str
    new: str
    reason: str
    after: str = ''


MUTANTS = []


def same(file, old, new, reason, after=''):
    MUTANTS.append(Equivalent(file, old, new, reason, after))


same('core.cpp',
     'if (limit_.compare_exchange_strong(l, proposal, std::memory_order_acq_rel)) break;',
     'if (limit_.compare_exchange_strong(l, proposal, std::memory_order_release)) break;',
     'the load before has acquired the very value that the swap replaces; an epoch makes it unique')
same('core.cpp',
     'if (word_.compare_exchange_strong(w, next, std::memory_order_acq_rel, std::memory_order_acquire))',
     'if (!(word_.compare_exchange_strong(w, next, std::memory_order_acq_rel, std::memory_order_acquire)))',
     'one more turn: the swap is repeated, fails, and w becomes what the first has set; where others '
     'change the word meanwhile, w is stale, and every swap from it fails and reads anew')

same('service.hpp', 'r.unlink(); r.service_ = nullptr;', 'r.service_ = nullptr; r.unlink();',
     'neither touches what the other does')
same('service.hpp', 'r.insert_before(abandoned_); r.core_->add_reference();',
     'r.core_->add_reference(); r.insert_before(abandoned_);', 'neither touches what the other does')
same('service.hpp', 'service_ = &s; insert_before(s.is_shut_down_ ? s.abandoned_ : s.live_);',
     'insert_before(s.is_shut_down_ ? s.abandoned_ : s.live_); service_ = &s;',
     'neither touches what the other does, and the mutex is locked')
same('service.hpp', 'replace(other); other.drop_executor();', 'other.drop_executor(); replace(other);',
     'neither touches what the other does')
same('service.hpp', 'service_ = nullptr;', ';',
     'after leave(), the registration is destroyed, or replace() sets it', after='void registration::leave()')
