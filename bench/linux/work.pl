# Work for Perl: text, regular expressions, hashes, sorting, numbers. Prints a checksum.
use strict;
use warnings;

my ($seed, %count, @words) = (1);
for (1 .. 60000) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    my $word = sprintf 'w%03x', $seed >> 19;
    push @words, $word unless $count{$word}++;
}
my $text = join ' ', sort { $count{$b} <=> $count{$a} || $a cmp $b } @words;
my $found = 0;
for (1 .. 10) {
    $found++ while $text =~ /w(\d)[a-f]+\b/g;
    $text =~ s/(w)(\w)(\w+)/$1$3$2/g;
}
my ($x, $sum) = (0.5, 0);
for my $i (1 .. 300000) {
    $x = 3.9 * $x * (1 - $x);
    $sum += $x / $i;
}
my @matrix = map { my $i = $_; [map { ($i * $_) % 17 } 1 .. 60] } 1 .. 60;
my $trace = 0;
for my $i (0 .. 59) {
    for my $j (0 .. 59) {
        my $t = 0;
        $t += $matrix[$i][$_] * $matrix[$_][$j] for 0 .. 59;
        $trace += $t if $i == $j;
    }
}
printf "%d %.12f %d %u\n", $found, $sum, $trace, unpack '%32C*', $text;
