// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_ACCESS_HPP
#define CONNECTION_LIMITER_ADMIN_ACCESS_HPP

#include "proxy/listening.hpp"
#include "proxy/net.hpp"

#include <boost/beast/http.hpp>

#include <string>
#include <vector>

namespace connection_limiter {

// Which requests the admin endpoint answers.
//
// Any web page can make a browser send requests to any address. So the Host header must name this
// endpoint, which a request through a rebound DNS name does not, and the Origin header, if there is
// one, must be that of the endpoint's own page.
class access_rules {
 public:
  // The public names are host names or addresses, with or without a port.
  access_rules(const listening_sockets& listening, const std::vector<std::string>& public_names);

  // `local` is the endpoint's end of the connection. Its address is an allowed host: it is not a
  // name that could be rebound. Programs that ask by address need no configuration therefore.
  bool allow(const boost::beast::http::fields& header, unsigned http_version,
             const endpoint& local) const;

 private:
  std::vector<std::string> hosts_;  // allowed values of the Host header, in lower case
};

}  // namespace connection_limiter

#endif
