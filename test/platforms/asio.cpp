// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The compiled part of Asio, for BOOST_ASIO_SEPARATE_COMPILATION.

#include <boost/asio/impl/src.hpp>
