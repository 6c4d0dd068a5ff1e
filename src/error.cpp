// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include <turnstile/error.hpp>

#include <boost/system/errc.hpp>

#include <string>

namespace turnstile::inline v1 {

namespace {

const char* text(errc e) noexcept {
  switch (e) {
    case errc::closed: return "The semaphore is closed";
    case errc::over_release: return "More permits released than the semaphore has room for";
    case errc::exceeds_limit: return "More permits requested than the semaphore can ever grant";
    case errc::queue_full: return "As many acquires wait as the semaphore allows";
    case errc::timed_out: return "No permit was granted in time";
    case errc::lease_lost: return "The lease of the shared semaphore was lost";
    case errc::unreachable: return "The server of the shared semaphore cannot be reached";
    case errc::not_a_semaphore: return "The server has something else under this name";
    case errc::no_limit: return "The shared semaphore has no limit yet";
  }
  return "Unknown semaphore error";
}

class category final : public boost::system::error_category {
 public:
  // The identity makes copies of the category equal where two shared objects each link their own.
  constexpr category() noexcept : error_category(0x7c2d5f0a91b3e648) {}

  const char* name() const noexcept override { return "turnstile"; }

  std::string message(int value) const override { return text(static_cast<errc>(value)); }

  boost::system::error_condition default_error_condition(int value) const noexcept override {
    if (static_cast<errc>(value) == errc::timed_out) return boost::system::errc::timed_out;
    return {value, *this};
  }
};

// Initialised by the compiler: the first error code may be made when there is no memory left. Never
// destroyed: error codes may be compared while statics are torn down.
union storage {
  constexpr storage() noexcept : instance() {}
  ~storage() {}
  category instance;
};
constinit storage the_category;

}  // namespace

const boost::system::error_category& error_category() noexcept { return the_category.instance; }

void detail::throw_over_release() {
  throw boost::system::system_error(errc::over_release, "turnstile::release");
}

}  // namespace turnstile::inline v1
