# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

# Prints the C++ snippets of the documentation that no compiled source contains.
#
#   perl snippets.pl <page or header>... -- <folder>...
#
# A snippet is the text between ```cpp and ``` in a page, the text between @code and @endcode in the
# comments of a header, or code that ends with a semicolon between the backquotes of a page's table.
# A source or an included header of one of the folders must contain it word for word, except for the
# indentation and for the `inline` of a function in a header.

use strict;
use warnings;

sub text_of {
  open(my $file, '<', $_[0]) or die "$_[0]: $!\n";
  local $/;
  return <$file>;
}

sub normalized { $_[0] =~ s/^[ \t]+|[ \t]+$//gmr =~ s/^inline //gmr =~ s/\n{2,}/\n/gr }

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
my %text = map { $_ => normalized(text_of($_)) } map { glob("\Q$_\E/*.{cpp,hpp}") } @folders;
my %included = map { $_ => 1 } map { /^#include "(?:.*\/)?([^"\/]+)"/gm } values %text;
my @compiled = map { $text{$_} } grep { /\.cpp$/ || $included{ s{.*/}{}r } } keys %text;

my ($snippets, $missing) = (0, 0);
for my $page (@pages) {
  my @here = snippets_of($page) or die "$page: no snippet\n";
  for my $snippet (@here) {
    my $wanted = normalized($snippet);
    ++$snippets;
    next if grep { index($_, $wanted) >= 0 } @compiled;
    ++$missing;
    print "$page: in no source that is compiled:\n$snippet\n";
  }
}
print "$snippets snippets, $missing of them not compiled\n";
exit($snippets == 0 || $missing != 0);
