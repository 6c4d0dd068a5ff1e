// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Checksums of all files below a folder, with at most so many of them open at once: callbacks, and
// async_with_permit, which acquires a permit, starts the operation and gives the permit back when
// the operation is done.
//
//     limit_files [folder [most files open at once]]

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/crc.hpp>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;

// Reads a file to its end, and blocks meanwhile.
std::uint32_t checksum(const fs::path& path, error_code& ec) {
  boost::crc_32_type crc;
  std::ifstream file{path, std::ios::binary};
  char data[16384];
  while (file.read(data, sizeof data), file.gcount() > 0)
    crc.process_bytes(data, static_cast<std::size_t>(file.gcount()));
  if (!file.eof()) ec.assign(errno, boost::system::system_category());
  return crc.checksum();
}

// The same as an operation of Asio's: the pool's threads read, and the handler is called with
// (error_code, checksum) on its own executor.
template <typename CompletionToken>
auto async_checksum(asio::thread_pool& pool, fs::path path, CompletionToken&& token) {
  auto start = [&pool](auto handler, fs::path file) {
    auto work = asio::make_work_guard(handler, pool.get_executor());
    asio::post(pool, [work, file = std::move(file), handler = std::move(handler)]() mutable {
      error_code ec;
      const std::uint32_t sum = checksum(file, ec);
      asio::dispatch(work.get_executor(), asio::append(std::move(handler), ec, sum));
    });
  };
  return asio::async_initiate<CompletionToken, void(error_code, std::uint32_t)>(
      std::move(start), token, std::move(path));
}

int main(int argc, char* argv[]) try {
  const fs::path folder = argc > 1 ? argv[1] : ".";
  const int at_once = argc > 2 ? std::stoi(argv[2]) : 8;

  asio::io_context context;  // the callbacks run here, in the main thread
  asio::thread_pool pool{16};
  turnstile::semaphore may_open{context, static_cast<std::size_t>(at_once)};

  int failures = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator{folder}) {
    if (!entry.is_regular_file()) continue;
    turnstile::async_with_permit(
        may_open, async_checksum(pool, entry.path(), asio::deferred),
        asio::bind_executor(context, [&, path = entry.path()](error_code ec, std::uint32_t sum) {
          if (!ec) return void(std::printf("%08x  %s\n", sum, path.c_str()));
          ++failures;
          std::cerr << path.string() << ": " << ec.message() << std::endl;
        }));
  }
  context.run();
  return failures == 0 ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "limit_files: " << e.what() << std::endl;
  return 1;
}
