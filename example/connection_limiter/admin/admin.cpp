// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/admin.hpp"

#include "admin/metrics.hpp"
#include "admin/page.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <utility>

namespace connection_limiter {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_connections = 16;
constexpr std::uint32_t most_header = 8192;
constexpr std::uint64_t most_body = 64;
constexpr auto patience = 5s;     // for a request, and for taking the response
constexpr auto last_moment = 1s;  // for reading what is left of a request that was answered

// All of the page is in the page; it talks to nobody but us.
constexpr const char* page_policy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

http::response<http::string_body> reply(http::status status, std::string body,
                                        std::string_view type = "text/plain; charset=utf-8") {
  http::response<http::string_body> r{status, 11, std::move(body)};
  r.set(http::field::content_type, {type.data(), type.size()});
  r.set(http::field::cache_control, "no-store");
  r.set("X-Content-Type-Options", "nosniff");
  r.keep_alive(false);
  r.prepare_payload();
  return r;
}

http::response<http::string_body> not_allowed(const char* methods) {
  auto r = reply(http::status::method_not_allowed, text("this takes ", methods, '\n'));
  r.set(http::field::allow, methods);
  return r;
}

// What stands for itself and what is written as %41; nothing where that makes no sense.
std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
      if (digits.size() != 2 || ec != std::errc{} || end != digits.data() + 2) return {};
      i += 2;
    }
    result += static_cast<char>(c);
  }
  return result;
}

std::string_view view_of(beast::string_view s) { return {s.data(), s.size()}; }

std::string lower_case(std::string_view s) {
  std::string result;
  for (const char c : s) result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

// Where the endpoint is to listen, if it may.
tcp::endpoint place(asio::io_context& context, const host_port& where, bool is_public) {
  tcp::endpoint endpoint = look_up(context, where, "--admin").front();
  if (!is_public && !endpoint.address().is_loopback())
    throw usage_error(text("--admin takes a loopback address such as 127.0.0.1:9100, unless ",
                           "--admin-public says by what name others ask for it; not '",
                           to_string(where), '\''));
  return endpoint;
}

}  // namespace

admin::admin(const host_port& where, const std::string& public_name, std::list<limiter>& limiters,
             log_function log)
    : limiters_(limiters),
      log_(std::move(log)),
      acceptor_(listen(context_, place(context_, where, !public_name.empty()), "--admin")),
      listening_on_(acceptor_.local_endpoint()),
      connections_(context_, most_connections) {
  const std::string port = text(':', listening_on_.port());
  const std::string own = text(listening_on_);
  hosts_ = {own, "127.0.0.1" + port, "localhost" + port, "[::1]" + port};
  if (listening_on_.port() == 80)  // browsers leave that out
    for (std::size_t i = 0, n = hosts_.size(); i != n; ++i)
      hosts_.push_back(hosts_[i].substr(0, hosts_[i].rfind(':')));
  if (!public_name.empty()) {
    hosts_.push_back(lower_case(public_name));
    if (!to_host_port(public_name)) hosts_.push_back(lower_case(public_name) + port);
  }
  asio::co_spawn(context_, accept_connections(), asio::detached);
  thread_ = std::jthread{[this] { run(); }};
}

admin::~admin() { context_.stop(); }

void admin::run() noexcept {
  for (;;) try {
      context_.run();
      return;
    } catch (...) {
      log_("admin endpoint: " + reason(std::current_exception()));
    }
}

// ---- Connections --------------------------------------------------------------------------------

awaitable<void> admin::accept_connections() {
  accept_trouble trouble{context_.get_executor(), log_, "admin endpoint: accept"};
  for (;;) {
    std::string why;
    try {
      turnstile::permit permit = co_await connections_.async_acquire_permit(use_awaitable);
      auto [ec, socket] = co_await acceptor_.async_accept(as_result);
      if (ec)
        why = ec.message();
      else
        asio::co_spawn(context_, serve(beast::tcp_stream{std::move(socket)}),
                       [this, permit = std::move(permit)](const std::exception_ptr& e) {
                         if (e) log_("admin endpoint: " + reason(e));
                       });
    } catch (const std::exception& e) {
      why = e.what();
    }
    if (why.empty())
      trouble.over();
    else
      co_await trouble.pause(why);
  }
}

// One request, and no other: nobody keeps a place whom nothing is to be told.
awaitable<void> admin::serve(beast::tcp_stream stream) {
  beast::flat_buffer buffer{std::size_t{2} * most_header};
  http::request_parser<http::string_body> parser;
  parser.header_limit(most_header);
  parser.body_limit(most_body);
  stream.expires_after(patience);
  const auto [read_error, n] = co_await http::async_read(stream, buffer, parser, as_result);
  // Of connections that end or fail before they have asked, nothing is said.
  static const error_code misunderstood = make_error_code(http::error::bad_target);
  const bool nobody =
      read_error == http::error::end_of_stream || read_error == http::error::partial_message;
  if (nobody || (read_error && read_error.category() != misunderstood.category())) co_return;

  response r = read_error ? answer(read_error) : answer(parser.get());
  if (parser.get().method() == http::verb::head) r.body().clear();
  stream.expires_after(patience);
  const auto [write_error, written] = co_await http::async_write(stream, r, as_result);
  if (write_error) co_return;

  // Were it closed with something unread, the response might be lost on its way.
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  stream.expires_after(last_moment);
  buffer.clear();
  for (std::size_t left = 1 << 20; left > most_header;) {
    const auto [ec, more] = co_await stream.async_read_some(buffer.prepare(most_header), as_result);
    if (ec) co_return;
    left -= more;
  }
}

// ---- Requests -----------------------------------------------------------------------------------

bool admin::is_for_us(const request& r) const {
  if (r.count(http::field::host) != 1 || r.count(http::field::origin) > 1) return false;
  const std::string host = lower_case(view_of(r[http::field::host]));
  if (std::find(hosts_.begin(), hosts_.end(), host) == hosts_.end()) return false;
  if (r.count(http::field::origin) == 0) return true;  // not asked by a page, or by our own
  const std::string origin = lower_case(view_of(r[http::field::origin]));
  return origin == "http://" + host || origin == "https://" + host;
}

admin::response admin::answer(const request& r) {
  if (!is_for_us(r))
    return reply(http::status::forbidden, "the Host or the Origin is not this endpoint\n");

  const std::string_view target = view_of(r.target());
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
  if (path == "/limit")
    return r.method() == http::verb::put ? set_limit(query, r.body()) : not_allowed("PUT");
  if (path != "/" && path != "/metrics" && path != "/healthz")
    return reply(http::status::not_found, "there are /, /metrics, /healthz and /limit\n");
  if (r.method() != http::verb::get && r.method() != http::verb::head)
    return not_allowed("GET, HEAD");
  if (path == "/healthz") return health();
  if (path == "/metrics")
    return reply(http::status::ok, metrics(limiters_), "text/plain; version=0.0.4; charset=utf-8");
  response result = reply(http::status::ok, std::string{page()}, "text/html; charset=utf-8");
  result.set("Content-Security-Policy", page_policy);
  result.set("Referrer-Policy", "no-referrer");
  return result;
}

admin::response admin::answer(const error_code& ec) const {
  if (ec == http::error::body_limit)
    return reply(http::status::payload_too_large, text("at most ", most_body, " bytes of body\n"));
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
    return reply(http::status::request_header_fields_too_large,
                 text("at most ", most_header, " bytes of header\n"));
  return reply(http::status::bad_request, ec.message() + '\n');
}

admin::response admin::health() const {
  for (const limiter& l : limiters_)
    if (l.draining()) return reply(http::status::service_unavailable, "draining\n");
  return reply(http::status::ok, "ok\n");
}

admin::response admin::set_limit(std::string_view query, const std::string& body) {
  constexpr std::string_view parameter = "listener=";
  std::optional<std::string> name;
  if (query.starts_with(parameter)) name = decoded(query.substr(parameter.size()));
  if (!name && (!query.empty() || limiters_.size() > 1))
    return reply(http::status::bad_request, "ask for /limit?listener=ADDRESS:PORT\n");
  const auto l = std::find_if(limiters_.begin(), limiters_.end(), [&](const limiter& candidate) {
    return !name || text(candidate.listening_on()) == *name;
  });
  if (l == limiters_.end()) return reply(http::status::not_found, "there is no such listener\n");

  std::string_view number = body;
  if (number.ends_with('\n')) number.remove_suffix(1);
  const auto limit = to_limit(number);
  if (!limit)
    return reply(http::status::bad_request, text("a number from 1 to ", most_permits, '\n'));
  l->set_limit(*limit);
  response result = reply(http::status::no_content, "");
  result.erase(http::field::content_type);
  result.erase(http::field::content_length);  // of a 204, there is none
  return result;
}

}  // namespace connection_limiter
