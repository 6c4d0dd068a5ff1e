// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/listening.hpp"

#include "text.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/experimental/parallel_group.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

namespace connection_limiter {

namespace {

constexpr int attempts_at_one_port_for_all = 100;

tcp::acceptor listen(asio::io_context& context, const tcp::endpoint& address,
                     passed_sockets& passed) {
  tcp::acceptor acceptor{context};
  if (const int descriptor = passed.take(address); descriptor >= 0) {
    acceptor.assign(address.protocol(), descriptor);
    return acceptor;
  }
  acceptor.open(address.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address{true});
  // The unspecified IPv6 address is all addresses of the machine, also the IPv4 ones.
  if (address.address().is_v6() && address.address().is_unspecified())
    acceptor.set_option(asio::ip::v6_only{false});
  acceptor.bind(address);
  acceptor.listen();
  return acceptor;
}

bool is_about_missing_ipv6(const error_code& ec) {
  return ec == asio::error::address_family_not_supported ||
         ec == boost::system::errc::address_not_available;
}

// Listens on all addresses, and on the port of the first one if the others have port 0.
std::vector<tcp::acceptor> listen_on_all(asio::io_context& context,
                                         std::vector<tcp::endpoint> addresses,
                                         passed_sockets& passed) {
  std::vector<tcp::acceptor> acceptors;
  std::exception_ptr failure;
  for (tcp::endpoint& address : addresses) try {
      if (address.port() == 0 && !acceptors.empty())
        address.port(acceptors.front().local_endpoint().port());
      acceptors.push_back(listen(context, address, passed));
    } catch (const boost::system::system_error& e) {
      if (!address.address().is_v6() || !is_about_missing_ipv6(e.code())) throw;
      failure = std::current_exception();
    }
  if (acceptors.empty()) std::rethrow_exception(failure);
  return acceptors;
}

std::vector<tcp::acceptor> listen_on_all(asio::io_context& context,
                                         const std::vector<tcp::endpoint>& addresses,
                                         const std::string& name, const char* option,
                                         passed_sockets& passed) {
  // A port that the system chooses for one address may be in use on another one.
  for (int attempts = addresses.front().port() == 0 ? attempts_at_one_port_for_all : 1;;) try {
      return listen_on_all(context, addresses, passed);
    } catch (const std::exception&) {
      if (--attempts == 0)
        throw std::runtime_error(text(option, ' ', name, ": ", reason(std::current_exception())));
    }
}

}  // namespace

std::vector<tcp::endpoint> listening_addresses(asio::io_context& context, const host_port& address,
                                               const char* option) {
  if (address.host == "*") {
    error_code no_ipv6;
    tcp::acceptor{context}.open(tcp::v6(), no_ipv6);
    return {{no_ipv6 ? tcp::v4() : tcp::v6(), address.port}};
  }
  std::vector<tcp::endpoint> found = look_up(context, address, option);
  std::vector<tcp::endpoint> result;
  for (const tcp::endpoint& e : found)
    if (std::find(result.begin(), result.end(), e) == result.end()) result.push_back(e);
  return result;
}

passed_sockets::passed_sockets(std::vector<int> descriptors) {
  for (const int descriptor : descriptors) {
    tcp::endpoint address;
    auto size = static_cast<socklen_t>(address.capacity());
    if (::getsockname(descriptor, address.data(), &size) != 0 || size > address.capacity())
      size = 0;
    const int family = size == 0 ? AF_UNSPEC : address.data()->sa_family;
    if (family != AF_INET && family != AF_INET6) address = {};  // matches no listener
    sockets_.emplace_back(address, descriptor);
  }
}

passed_sockets::~passed_sockets() {
  for (const auto& [address, descriptor] : sockets_) ::close(descriptor);
}

int passed_sockets::take(const tcp::endpoint& address) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [&](const auto& s) { return s.first == address; });
  if (found == sockets_.end() || address.port() == 0) return -1;
  const int descriptor = found->second;
  sockets_.erase(found);
  return descriptor;
}

listening_sockets::listening_sockets(asio::io_context& context, const host_port& where,
                                     const std::vector<tcp::endpoint>& addresses,
                                     const char* option, passed_sockets& passed)
    : acceptors_(listen_on_all(context, addresses, to_string(where), option, passed)) {
  for (tcp::acceptor& a : acceptors_) {
    addresses_.push_back(a.local_endpoint());
    if (acceptors_.size() > 1) a.non_blocking(true);
  }
  name_ = to_string(host_port{where.host, port()});
}

awaitable<listening_sockets::accepted> listening_sockets::accept(asio::any_io_executor executor) {
  if (acceptors_.size() == 1) {
    auto [ec, socket] = co_await acceptors_.front().async_accept(executor, as_result);
    co_return accepted{ec, std::move(socket)};
  }
  // async_accept() on all of them would lose a connection if two complete at the same time.
  for (;;) {
    for (std::size_t i = 0; i != acceptors_.size(); ++i) {
      error_code ec;
      tcp::socket socket = acceptors_[next_++ % acceptors_.size()].accept(executor, ec);
      if (ec != asio::error::would_block && ec != asio::error::connection_aborted)
        co_return accepted{ec, std::move(socket)};
    }
    if (const error_code ec = co_await until_one_is_ready())
      co_return accepted{ec, tcp::socket{executor}};
  }
}

awaitable<error_code> listening_sockets::until_one_is_ready() {
  const auto wait = [](tcp::acceptor& a) {
    return a.async_wait(tcp::acceptor::wait_read, asio::deferred);
  };
  std::vector<decltype(wait(acceptors_.front()))> waits;
  for (tcp::acceptor& a : acceptors_) waits.push_back(wait(a));
  const auto [order, errors] = co_await asio::experimental::make_parallel_group(std::move(waits))
                                   .async_wait(asio::experimental::wait_for_one(), use_awaitable);
  co_return errors[order[0]];
}

void listening_sockets::close() {
  for (tcp::acceptor& a : acceptors_) a.close();
}

}  // namespace connection_limiter
