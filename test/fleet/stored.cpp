// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "stored.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

using namespace turnstile::detail::fleet;

namespace {

class reader {
 public:
  explicit reader(std::string_view bytes) : bytes_{bytes} {}
  void end() const {
    if (!bytes_.empty()) throw std::runtime_error{"the script stored more than was expected"};
  }

  number byte() { return static_cast<unsigned char>(take(1).front()); }

  // A double, with the lowest byte first.
  void operator()(number& x) {
    std::uint64_t bits = 0;
    const std::string_view bytes = take(sizeof bits);
    for (std::size_t i = 0; i != sizeof bits; ++i)
      bits |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    const auto value = std::bit_cast<double>(bits);
    if (!(value >= 0 && value <= static_cast<double>(largest) && value == std::floor(value)))
      throw std::runtime_error{"the script stored something else than a whole number from 0"};
    x = static_cast<number>(value);
  }
  // A text up to a zero.
  void operator()(std::string& x) {
    x = take(bytes_.find('\0'));
    take(1);
  }

 private:
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) throw std::runtime_error{"the script stored less than was expected"};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
};

// Both in the order of the script.
template <typename State, typename F>
void for_each_field(State& s, const F& f) {
  f("limit", s.limit), f("lease", s.lease), f("slice", s.slice), f("used", s.used), f("now", s.now),
      f("wall", s.wall);
  f("learning_until", s.learning_until), f("version", s.version), f("epoch", s.epoch),
      f("turns", s.turns);
  f("idle_wanted", s.idle_wanted);
}
template <typename Session, typename F>
void for_each_number(Session& m, const F& f) {
  f("end", m.end), f("serial", m.serial), f("epoch", m.epoch), f("version", m.version),
      f("token", m.token);
  f("share", m.share), f("recall", m.recall), f("debt", m.debt), f("in_use", m.in_use),
      f("want", m.want), f("need", m.need);
  f("turn", m.turn), f("turn_end", m.turn_end);
}

std::string to_text(const news& n) {
  std::string text;
  for (const number x : {n.epoch, n.version, n.share, n.recall, n.debt, n.idle_wanted, n.token,
                         n.limit, n.lease, n.slice})
    text += " " + std::to_string(x);
  return text;
}

}  // namespace

stored read_stored(const std::vector<std::string>& hash) {
  stored all;
  for (std::size_t i = 0; i < hash.size(); i += 2) {
    reader read{hash[i + 1]};
    if (hash[i] == "state") {
      number is_calm = 0;
      if (read.byte() != 2) throw std::runtime_error{"the script stored another version"};
      for_each_field(all.state, [&](const char*, number& x) { read(x); });
      read(all.soonest_end);
      read(is_calm);
      read(all.state.run_id);
    } else {
      for_each_number(all.state.sessions[hash[i]], [&](const char*, number& x) { read(x); });
    }
    read.end();
  }
  return all;
}

std::string to_text(const state& s) {
  std::string text = "\nstate run_id " + s.run_id;
  const auto add = [&](const char* name, number x) {
    text += std::string{" "} + name + " " + std::to_string(x);
  };
  for_each_field(s, add);
  for (const auto& [id, m] : s.sessions) {
    text += "\n" + id;
    for_each_number(m, add);
  }
  return text + "\n";
}

std::string to_text(const result& r) {
  std::string text = "\nreply " + std::to_string(r.reply.serial) + " status " +
                     std::to_string(static_cast<int>(r.reply.status)) + " learning " +
                     std::to_string(r.reply.learning_left) + " news" + to_text(r.reply.news);
  for (const push& p : r.pushes) text += "\npush " + p.id + to_text(p.news);
  return text + "\n";
}
