# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

# Says which rules of the guarantees name no test case, and which test cases named there do not exist.
#
#   perl guarantees.pl <page> <folder of the tests> <how many rules there are>

use strict;
use warnings;

sub text_of {
  open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
  local $/;
  return <$file>;
}

my ($page, $folder, $rules) = @ARGV;
my $faults = 0;
my ($cases, $number) = (0, 0);
for my $rule (split /^(?=\*\*\d+\.\*\*)/m, text_of($page)) {
  $rule =~ /^\*\*(\d+)\.\*\*/ or next;
  ++$number;
  $1 == $number or print "rule $1 stands where $number should\n" and ++$faults;
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
$number == $rules or print "$rules rules should be here\n" and ++$faults;
print "$number rules, held by $cases test cases\n";
exit($faults ? 1 : 0);
