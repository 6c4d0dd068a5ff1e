# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

# Says which C++ snippets of the documentation are in no program that is compiled and run.
#
#   perl snippets.pl <page>... -- <folder>...
#
# A snippet is what stands between ```cpp and ```; it has to be in a source word for word, but for
# the indentation.

use strict;
use warnings;

sub text_of {
  open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
  local $/;
  return <$file>;
}

sub without_indentation { $_[0] =~ s/^[ \t]+|[ \t]+$//gmr =~ s/\n{2,}/\n/gr }

my (@pages, @folders);
my $into = \@pages;
for (@ARGV) {
  if ($_ eq '--') { $into = \@folders } else { push @$into, $_ }
}
my @compiled = map { without_indentation(text_of($_)) } map { glob("\Q$_\E/*.cpp") } @folders;

my ($snippets, $missing) = (0, 0);
for my $page (@pages) {
  my $text = text_of($page);
  while ($text =~ /^```cpp\n(.*?)^```/gms) {
    my $snippet = $1;
    my $wanted = without_indentation($snippet);
    ++$snippets;
    next if grep { index($_, $wanted) >= 0 } @compiled;
    ++$missing;
    print "$page: in no source that is compiled:\n$snippet\n";
  }
}
print "$snippets snippets, $missing of them not compiled\n";
exit($snippets == 0 || $missing != 0);
