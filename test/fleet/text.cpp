// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The messages as text: what is written is read again, and what is not a message is refused.

#define BOOST_TEST_MODULE fleet_text
#include "fleet/text.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace turnstile::detail::fleet;

namespace {

const news some_news{1, largest, 3, 4, 5, 6, 7, 8, 9, 10};

request some_request() {
  request r;
  r.id = "ab12";
  number x = 0;
  for (number* const n : {&r.serial, &r.epoch, &r.version, &r.lease, &r.slice, &r.limit,
                          &r.set_limit, &r.held, &r.debt, &r.in_use, &r.keep, &r.want, &r.need})
    *n = ++x;
  r.lost = true;
  return r;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_arguments_stand_in_the_order_of_the_script) {
  const std::vector<std::string> expected{"ab12", "1", "2", "3",  "4",  "5",  "6",  "7",
                                          "1",    "8", "9", "10", "11", "12", "13", "0"};
  BOOST_TEST(to_arguments(some_request()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_request_is_read_as_it_was_written) {
  const auto written = to_arguments(some_request());
  const auto r = read_request(written);
  BOOST_REQUIRE(r.has_value());
  BOOST_TEST(to_arguments(*r) == written, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_no_request_is_not_read) {
  auto arguments = to_arguments(some_request());
  arguments.push_back("0");  // one too many
  BOOST_TEST(!read_request(arguments));
  arguments.pop_back();
  arguments[3] = "3x";
  BOOST_TEST(!read_request(arguments));
  arguments[3] = "";
  BOOST_TEST(!read_request(arguments));
  arguments.pop_back();
  BOOST_TEST(!read_request(arguments));
}

BOOST_AUTO_TEST_CASE(a_reply_is_read_as_it_was_written) {
  const std::vector<number> numbers = to_numbers({5, status::claimed, some_news, 77});
  const std::vector<number> expected{5, 1, 77, 1, largest, 3, 4, 5, 6, 7, 8, 9, 10};
  BOOST_TEST(numbers == expected, boost::test_tools::per_element());
  const auto r = read_reply(numbers);
  BOOST_REQUIRE(r.has_value());
  BOOST_TEST(to_numbers(*r) == numbers, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_no_reply_is_not_read) {
  std::vector<number> numbers = to_numbers({5, status::ok, some_news, 0});
  numbers[1] = 4;  // no status
  BOOST_TEST(!read_reply(numbers));
  numbers[1] = -1;
  BOOST_TEST(!read_reply(numbers));
  numbers[1] = 0;
  numbers.push_back(0);  // one too many
  BOOST_TEST(!read_reply(numbers));
  numbers.pop_back();
  BOOST_TEST(read_reply(numbers).has_value());
  numbers.pop_back();
  BOOST_TEST(!read_reply(numbers));
}

BOOST_AUTO_TEST_CASE(news_are_read_as_they_were_written) {
  const std::string text = to_text(some_news);
  BOOST_TEST(text == "1 9007199254740991 3 4 5 6 7 8 9 10");
  const auto n = read_news(text);
  BOOST_REQUIRE(n.has_value());
  BOOST_TEST(to_text(*n) == text);
}

BOOST_AUTO_TEST_CASE(what_is_no_news_is_not_read) {
  for (const char* text :
       {"", "1", "1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8 9 10 11", "1 2 3 4 5 6 7 8 9 x",
        "1 2 3 4 5 6 7 8 9 10 ", "1  2 3 4 5 6 7 8 9 10", "1 2 3 4 5 6 7 8 9 99999999999999999999"})
    BOOST_TEST(!read_news(text), text);
}

BOOST_AUTO_TEST_CASE(the_names_of_key_and_channel_are_those_of_the_script) {
  BOOST_TEST(key_of("orders") == "turnstile:{orders}");
  BOOST_TEST(channel_of(key_of("orders"), "ab12") == "turnstile:{orders}:news:ab12");
}
