// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "stored.hpp"

#include <cstddef>
#include <stdexcept>
#include <string_view>

using namespace turnstile::detail::fleet;

namespace {

// So much of MessagePack as there is in the hash: numbers from 0, and texts.
class reader {
 public:
  explicit reader(std::string_view bytes) : bytes_{bytes} {}
  void end() const {
    if (!bytes_.empty()) throw std::runtime_error{"the script stored more than was expected"};
  }

  void operator()(number& x) {
    const number first = byte();
    if (first >= 0xcc && first <= 0xcf)
      x = big_endian(std::size_t{1} << (first - 0xcc));
    else if (first < 0x80)
      x = first;
    else
      throw std::runtime_error{"the script stored something else than a whole number from 0"};
  }
  void operator()(std::string& x) {
    const number first = byte();
    if (first != 0xd9 && (first < 0xa0 || first > 0xbf))
      throw std::runtime_error{"the script stored no text"};
    const auto size = static_cast<std::size_t>(first == 0xd9 ? byte() : first - 0xa0);
    x = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
  }

 private:
  number byte() {
    if (bytes_.empty()) throw std::runtime_error{"the script stored less than was expected"};
    const auto x = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return x;
  }
  number big_endian(std::size_t size) {
    number x = 0;
    while (size-- > 0) x = x << 8 | byte();
    return x;
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
      number version = 0, is_calm = 0;
      read(version);
      if (version != 1) throw std::runtime_error{"the script stored another version"};
      for_each_field(all.state, [&](const char*, number& x) { read(x); });
      read(all.state.run_id);
      read(all.soonest_end);
      read(is_calm);
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
