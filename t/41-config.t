#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# What an administrator sees of the configuration: `baton config`, `baton check`, and all errors of a file at once.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my %clean = map { $_ => undef } grep { /^BATON_(?!BUILD|SRC|TEST)/ } keys %ENV;

sub conf { Baton::Test::spew($t->conf, $_[0], $_[1] // 0600) }
sub baton { my ($args, %env) = @_; return $t->run([ Baton::Test::program('baton'), '-c', $t->conf, @$args ], env => { %clean, %env }) }

# ---- the handbook's null client, line by line, in our syntax ------------------------------------------------------------

conf(<<'END');
mydestination = ""
relayhost = "[relay.example.com]"
inet_interfaces = loopback-only
myorigin = relay.example.com
local_transport = "error: local delivery disabled"
mynetworks = "127.0.0.0/8, [::1]/128"
END
my $r = baton([ 'config', '-n' ]);
is($r->{code}, 0, 'the null client of the handbook is taken');
is($r->{err}, '', 'without a word');
is($r->{out}, <<'END', 'and printed as postconf prints it');
myorigin = relay.example.com
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8, [::1]/128
mydestination =
relayhost = [relay.example.com]
local_transport = error: local delivery disabled
END

conf(<<'END');
inet_interfaces = { "127.0.0.1/32", # with prefix lengths, which stock Postfix takes for names
                    "[::1]/128", 192.0.2.1, "[2001:db8:1::1]" }
mynetworks = "127.0.0.1/32, [::1]/128, 192.0.2.1/24, [2001:db8:1::1]/64"
myhostname = smtp.example.com
mydomain = example.com
myorigin = $mydomain
END
$r = baton([ 'config', '-h', 'myorigin', 'mydomain' ]);
is($r->{out}, "example.com\nexample.com\n", 'values alone, of the names asked for');
like($r->{err}, qr/:3: warning: mynetworks: "192\.0\.2\.1\/24" has host bits set; it is taken as "192\.0\.2\.0\/24"/,
    'host bits are cleared with a warning that shows how to write it');

# ---- copied as it stands in a main.cf -----------------------------------------------------------------------------------

conf(<<'END');
mydestination =
relayhost = [<ip_address_or_hostname>]
local_transport = error: local delivery disabled
mynetworks = 127.0.0.0/8,
  [::1]/128
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
myhostnam = a
queue_run_delay = 1y
END
$r = baton(['config']);
is($r->{code}, 78, 'errors: exit 78');
my @want = (
    qr/:1: error: mydestination has no value; for an empty one write mydestination = ""/,
    qr/:2: error: relayhost: "\[<ip_address_or_hostname>\]" is a handbook's blank to fill in/,
    qr/:3: error: local_transport: .*; write local_transport = "error: local delivery disabled"/,
    qr/:4: error: mynetworks: .*; write mynetworks = "127\.0\.0\.0\/8, \[::1\]\/128"/,
    qr/:6: error: smtp_sasl_password_maps: write a section instead: login "/,
    qr/:7: error: myhostnam: there is no such parameter; did you mean myhostname\?/,
    qr/:8: error: queue_run_delay: "1y" is not a time/,
);
my @lines = split /\n/, $r->{err};
is(scalar @lines, scalar @want, 'every error of the file is told, once') or diag $r->{err};
like($lines[$_], $want[$_], "line " . ($_ + 1) . ' of them') for 0 .. $#want;

# ---- where it comes from ------------------------------------------------------------------------------------------------

conf("relayhost = a.example\n");
$r = baton([ 'config', 'relayhost' ], BATON_RELAYHOST => '[env.example]:587');
is($r->{out}, "relayhost = [env.example]:587\n", 'the environment beats the file');
$r = $t->run([ Baton::Test::program('baton'), 'config', '-h', 'mail_name' ],
    env => { %clean, BATON_CONF => $t->conf, BATON_MAIL_NAME => 'x' });
is($r->{out}, "x\n", 'BATON_CONF names the file');
$r = $t->run([ Baton::Test::program('baton'), '-c', '/nonexistent/baton.conf', 'config' ], env => \%clean);
is($r->{code}, 78, 'a file that was named has to be there');
like($r->{err}, qr{/nonexistent/baton\.conf: error: cannot read it: No such file}, 'and it is told which');
conf("relayhost = a\nlogin a { user = u password = secret }\n", 0644);
$r = baton(['config']);
is($r->{code}, 78, 'a password that everybody can read is refused');
like($r->{err}, qr/:2: error: password: everybody may read this file.*chmod o-r \Q${\$t->conf}\E/, 'with the command that helps');

SKIP: {
    skip 'only root can be somebody else', 2 if !Baton::Test::is_root();
    conf("relayhost = a\n", 0600);
    chmod 0755, $t->dir;
    $r = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'config' ], env => \%clean, uid => 65534, gid => 65534);
    is($r->{code}, 78, 'a file that may not be read: exit 78');
    like($r->{err}, qr/Permission denied \(look at the rights of the file/, 'and says so');
}

# ---- for programs -------------------------------------------------------------------------------------------------------

conf("relayhost = { a, b }\nqueue_run_delay = 2m\nlogin a { user = u password_command = /bin/true }\n");
$r = baton([ '--json', 'config', '-n' ]);
is_deeply(eval { require JSON::PP; JSON::PP::decode_json($r->{out}) }, {
    relayhost => [ 'a', 'b' ], queue_run_delay => 120,
    login => [ { host => 'a', user => 'u', password => JSON::PP::false(), password_command => ['/bin/true'] } ], listen => [], ldap => [], pipe => [],
}, 'one object with --json') or diag $r->{out}, $r->{err};
$r = baton([ 'config', 'relayhots' ]);
is($r->{code}, 64, 'a name that does not exist: exit 64');
like($r->{err}, qr/did you mean relayhost\?/, 'with the nearest one');
$r = baton([ 'config', '-d', 'myorigin' ]);
is($r->{out}, "myorigin = \$myhostname\n", 'defaults as they stand in the manual');

# Every parameter is in the manual's list, and the differences name parameters that exist
my @names = map { /^(\w+) =/ ? $1 : () } split /\n/, baton([ 'config', '-d' ])->{out};
ok(@names > 50, 'there are parameters (' . @names . ')');
my $mdoc = baton([ 'config', '--mdoc', 'parameters' ])->{out};
is_deeply([ grep { $mdoc !~ /^\.It Ic \Q$_\E /m } @names ], [], 'each is in the manual');
is(baton([ 'config', '--mdoc', 'nonsense' ])->{code}, 64, 'there is no other list');

SKIP: {
    my $page = Baton::Test::build_dir() . '/man/baton.conf.5';
    skip 'mandoc is not installed', 2 if !grep { -x "$_/mandoc" } split /:/, $ENV{PATH};
    ok(-s $page, 'the manual is made');
    my @wrong = grep { !/referenced manual not found|outdated mandoc/ } `mandoc -T lint -W style $page 2>&1`;
    is("@wrong", '', 'and mandoc finds nothing wrong with it');
}

done_testing();
undef $t; # named subs hold it: its folder goes now, not at the very end
