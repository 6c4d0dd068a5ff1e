// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_KEY_TABLE_HPP
#define TURNSTILE_DETAIL_KEY_TABLE_HPP

#include <turnstile/detail/keyed_core.hpp>

#include <boost/intrusive/set.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

namespace turnstile::inline v1::detail {

// The keyed core with its keys: the nodes, in trees in the order of the keys. A node that is in a tree is pinned, or
// its key holds forgotten permits.
template <typename Key, typename Compare>
class key_table final : public keyed_core {
 public:
  explicit key_table(const lane_limits& l) : keyed_core(l) {}

  // An outcome with a pinned node. If it is `granted`, the key holds the permits, and the pin is theirs. If it is
  // `waiting`, the pin is the caller's. Otherwise, and for zero permits, there is no node.
  struct result {
    outcome o;
    key_node* node;
  };
  // Takes n permits if that is possible at once. If `waits`, the caller would wait otherwise.
  result acquire(const Key& key, std::size_t n, bool waits) {
    word w = word_.load(std::memory_order_acquire);
    const outcome o = evaluate_total(w, n);
    const bool may_grant = o == outcome::granted;
    if (n == 0 || !(may_grant || (waits && o == outcome::waiting))) return {o, nullptr};

    const auto permits = static_cast<std::uint32_t>(n);
    const auto [k, claimed] = find_or_insert(key, may_grant ? permits : 0, waits);
    outcome taken = outcome::waiting;
    if (claimed) taken = take_total(*k, permits, w, waits);
    if (taken == outcome::granted || (taken == outcome::waiting && waits)) return {taken, k};
    if (k) unpin(*k);
    return {taken, nullptr};
  }

  // What the function returns for the node of the key, or the other value if there is none.
  template <typename Function>
  std::size_t read(const Key& key, std::size_t otherwise, Function f) const {
    const std::scoped_lock lock(mutex_);
    const tree& t = trees_[tree_of(key)];
    const auto at = t.find(key, by_key{compare_});
    return at == t.end() ? otherwise : f(*at);
  }

  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    std::size_t n = 0;
    for (const tree& t : trees_) n += t.size();
    return n;
  }

 private:
  class node final : public key_node, public boost::intrusive::set_base_hook<> {
   public:
    node(keyed_core& c, const Key& k) : key_node(c), key(k) {}
    const Key key;
  };
  struct by_key {
    [[no_unique_address]] Compare less;
    bool operator()(const node& a, const node& b) const { return less(a.key, b.key); }
    bool operator()(const Key& a, const node& b) const { return less(a, b.key); }
    bool operator()(const node& a, const Key& b) const { return less(a.key, b); }
  };
  using tree = boost::intrusive::set<node, boost::intrusive::compare<by_key>>;

  // Keys are spread over 64 trees by their hash, if they have one that never differs for keys that the order takes
  // for equal. With 1,000 keys, this saves a quarter of the time of an acquire and its release (test/bench). If all
  // hashes are the same, a look-up is still O(log keys).
  static constexpr bool has_hash = std::is_same_v<Compare, std::less<Key>> &&
                                   (std::is_integral_v<Key> || std::is_same_v<Key, std::string>);
  static constexpr int tree_bits = has_hash ? 6 : 0;

  static std::size_t tree_of([[maybe_unused]] const Key& key) noexcept {
    if constexpr (has_hash) {
      // The hash of a number is the number. Each of its bits changes the upper bits of the product, or is one of them.
      return std::uint64_t(std::hash<std::remove_const_t<Key>>()(key)) * 0xff51afd7ed558ccd >>
             (64 - tree_bits);
    } else {
      return 0;
    }
  }

  struct found {
    key_node* node;  // pinned; null if there is no need for that
    bool claimed;
  };
  // Claims n permits of a key, with a pin, unless n is zero or the key has too few. Otherwise pins the node if `waits`,
  // or if it would stay without a pin.
  found find_or_insert(const Key& key, std::uint32_t n, bool waits) {
    tree& t = trees_[tree_of(key)];
    std::unique_ptr<node> spare;  // destroyed after the mutex is unlocked
    std::unique_lock lock(mutex_);
    auto at = t.find(key, by_key{compare_});
    if (at == t.end()) {
      lock.unlock();
      spare = std::make_unique<node>(*this, key);
      lock.lock();
      const auto [there, inserted] = t.insert(*spare);
      if (inserted) spare.release();
      at = there;
    }
    if (n != 0 && at->claim(n, per_key())) return {&*at, true};
    if (!waits && at->is_pinned()) return {nullptr, false};
    at->pin();
    return {&*at, false};
  }

  void remove(key_node& k) noexcept override {
    node& n = static_cast<node&>(k);
    trees_[tree_of(n.key)].erase(tree::s_iterator_to(n));
  }

  void remove_unpinned() noexcept override {
    for (tree& t : trees_) {
      for (auto at = t.begin(); at != t.end();) {
        node& n = *at++;
        if (n.is_pinned()) continue;
        t.erase(tree::s_iterator_to(n));
        removed_.push_back(n);
      }
    }
  }
  void destroy_removed() noexcept override {
    removed_.clear_and_dispose([](node* n) { delete n; });
  }

  [[no_unique_address]] Compare compare_;
  tree trees_[std::size_t(1) << tree_bits];
  tree removed_;
};

}  // namespace turnstile::inline v1::detail

#endif
