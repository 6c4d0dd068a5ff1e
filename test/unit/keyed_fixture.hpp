// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_KEYED_FIXTURE_HPP
#define TURNSTILE_TEST_UNIT_KEYED_FIXTURE_HPP

// A keyed semaphore, and acquires that are recorded by their keys.

#include "journal.hpp"

#include <turnstile.hpp>

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace test {

using keyed = turnstile::keyed_semaphore<std::string>;

struct keyed_fixture : journal {
  keyed& make(turnstile::keyed_limits l) { return sem.emplace(io, l); }
  // An acquire of the key, recorded as "<key><number>".
  void acquire(const std::string& key, std::size_t n = 1) {
    (*sem)[key].async_acquire_permit(n, (*this)(key + std::to_string(++numbers[key])));
  }
  std::string drop(const std::string& name) {
    held.at(name).release();
    return poll();
  }
  void check(std::size_t in_use, std::size_t waiting, std::size_t keys) {
    BOOST_TEST(sem->in_use() == in_use);
    BOOST_TEST(sem->waiting() == waiting);
    BOOST_TEST(sem->size() == keys);
  }

  std::optional<keyed> sem;
  std::map<std::string, int> numbers;
};

}  // namespace test

#endif
