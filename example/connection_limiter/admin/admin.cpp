// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/admin.hpp"

#include "admin/http.hpp"
#include "admin/metrics.hpp"
#include "admin/page.hpp"
#include "option_rules.hpp"
#include "text.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

namespace connection_limiter {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_connections = 32;
constexpr auto min_time_for_request = 100ms;  // before a new connection displaces this one
constexpr std::uint32_t max_header_bytes = 8192;
constexpr std::uint64_t max_body_bytes = 64;
constexpr auto request_timeout = 5s;  // to receive a request, and to send the response
constexpr auto linger_timeout = 1s;   // to read the rest of a request after the response

// The page loads nothing else, and sends requests only to this endpoint.
constexpr const char* page_policy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view view_of(beast::string_view s) { return {s.data(), s.size()}; }

// The addresses to listen on. Throws usage_error if they must be loopback addresses and are not.
std::vector<endpoint> allowed_addresses(asio::io_context& context, const host_port& address,
                                        bool is_public) {
  std::vector<endpoint> found = listening_addresses(context, address, "--admin");
  const auto is_loopback = [](const endpoint& e) { return to_tcp(e)->address().is_loopback(); };
  if (!is_public && !std::all_of(found.begin(), found.end(), is_loopback))
    throw usage_error(
        text("invalid --admin '", to_string(address), "'; expected a loopback address ",
             "such as 127.0.0.1:9100, or --admin-public with the endpoint's host name"));
  return found;
}

}  // namespace

admin::admin(const host_port& address, const std::vector<std::string>& public_names,
             std::list<limiter>& limiters, const logger& l, passed_sockets& passed)
    : limiters_(limiters),
      log_(l),
      accept_failures_(log_, "admin endpoint", "accept"),
      other_failures_(log_, "admin endpoint", "request failed"),
      listening_(context_, address, allowed_addresses(context_, address, !public_names.empty()),
                 "--admin", passed),
      access_(listening_, public_names),
      places_(context_, max_connections) {
  asio::co_spawn(context_, accept_connections(), asio::detached);
  asio::co_spawn(context_, report_failures(), asio::detached);
  thread_ = std::jthread{[this] { run(); }};
}

admin::~admin() { context_.stop(); }

void admin::run() noexcept {
  for (;;) try {
      context_.run();
      return;
    } catch (...) {
      other_failures_.failed(reason(std::current_exception()));
    }
}

// ---- Connections --------------------------------------------------------------------------------

awaitable<void> admin::accept_connections() {
  for (;;) {
    std::string failure;
    try {
      auto [ec, socket] = co_await listening_.accept(context_.get_executor());
      if (ec) {
        failure = ec.message();
      } else {
        co_await make_room();
        const auto c = connections_.emplace(connections_.end(), stream_type{std::move(socket)});
        asio::co_spawn(
            context_, serve(c),
            [this, c, place = places_.try_acquire_permit()](const std::exception_ptr& e) {
              if (e) other_failures_.failed(reason(e));
              connections_.erase(c);
            });
      }
    } catch (const std::exception& e) {
      failure = e.what();
    }
    if (failure.empty()) {
      accept_failures_.succeeded();
    } else {
      accept_failures_.failed(failure + "; retrying ten times a second");
      co_await pause_accepting();
    }
  }
}

awaitable<void> admin::report_failures() {
  asio::steady_timer timer{context_};
  for (;;) {
    timer.expires_after(1s);
    co_await timer.async_wait(use_awaitable);
    accept_failures_.report();
    other_failures_.report();
  }
}

// Waits until fewer than the maximum of connections are left. Closes the one that has been idle
// longest, but gives each some time for its request: otherwise many new connections would displace
// each other before one of them has sent anything.
awaitable<void> admin::make_room() {
  asio::steady_timer timer{context_};
  while (places_.available() == 0) {
    const auto end = connections_.front().last_activity + min_time_for_request;
    if (std::chrono::steady_clock::now() >= end) {
      connections_.front().stream.close();
      (void)co_await places_.async_acquire_permit(use_awaitable);  // returned at once
      co_return;
    }
    timer.expires_at(end);
    co_await timer.async_wait(use_awaitable);
  }
}

// One request for each connection, so that idle clients do not use up the connections.
awaitable<void> admin::serve(connections::iterator c) {
  stream_type& stream = c->stream;
  beast::flat_buffer buffer{std::size_t{2} * max_header_bytes};
  http::request_parser<http::string_body> parser;
  parser.header_limit(max_header_bytes);
  parser.body_limit(max_body_bytes);
  stream.expires_after(request_timeout);
  const auto [read_error, n] = co_await http::async_read(stream, buffer, parser, as_result);
  c->last_activity = std::chrono::steady_clock::now();
  connections_.splice(connections_.end(), connections_, c);
  // Connections that end or fail before the request is complete get no response and no log line.
  const bool incomplete =
      read_error == http::error::end_of_stream || read_error == http::error::partial_message;
  const bool parse_error =
      read_error.category() == make_error_code(http::error::bad_target).category();
  if (incomplete || (read_error && !parse_error)) co_return;

  response r;
  error_code ignored;
  if (read_error)
    r = answer(read_error);
  else
    r = co_await answer(parser.get(), stream.socket().local_endpoint(ignored));
  if (parser.get().method() == http::verb::head) r.body().clear();
  stream.expires_after(request_timeout);
  const auto [write_error, written] = co_await http::async_write(stream, r, as_result);
  if (write_error) co_return;

  // Read the rest before closing: closing a socket with unread data can discard the response.
  stream.socket().shutdown(stream_socket::shutdown_send, ignored);
  stream.expires_after(linger_timeout);
  buffer.clear();
  for (std::size_t left = 1 << 20; left > max_header_bytes;) {
    const auto [ec, more] =
        co_await stream.async_read_some(buffer.prepare(max_header_bytes), as_result);
    if (ec) co_return;
    left -= more;
  }
}

// ---- Requests -----------------------------------------------------------------------------------

awaitable<admin::response> admin::answer(const request& r, const endpoint& local) {
  if (!access_.allow(r, r.version(), local))
    co_return reply(http::status::forbidden,
                    "the Host or Origin header does not name this endpoint\n");

  const std::string_view target = view_of(r.target());
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
  const bool is_get = r.method() == http::verb::get || r.method() == http::verb::head;
  const auto* const option = find_adjustable(path.substr(std::min<std::size_t>(1, path.size())));
  if (option && path.starts_with('/')) {
    if (is_get) co_return get(*option, query);
    if (r.method() == http::verb::put) co_return co_await set(*option, query, r.body());
    co_return method_not_allowed("GET, HEAD, PUT");
  }
  if (path != "/" && path != "/metrics" && path != "/healthz" && path != "/readyz")
    co_return reply(http::status::not_found,
                    "not found; use /, /metrics, /healthz, /readyz, /limit or the name of another "
                    "option that can change\n");
  if (!is_get) co_return method_not_allowed("GET, HEAD");
  if (path == "/healthz") co_return health();
  if (path == "/readyz") co_return co_await readiness();
  if (path == "/metrics")
    co_return reply(http::status::ok, metrics(limiters_),
                    "text/plain; version=0.0.4; charset=utf-8");
  response result = reply(http::status::ok, std::string{page()}, "text/html; charset=utf-8");
  result.set("Content-Security-Policy", page_policy);
  result.set("Referrer-Policy", "no-referrer");
  co_return result;
}

admin::response admin::answer(const error_code& ec) const {
  if (ec == http::error::body_limit)
    return reply(http::status::payload_too_large,
                 text("the body is too large; expected at most ", max_body_bytes, " bytes\n"));
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
    return reply(http::status::request_header_fields_too_large,
                 text("the header is too large; expected at most ", max_header_bytes, " bytes\n"));
  return reply(http::status::bad_request, ec.message() + '\n');
}

admin::response admin::health() const {
  for (const limiter& l : limiters_)
    if (l.draining()) return reply(http::status::service_unavailable, "draining\n");
  return reply(http::status::ok, "ok\n");
}

awaitable<admin::response> admin::readiness() {
  response result = health();
  if (result.result() != http::status::ok) co_return result;
  for (const limiter& l : limiters_)
    if (const std::string problem = l.fleet() ? l.fleet()->problem() : ""; !problem.empty())
      co_return reply(http::status::service_unavailable,
                      text("shared limit ", l.fleet()->name(), ": ", problem, '\n'));
  for (limiter& l : limiters_)
    if (const error_code ec = co_await l.check_upstream())
      co_return reply(http::status::service_unavailable,
                      text("upstream ", l.upstream(), ": ", ec.message(), '\n'));
  co_return reply(http::status::ok, "ready\n");
}

// The listener that the query names, or the only one. If there is none, `failure` is the response.
limiter* admin::named_listener(std::string_view query, response& failure) const {
  constexpr std::string_view parameter = "listener=";
  std::optional<std::string> name;
  if (query.starts_with(parameter)) name = percent_decoded(query.substr(parameter.size()));
  if (!name && (!query.empty() || limiters_.size() > 1)) {
    failure = reply(http::status::bad_request,
                    "no listener is named; expected /limit?listener=ADDRESS:PORT\n");
    return nullptr;
  }
  for (limiter& l : limiters_)
    if (!name || l.name() == *name) return &l;
  failure = reply(http::status::not_found, "no such listener\n");
  return nullptr;
}

admin::response admin::get(const adjustable_option& o, std::string_view query) const {
  response failure;
  const limiter* const l = named_listener(query, failure);
  return l ? reply(http::status::ok, o.get(l->current()) + '\n') : failure;
}

awaitable<admin::response> admin::set(const adjustable_option& o, std::string_view query,
                                      std::string_view value) {
  response failure;
  limiter* const l = named_listener(query, failure);
  if (!l) co_return failure;
  if (value.ends_with('\n')) value.remove_suffix(1);
  adjustable next = l->current();
  if (!o.set(next, value))
    co_return reply(http::status::bad_request,
                    text("invalid ", o.name, "; expected ", expected_by(o), '\n'));
  for (const std::string& why : {why_fixed(o, l->initial()), why_not_shared(l->initial(), next)})
    if (!why.empty()) co_return reply(http::status::conflict, why + '\n');
  if (!l->fleet() || o.name != "limit") {
    l->adjust(next);
  } else if (const error_code ec = co_await l->fleet()->set_limit(next.limit)) {
    co_return reply(http::status::service_unavailable,
                    ec == turnstile::errc::unreachable
                        ? "Redis does not answer; it gets the limit when it does\n"
                        : ec.message() + '\n');
  }
  response result = reply(http::status::no_content, "");
  result.erase(http::field::content_type);
  result.erase(http::field::content_length);  // a 204 response has none
  co_return result;
}

}  // namespace connection_limiter
