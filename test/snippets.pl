# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

# Says which C++ snippets of the documentation are in no program that is compiled and run.
#
#   perl snippets.pl <page or header>... -- <folder>...
#
# A snippet is what stands between ```cpp and ``` in a page, or between @code and @endcode in the
# comments of a header, and whatever ends with a semicolon between the backquotes of a page's table.
# It has to be in a source of one of the folders word for word, but for the indentation.

use strict;
use warnings;

sub text_of {
  open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
  local $/;
  return <$file>;
}

sub without_indentation { $_[0] =~ s/^[ \t]+|[ \t]+$//gmr =~ s/\n{2,}/\n/gr }

sub snippets_of {
  my $text = text_of($_[0]);
  return map { s{^\s*///}{}gmr } $text =~ /\@code\n(.*?)^\s*\/\/\/ \@endcode/gms if $_[0] =~ /\.hpp$/;
  my @cells = map { /`([^`]*;)`/g } $text =~ /^\|.*$/gm;
  return ($text =~ /^```cpp\n(.*?)^```/gms, @cells);
}

my (@pages, @folders);
my $into = \@pages;
for (@ARGV) {
  if ($_ eq '--') { $into = \@folders } else { push @$into, $_ }
}
my @compiled = map { without_indentation(text_of($_)) } map { glob("\Q$_\E/*.cpp") } @folders;

my ($snippets, $missing) = (0, 0);
for my $page (@pages) {
  my @here = snippets_of($page) or die "$page: no snippet\n";
  for my $snippet (@here) {
    my $wanted = without_indentation($snippet);
    ++$snippets;
    next if grep { index($_, $wanted) >= 0 } @compiled;
    ++$missing;
    print "$page: in no source that is compiled:\n$snippet\n";
  }
}
print "$snippets snippets, $missing of them not compiled\n";
exit($snippets == 0 || $missing != 0);
