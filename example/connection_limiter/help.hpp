// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_HELP_HPP
#define CONNECTION_LIMITER_HELP_HPP

// What the user reads about the options.

#include <boost/program_options/options_description.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace connection_limiter {

constexpr std::size_t max_threads = 256;

// All options, with their defaults.
boost::program_options::options_description description();

// What an option expects, for error messages.
std::string expected_by(std::string_view option);

// The version of the program, which is that of the library: "1.2.3".
std::string version();

// The output of --help.
std::string help_text();

}  // namespace connection_limiter

#endif
