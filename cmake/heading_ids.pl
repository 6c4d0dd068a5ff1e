# A filter for doxygen: names the headings that a page links to, as GitHub does.
use strict;
use warnings;

my $page = do { local $/; <> };
my %linked = map { $_ => 1 } $page =~ /\]\(#([^)]+)\)/g;
for my $line (split /^/m, $page) {
  if (my ($heading) = $line =~ /^##+ (.*)$/) {
    my $name = lc($heading) =~ s/[^\w\- ]//gr =~ tr/ /-/r;
    $line =~ s/$/ {#$name}/ if $linked{$name};
  }
  print $line;
}
