// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_KEY_TABLE_HPP
#define TURNSTILE_DETAIL_KEY_TABLE_HPP

#include <turnstile/detail/keyed_core.hpp>

#include <boost/intrusive/set.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace turnstile::inline v1::detail {

// The keyed core with its keys: a tree of the nodes, in the order of the keys. A node that is in the tree is
// pinned, or its key holds forgotten permits.
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
    const auto at = nodes_.find(key, by_key{compare_});
    return at == nodes_.end() ? otherwise : f(*at);
  }

  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return nodes_.size();
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

  struct found {
    key_node* node;  // pinned; null if there is no need for that
    bool claimed;
  };
  // Claims n permits of a key, with a pin, unless n is zero or the key has too few. Otherwise pins the node if `waits`,
  // or if it would stay without a pin.
  found find_or_insert(const Key& key, std::uint32_t n, bool waits) {
    std::unique_ptr<node> spare;  // destroyed after the mutex is unlocked
    std::unique_lock lock(mutex_);
    auto at = nodes_.find(key, by_key{compare_});
    if (at == nodes_.end()) {
      lock.unlock();
      spare = std::make_unique<node>(*this, key);
      lock.lock();
      const auto [there, inserted] = nodes_.insert(*spare);
      if (inserted) spare.release();
      at = there;
    }
    if (n != 0 && at->claim(n, per_key())) return {&*at, true};
    if (!waits && at->is_pinned()) return {nullptr, false};
    at->pin();
    return {&*at, false};
  }

  void remove(key_node& k) noexcept override {
    nodes_.erase(tree::s_iterator_to(static_cast<node&>(k)));
  }

  void remove_unpinned() noexcept override {
    for (auto at = nodes_.begin(); at != nodes_.end();) {
      node& n = *at++;
      if (n.is_pinned()) continue;
      nodes_.erase(tree::s_iterator_to(n));
      removed_.push_back(n);
    }
  }
  void destroy_removed() noexcept override {
    removed_.clear_and_dispose([](node* n) { delete n; });
  }

  [[no_unique_address]] Compare compare_;
  tree nodes_;
  tree removed_;
};

}  // namespace turnstile::inline v1::detail

#endif
