#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The rules of the house that a grep can check: who includes whom, licence lines, functions nobody may call, manuals.
use strict;
use warnings;
use File::Find;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

chdir source_dir() or die "source_dir: $!";

# ---- the files ------------------------------------------------------------------------------------------------------

my @all;
find({ no_chdir => 1, wanted => sub {
    # not what is built: here, below, or in the folders that distcheck makes inside of the release
    if (-d && m{^\./(?:build-[^/]*|_[^/]*|autom4te\.cache|\.git|baton-[0-9][^/]*)$|/\.deps$}) { $File::Find::prune = 1; return }
    push @all, s{^\./}{}r if -f;
} }, '.');
@all = sort @all;
my @c = grep { m{\.[ch]$} && $_ ne 'build.h' } @all;
my @perl = grep { m{\.(?:t|pm)$} } @all;
my @scripts = grep { !m{\.} && m{^(?:script|bench|packaging|\.ci|contrib)/} && (slurp($_) // '') =~ /^#!/ } @all;
my @makefiles = grep { m{(?:^|/)(?:local\.mk|Makefile\.am|configure\.ac)$} } @all;

my %text = map { $_ => slurp($_) } @c;
# Without comments and strings, line for line, so that a rule is about code
sub code {
    my ($file) = @_;
    my $t = $text{$file};
    my $blank = sub { (my $b = $_[0]) =~ s/[^\n]/ /g; $b };
    $t =~ s{(/\*.*?\*/)|(//[^\n]*)|("(?:[^"\\\n]|\\.)*")|('(?:[^'\\\n]|\\.)*')}{
        defined $1 ? $blank->($1) : defined $2 ? $blank->($2) : defined $3 ? '""' : "' '" }gse;
    return $t;
}

# ok() with all offenders in one diag
sub none(&$@) {
    my ($find, $name, @files) = @_;
    my @bad = map { my $f = $_; map { "$f$_" } $find->($f) } @files;
    ok(!@bad, $name) or diag(map { "  $_\n" } @bad > 20 ? (@bad[ 0 .. 19 ], '...') : @bad);
}

# ---- who may include whom ---------------------------------------------------------------------------------------------

my @programs = qw(agent relay control server);
my %may_include = ( # layer => those it stands on, besides itself; a layer of lib is named by its folder
    base => [], net => ['base'], spool => ['base'], mail => ['base'], map => ['base'], smtp => [ 'mail', 'base' ],
    config => [qw(base net spool mail map smtp)],
    map { $_ => [qw(config base net spool mail map smtp)] } @programs,
);
my %is_layer = map { $_ => 1 } keys %may_include;

sub layer_of { $_[0] =~ m{^(?:lib/)?([^/]+)/} ? $1 : '' }

# "smtp/server.h" and <uv.h>, with the line they stand on
sub includes {
    my ($file) = @_;
    my ($n, @found) = (0);
    for (split /\n/, $text{$file}) {
        $n++;
        push @found, [ $n, $1, $2 ] if /^\s*#\s*include\s*(["<])([^">]+)/;
    }
    return @found;
}

my @sources = grep { $is_layer{ layer_of($_) } } @c;
ok(@sources > 10, 'there are sources to look at (' . @sources . ')');

none {
    my ($file) = @_;
    my $own = layer_of($file);
    my %may = map { $_ => 1 } $own, @{ $may_include{$own} };
    map { ":$_->[0]: $own may not include \"$_->[2]\"" }
      grep { $is_layer{ layer_of($_->[2]) } && !$may{ layer_of($_->[2]) } && !_is_door($own, $_->[2]) }
      grep { $_->[1] eq '"' } includes($file);
} 'a layer includes only those it stands on', @sources;

# What one program shows to another: the table through which server/ comes in, the words of the control socket, what waits
sub _is_door {
    my ($own, $header) = @_;
    return 1 if $own eq 'server' && $header =~ m{^relay/(?:auth|hooks|gate|resolve|worker|supervise|listeners|jail|route_hooks|own|lookup|match|extension|draft)\.h$};
    return 1 if $own eq 'control' && $header =~ m{^relay/(?:control|hooks|resolve|alias|certs|walk|own|worker|tls_policy|mta_sts)\.h$}; # baton test goes the relay's way
    return 1 if $own eq 'agent' && $header =~ m{^(?:control/(?:queue_read|ask)|relay/alias)\.h$}; # mailq, newaliases
    return 0;
}

none {
    my ($file) = @_;
    map { ":$_->[0]: an include names its layer (\"layer/file.h\"), not \"$_->[2]\"" }
      grep { $_->[1] eq '"' && $_->[2] ne 'build.h' && !$is_layer{ layer_of($_->[2]) } } includes($file);
} 'an include shows its layer', @sources;

none {
    my ($file) = @_;
    layer_of($file) eq 'server' ? () : map { ":$_->[0]: server/ is reached through relay/hooks.h" }
      grep { layer_of($_->[2]) eq 'server' } includes($file);
} 'nobody includes server/', @sources;

none {
    my ($file) = @_;
    $file =~ m{^(?:lib/net|relay)/} ? () : map { ":$_->[0]: <uv.h> belongs to lib/net and relay" }
      grep { $_->[2] eq 'uv.h' } includes($file);
} 'libuv appears in lib/net and relay only', @sources;

none {
    my ($file) = @_;
    my ($folder) = $file =~ m{^(?:lib/)?(.*)/};
    map { ":$_->[0]: \"$_->[2]\" stays in its folder" }
      grep { $_->[2] =~ m{^(.*)/[^/]*_int\.h$} && $1 ne $folder } includes($file);
} 'a *_int.h stays in its folder', @sources;

none {
    my ($file) = @_;
    map { ":$_->[0]: only spool.h is the door of the spool, not \"$_->[2]\"" }
      grep { $_->[2] =~ m{^spool/} && $_->[2] ne 'spool/spool.h' } includes($file);
} 'the spool is reached through spool.h', grep { !m{^lib/spool/} } @sources;

# ---- every file --------------------------------------------------------------------------------------------------------

none {
    my ($file) = @_;
    my ($head) = (slurp($file) // '') =~ /\A((?:[^\n]*\n){0,3})/;
    $head =~ /SPDX-License-Identifier: Apache-2\.0/ ? () : (': no SPDX line at its top');
} 'every source file bears its licence',
  @c, @perl, @scripts, grep { !m{/local\.mk$} } @makefiles;

none {
    my ($file) = @_;
    my ($n, @bad) = (0);
    for (split /\n/, code($file)) {
        $n++;
        push @bad, ":$n: $1()" if /(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|system|popen|tmpnam|tempnam|mktemp|strtok|atoi|atol|alloca)\s*\(/;
    }
    @bad;
} 'no unbounded copy, no shell, no function that cannot say that it failed', grep { !m{^bench/} } @c;

my $unfinished = join '|', map { join '', @$_ } ([ 'TO', 'DO' ], [ 'FIX', 'ME' ], [ 'XX', 'X' ], [ 'HA', 'CK' ]);
none {
    my ($file) = @_;
    my ($n, @bad) = (0);
    for (split /\n/, slurp($file) // '') { $n++; push @bad, ":$n: $1" if /\b($unfinished)\b/ }
    @bad;
} 'nothing says that it is unfinished', @c, @perl, @scripts, @makefiles;

none {
    my ($file) = @_;
    my ($n, @bad) = (0);
    for (split /\n/, code($file)) {
        $n++;
        push @bad, ":$n: a tab" if /\t/;
    }
    @bad;
} 'code is indented with spaces', grep { !m{^config/params\.h$} } @c;

# A list that is included to become several things has no guard, and nothing but lines of a macro of its includer
sub is_list { my ($file) = @_; return code($file) =~ /^[A-Z_]+\(/m && code($file) !~ /^(?:struct|enum|typedef|extern)\b/m }

none {
    my ($file) = @_;
    $text{$file} =~ /^#ifndef \w+_H\n#define \w+_H$/m || is_list($file) ? () : (': no include guard');
} 'a header can be included twice', grep { m{\.h$} } @c;

# A header stands on its own; those that need it say so by including it
none {
    my ($file) = @_;
    my ($own) = $file =~ m{^(?:lib/)?(.*)\.c$};
    my @inc = grep { $_->[1] eq '"' && $_->[2] ne 'build.h' } includes($file);
    my ($header) = grep { -e } "lib/$own.h", "$own.h";
    return () if !$header || is_list($header);
    my $first = @inc ? $inc[0][2] : '';
    return () if $first =~ m{^(.*)/[^/]*_int\.h$} && index($own, "$1/") == 0; # its folder's own, which includes it
    $first eq "$own.h" ? () : (": includes \"$own.h\" first, so that it is known to stand on its own");
} 'a file includes its own header first', grep { m{\.c$} } @sources;

# ---- folders -----------------------------------------------------------------------------------------------------------

my $makefile = join '', map { slurp($_) } grep { m{local\.mk$|^Makefile\.am$} } @makefiles;
none {
    my ($file) = @_;
    $makefile =~ /(?<![\w.-])\Q$file\E(?![\w.-])/ ? () : (': in no local.mk: not built, or not in the release');
} 'every source is in a local.mk', grep { !m{^bench/} } @c;

# What a folder's README names: scan.c, checks_*.c; and with module.h module.c
sub told_of {
    my ($readme) = @_;
    return map { (my $re = quotemeta) =~ s/\\\*/[a-z_]*/g; qr/^$re$/ } map { "$_.c" } (slurp($readme) // '') =~ /([a-z_*]+)\.[ch]\b/g;
}
none {
    my ($readme) = @_;
    my ($folder) = $readme =~ m{(.*)/};
    my @told = told_of($readme);
    map { ": does not tell of $_" } grep { my $f = $_; !grep { $f =~ $_ } @told } map { m{^\Q$folder\E/([^/]+\.c)$} ? $1 : () } @sources;
} "a folder's README tells where to look for what", grep { -e } map { "$_/README.md" } qw(agent config control relay server);

# ---- manuals -----------------------------------------------------------------------------------------------------------

my @manuals = grep { m{^man/.*\.[1-8]$} && (slurp($_) // '') !~ /\A\.so / } @all; # .so: another's name
SKIP: {
    skip 'mandoc is not installed', 1 if !grep { -x "$_/mandoc" } split /:/, $ENV{PATH};
    skip 'no manual pages yet', 1 if !@manuals;
    none {
        my ($file) = @_;
        # Our pages refer to each other, installed or not; and mandoc wants dates that a generated page has not
        map { ": $_" } grep { !/referenced manual not found|outdated mandoc\.db|missing date|STYLE: (?:operating system|legacy)/ }
          map { chomp; s/^mandoc: //r } `mandoc -T lint -W style $file 2>&1`;
    } 'mandoc finds nothing wrong with the manuals', @manuals;
}
for my $page (@manuals) {
    my $t = slurp($page);
    next if $page =~ /\.5$/;
    like($t, qr/^\.Sh EXAMPLES/m, "$page has EXAMPLES");
    like($t, qr/^\.Sh EXIT STATUS/m, "$page has EXIT STATUS");
}

# ---- nothing that nobody uses --------------------------------------------------------------------------------------------

# Words in code. Strings count: modules are found by the names of their functions. Of headers only macros do.
my %n_uses;
for my $file (@c) {
    (my $t = $text{$file}) =~ s{/\*.*?\*/}{}gs;
    $t = join "\n", $t =~ /^(#define .*)/mg if $file =~ /\.h$/;
    $n_uses{$_}++ for $t =~ /\w+/g;
}
my @lists = grep { m{\.h$} && is_list($_) } @sources;
my %is_listed = map { $_ => 1 } map { code($_) =~ /^[A-Z_]+\((\w+)/mg } @lists;

none {
    my ($file) = @_;
    my @names = grep { $_ ne 'main' } code($file) =~ /^(?!static\b)[a-z_][\w *]*?\b(\w+)\([^;{}]*\)\n\{$/mg;
    # name_WORD is made for each WORD of a list
    map { ": nobody calls $_()" } grep { $n_uses{$_} < 2 && !(/_(.*)/ && $is_listed{$1}) } @names;
} 'every function has a caller', grep { m{\.c$} } @sources;

my %is_read = map { $_ => 1 } map { code($_) =~ /\w+/g } grep { m{\.c$} } @sources;
my $in_lists = join '', map { $text{$_} } @lists;
none {
    my ($file) = @_;
    my @bad;
    for my $entry (split /^(?=[A-Z_]+\()/m, $text{$file}) {
        next if $entry !~ /^[A-Z_]+\((\w+)/ || $is_read{$1} || $entry =~ /without effect/;
        push @bad, ": nobody reads $1" if $in_lists !~ /\$$1\b/; # other values may refer to it
    }
    @bad;
} 'every parameter has a reader, or says that it has no effect', grep { m{^config/params\.h$} } @lists;

# ---- what grows too long to be read ----------------------------------------------------------------------------------------

sub lines_of { my $n = () = $text{ $_[0] } =~ /\n/g; return $n }

none {
    my ($file) = @_;
    my $n = lines_of($file);
    $n <= 500 || is_list($file) ? () : (": $n lines: which two subjects does it have?");
} 'no file is longer than 500 lines', @sources;

none {
    my ($file) = @_;
    my ($n, $n_rows, $start, $name, @bad) = (0, 0);
    for (split /\n/, $text{$file}) {
        $n++;
        $n_rows++ if /^\s+\{ .*\},?$/; # of a table
        if (/^\{$/) { ($start, $n_rows) = ($n, 0) }
        elsif (/^\}/ && $start) {
            my $long = $n - $start + 1 - $n_rows;
            push @bad, ":$start: $name() has $long lines" if $long > 60;
            undef $start;
        } elsif (/^[a-z].*?(\w+)\(/) { $name = $1 }
    }
    @bad;
} 'no function is longer than 60 lines, rows of tables aside', grep { m{\.c$} } @c;

done_testing();
