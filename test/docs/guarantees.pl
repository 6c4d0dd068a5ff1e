# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

# Prints the rules of the guarantees that name no test case, the test cases named there that do not
# exist, and the rules that are missing.
#
#   perl guarantees.pl <page> <folder of the tests> <number or range, such as 1-33>...

use strict;
use warnings;

sub text_of {
  open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
  local $/;
  return <$file>;
}

my ($page, $folder, @ranges) = @ARGV;
my @expected = map { /^(\d+)-(\d+)$/ ? $1 .. $2 : $_ } @ranges;
my ($faults, $cases, @found) = (0, 0);
for my $rule (split /^(?=\*\*\d+\.\*\*)/m, text_of($page)) {
  my ($number) = $rule =~ /^\*\*(\d+)\.\*\*/ or next;
  push @found, $number;
  my @named = $rule =~ /`(\w+\.cpp: \w+)`/g;
  @named or print "rule $number names no test\n" and ++$faults;
  for (@named) {
    my ($file, $case) = split /: /;
    ++$cases;
    next if -e "$folder/$file" && text_of("$folder/$file") =~ /TEST_CASE\(\s*$case\b/;
    print "rule $number: there is no test case $case in $file\n";
    ++$faults;
  }
}
"@found" eq "@expected" or print "the rules are @found, expected @expected\n" and ++$faults;
print scalar(@found), " rules, held by $cases test cases\n";
exit($faults ? 1 : 0);
