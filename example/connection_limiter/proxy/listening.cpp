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

struct listening {
  std::vector<stream_acceptor> acceptors;
  socket_file file;
};

void listen(listening& l, asio::io_context& context, const endpoint& address,
            passed_sockets& passed, const listening_options& o) {
  stream_acceptor acceptor{context};
  const auto ip = to_tcp(address);
  if (const int descriptor = passed.take(address); descriptor >= 0) {
    acceptor.assign(address.protocol(), descriptor);
  } else {
    acceptor.open(address.protocol());
    if (ip) {
      acceptor.set_option(asio::socket_base::reuse_address{true});
      // The unspecified IPv6 address is all addresses of the machine, also the IPv4 ones.
      if (ip->address().is_v6() && ip->address().is_unspecified())
        acceptor.set_option(asio::ip::v6_only{false});
      acceptor.bind(address);
    } else {
      l.file = socket_file{acceptor, address, o.permissions};
    }
    acceptor.listen();
  }
  if (ip) set_options(acceptor.native_handle(), o.keepalive);
  l.acceptors.push_back(std::move(acceptor));
}

bool is_about_missing_ipv6(const error_code& ec) {
  return ec == asio::error::address_family_not_supported ||
         ec == boost::system::errc::address_not_available;
}

// The address with the port of the other one, if it has none itself.
endpoint with_port_of(const endpoint& address, stream_acceptor& other) {
  auto ip = to_tcp(address);
  const auto port = to_tcp(other.local_endpoint());
  if (!ip || ip->port() != 0 || !port) return address;
  ip->port(port->port());
  return *ip;
}

// Listens on all addresses, and on the port of the first one if the others have port 0.
listening listen_on_all(asio::io_context& context, const std::vector<endpoint>& addresses,
                        passed_sockets& passed, const listening_options& o) {
  listening result;
  std::exception_ptr failure;
  for (const endpoint& address : addresses) try {
      auto& already = result.acceptors;
      listen(result, context, already.empty() ? address : with_port_of(address, already.front()),
             passed, o);
    } catch (const boost::system::system_error& e) {
      if (address.protocol().family() != AF_INET6 || !is_about_missing_ipv6(e.code())) throw;
      failure = std::current_exception();
    }
  if (result.acceptors.empty()) std::rethrow_exception(failure);
  return result;
}

listening listen_on_all(asio::io_context& context, const std::vector<endpoint>& addresses,
                        const std::string& name, const char* option, passed_sockets& passed,
                        const listening_options& o) {
  const auto ip = to_tcp(addresses.front());
  // A port that the system chooses for one address may be in use on another one.
  for (int attempts = ip && ip->port() == 0 ? attempts_at_one_port_for_all : 1;;) try {
      return listen_on_all(context, addresses, passed, o);
    } catch (const std::exception&) {
      if (--attempts == 0)
        throw std::runtime_error(text(option, ' ', name, ": ", reason(std::current_exception())));
    }
}

}  // namespace

std::vector<endpoint> listening_addresses(asio::io_context& context, const host_port& address,
                                          const char* option) {
  if (address.host == "*") {
    error_code no_ipv6;
    tcp::acceptor{context}.open(tcp::v6(), no_ipv6);
    return {tcp::endpoint{no_ipv6 ? tcp::v4() : tcp::v6(), address.port}};
  }
  error_code ec;
  const std::vector<endpoint> found = look_up(context, address, ec);
  if (ec) throw std::runtime_error(text(option, ' ', to_string(address), ": ", ec.message()));
  std::vector<endpoint> result;
  for (const endpoint& e : found)
    if (std::find(result.begin(), result.end(), e) == result.end()) result.push_back(e);
  return result;
}

passed_sockets::passed_sockets(std::vector<int> descriptors) {
  for (const int descriptor : descriptors) {
    endpoint address;
    auto size = static_cast<socklen_t>(address.capacity());
    const bool known =
        ::getsockname(descriptor, address.data(), &size) == 0 && size <= address.capacity();
    address.resize(known ? size : 0);
    sockets_.emplace_back(known ? to_string(address) : "", descriptor);
  }
}

passed_sockets::~passed_sockets() {
  for (const auto& [address, descriptor] : sockets_) ::close(descriptor);
}

int passed_sockets::take(const endpoint& address) {
  const auto found =
      std::find_if(sockets_.begin(), sockets_.end(),
                   [name = to_string(address)](const auto& s) { return s.first == name; });
  if (found == sockets_.end()) return -1;
  const int descriptor = found->second;
  sockets_.erase(found);
  return descriptor;
}

listening_sockets::listening_sockets(asio::io_context& context, const host_port& where,
                                     const std::vector<endpoint>& addresses, const char* option,
                                     passed_sockets& passed, const listening_options& o) {
  listening l = listen_on_all(context, addresses, to_string(where), option, passed, o);
  file_ = std::move(l.file);
  acceptors_ = std::move(l.acceptors);
  for (stream_acceptor& a : acceptors_) {
    addresses_.push_back(a.local_endpoint());
    if (acceptors_.size() > 1) a.non_blocking(true);
  }
  name_ = to_string(host_port{where.host, port(), where.path});
}

std::uint16_t listening_sockets::port() const noexcept {
  const auto ip = to_tcp(addresses_.front());
  return ip ? ip->port() : std::uint16_t{0};
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
      stream_socket socket = acceptors_[next_++ % acceptors_.size()].accept(executor, ec);
      if (ec != asio::error::would_block && ec != asio::error::connection_aborted)
        co_return accepted{ec, std::move(socket)};
    }
    if (const error_code ec = co_await until_one_is_ready())
      co_return accepted{ec, stream_socket{executor}};
  }
}

awaitable<error_code> listening_sockets::until_one_is_ready() {
  const auto wait = [](stream_acceptor& a) {
    return a.async_wait(stream_acceptor::wait_read, asio::deferred);
  };
  std::vector<decltype(wait(acceptors_.front()))> waits;
  for (stream_acceptor& a : acceptors_) waits.push_back(wait(a));
  const auto [order, errors] = co_await asio::experimental::make_parallel_group(std::move(waits))
                                   .async_wait(asio::experimental::wait_for_one(), use_awaitable);
  co_return errors[order[0]];
}

void listening_sockets::close() {
  file_.remove();
  for (stream_acceptor& a : acceptors_) a.close();
}

}  // namespace connection_limiter
