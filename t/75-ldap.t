#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Tables of type ldap, asked of a real slapd: the handbook's lines, what the parameters do, TLS, logins, and a directory that is
# away or hangs.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Cert;
use Baton::Slapd;
use Baton::Test;

Baton::Slapd::need();

my $t = Baton::Test->new;
plan skip_all => 'built without the server module' if $t->baton([ 'map', 'query', 'x', 'ldap:x' ])->{err} =~ /need the server module/;
my $cert = Baton::Cert::make($t->dir, names => [ '127.0.0.1', 'localhost' ]);
my $other = $t->path('other');
mkdir $other;
my $stranger = Baton::Cert::make($other, names => ['127.0.0.1']);
my $s = Baton::Slapd->start($t, tls => $cert);
my $base = $s->base;
$s->add_many(
    [ 'cn=info', mailacceptinggeneralid => 'info@example.com', maildrop => [ 'joe@example.net', 'ann@example.net' ] ],
    [ 'cn=any', mailacceptinggeneralid => '@example.org', maildrop => 'postmaster@example.net' ],
    [ 'cn=odd', mailacceptinggeneralid => 'a*b(c)\\d@example.com', maildrop => 'odd@example.net' ],
    [ 'cn=user', mailacceptinggeneralid => 'user', mail => 'user@mail.example.com', maildrop => 'mailbox' ],
    [ 'cn=team', mailacceptinggeneralid => 'team@example.com', maildrop => 'archive@example.net', mail => 'team@example.com',
        member => [ "cn=info,$base", "cn=board,$base", "cn=gone,$base" ] ],
    [ 'cn=board', mail => 'board@example.com', member => [ "cn=team,$base", "cn=user,$base" ] ],
    [ 'cn=byurl', mailacceptinggeneralid => 'byurl@example.com',
        memberref => [ "ldap:///$base?mail?sub?(mailacceptinggeneralid=user)", "ldap:///$base?cn?sub?(cn=info)" ] ],
    [ 'cn=delegated', mailacceptinggeneralid => 'delegated@example.com', maildrop => 'lists@example.net',
        member => "cn=info,$base" ],
);

# ---- asking -------------------------------------------------------------------------------------------------------------

my $n = 0;
# A file of Postfix's form
sub cf {
    my (%p) = (server_host => $s->host, search_base => $base, @_);
    my $mode = delete $p{mode} // 0600;
    return spew($t->path('table-' . ++$n . '.cf'), join('', map { "$_ = $p{$_}\n" } grep { defined $p{$_} } sort keys %p), $mode);
}
sub ask { my ($key, @p) = @_; return $t->baton([ 'map', 'query', $key, 'ldap:' . cf(@p) ]) }
sub finds {
    my ($key, $want, $name, @p) = @_;
    my $r = ask($key, @p);
    chomp(my $got = $r->{out});
    is(join(',', sort split /,/, $got), $want, $name) or diag "$r->{code} $r->{err}";
    is($r->{code}, $want eq '' ? 1 : 0, '  exit status') if $r->{code} != ($want eq '' ? 1 : 0);
}
sub fails { my ($key, $code, $why, $name, @p) = @_; my $r = ask($key, @p); ok($r->{code} == $code && $r->{err} =~ $why, $name) or diag "$r->{code} $r->{err}" }

# ---- the handbook's lines ---------------------------------------------------------------------------------------------------

spew($t->path('aliases.cf'), "# from the handbook\nserver_host = " . $s->host . "\nsearch_base = dc=example, dc=com\n");
my $r = $t->baton([ 'map', 'query', 'info@example.com', 'ldap:' . $t->path('aliases.cf') ]);
is($r->{out}, "joe\@example.net,ann\@example.net\n", 'server_host and search_base are enough: query_filter and result_attribute are known');
is($r->{code}, 0, 'exit status 0: found');
symlink program('baton'), $t->bin . '/postmap';
$r = $t->run([ $t->bin . '/postmap', '-q', '@example.com', 'ldap:' . $t->path('aliases.cf') ]);
ok($r->{code} == 1 && $r->{out} eq '' && $r->{err} eq '', 'postmap -q: not found is status 1, silently');
$r = $t->run([ $t->bin . '/postmap', '-q', '@example.org', 'ldap:' . $t->path('aliases.cf') ]);
is($r->{out}, "postmaster\@example.net\n", 'a whole domain');
finds('INFO@Example.COM', 'ann@example.net,joe@example.net', 'the case of a key does not count');

# ---- filters, bases, formats ----------------------------------------------------------------------------------------------------

finds('*@example.com', '', 'a key is no pattern');
finds('*', '', 'nor is a star alone');
finds('a*b(c)\\d@example.com', 'odd@example.net', 'what is special in filters is quoted');
finds('info@example.com)(cn=*', '', 'no key ends the filter');
finds('user@example.com', 'mailbox', '%u', query_filter => 'mailacceptinggeneralid=%u');
finds('user', 'mailbox', '%u of a key without a domain', query_filter => 'mailacceptinggeneralid=%u');
finds('user', '', '%d of a key without a domain: not asked', query_filter => '(|(mail=*)(mail=%d))');
finds('@example.com', '', 'nothing before the @: not asked', query_filter => '(|(mail=*)(mail=%u))');
finds('x@mail.example.com', 'mailbox', '%1 to %3', query_filter => '(mail=user@%3.%2.%1)');
finds('x@example.com', '', 'a label that is missing: not asked', query_filter => '(|(mail=*)(mail=user@%3.%2.%1))');
finds('info@example.com', 'ann@example.net,joe@example.net', '%s in search_base', search_base => "dc=%2,dc=%1");
finds('info@example.fr', '', 'a base made of the key that is not there: not found', search_base => "dc=%2,dc=%1");
finds('x,dc=y@example.com', '', 'what is special in DNs is quoted', search_base => "cn=%u,$base", query_filter => '(cn=*)');
finds('info@example.com', 'ann@info.example.com,joe@info.example.com', 'result_format, with parts of value and key',
    result_format => '%u@%U.%D');
finds('user', '', 'a value without what result_format asks for is left out', result_format => '%u@%d');
finds('user', '', 'a key without what result_format asks for is not asked', result_format => '%D');
finds('user', 'mailbox,user@mail.example.com', 'several attributes', result_attribute => 'maildrop, mail');
finds('info@example.com', 'ann@example.net,joe@example.net', 'scope', scope => 'one');
finds('info@example.com', '', 'scope base', scope => 'base');
finds('info@example.com', 'ann@example.net,joe@example.net', 'domain', domain => 'example.net, example.com');
finds('info@example.com', '', 'a key of another domain', domain => 'example.net');
finds('@example.org', '', 'with domain, whole domains are not asked', domain => 'example.org');
finds('user', '', 'nor names without a domain', domain => 'example.org');
finds('info@example.com', 'ann@example.net,joe@example.net', 'domain may name a table', domain => 'inline:{example.com=x}');
finds("info\xff\@example.com", '', 'a key that is not UTF-8 is in no directory');

# ---- entries that refer to others -------------------------------------------------------------------------------------------------

my @refer = (special_result_attribute => 'member', result_attribute => 'maildrop');
finds('team@example.com', 'ann@example.net,archive@example.net,joe@example.net,mailbox', 'members, and theirs; loops end', @refer);
finds('team@example.com', 'ann@example.net,joe@example.net,mailbox', 'leaf_result_attribute: the members, not the group',
    special_result_attribute => 'member', result_attribute => '', leaf_result_attribute => 'maildrop');
finds('byurl@example.com', 'user@mail.example.com', 'LDAP URLs, with the attributes that they and the table name',
    special_result_attribute => 'memberref', result_attribute => 'maildrop, mail');
finds('delegated@example.com', 'lists@example.net', 'terminal_result_attribute', special_result_attribute => 'member',
    result_attribute => 'mail', terminal_result_attribute => 'maildrop');
fails('team@example.com', 75, qr/recursion_limit = 1/, 'recursion_limit', @refer, recursion_limit => 1);
fails('info@example.com', 75, qr/more than expansion_limit = 1 values/, 'expansion_limit', expansion_limit => 1);
fails('x', 75, qr/more than 2 entries/, 'size_limit', size_limit => 2, query_filter => '(|(cn=%s)(cn=*))');

# ---- servers, logins, TLS ---------------------------------------------------------------------------------------------------------------

my $both = 'ann@example.net,joe@example.net';
my $free = free_port();
finds('info@example.com', $both, 'servers are tried in order', server_host => "127.0.0.1:$free, " . $s->url);
finds('info@example.com', $both, 'a UNIX socket', server_host => $s->ldapi_url);
finds('info@example.com', $both, 'without a login', bind => 'no');
finds('info@example.com', $both, 'a login', bind_dn => "cn=reader,$base", bind_pw => 'read it');
fails('info@example.com', 75, qr/does not let cn=reader,\Q$base\E in: Invalid credentials/, 'a wrong password',
    bind_dn => "cn=reader,$base", bind_pw => 'wrong');
finds('info@example.com', $both, 'SASL: EXTERNAL over a UNIX socket', server_host => $s->ldapi_url, bind => 'sasl', sasl_mechs => 'EXTERNAL');
fails('info@example.com', 75, qr/does not let us in by SASL/, 'a mechanism that does not work there', bind => 'sasl', sasl_mechs => 'EXTERNAL');
my $client = Baton::Cert::make($t->dir, names => ['client.example.test']);
finds('info@example.com', $both, 'a certificate of our own', start_tls => 'yes', tls_ca_cert_file => $cert->{ca},
    tls_cert => $client->{cert}, tls_key => $client->{key});
fails('info@example.com', 78, qr/TLS cannot be prepared/, 'with another\'s key', start_tls => 'yes', tls_ca_cert_file => $cert->{ca},
    tls_cert => $client->{cert}, tls_key => $cert->{key});
finds('info@example.com', $both, 'ldaps', server_host => $s->ldaps_url, tls_ca_cert_file => $cert->{ca});
finds('info@example.com', $both, 'StartTLS', start_tls => 'yes', tls_ca_cert_file => $cert->{ca});
for ([ server_host => $s->ldaps_url ], [ start_tls => 'yes' ]) {
    my @p = (@$_, tls_ca_cert_file => $stranger->{ca});
    fails('info@example.com', 75, qr/no TLS.*tls_ca_cert_file/, "a certificate of an unknown authority ($_->[0])", @p);
    finds('info@example.com', $both, 'is taken when it is not asked for', @p, tls_require_cert => 'no');
}
fails('info@example.com', 78, qr/tls_ca_cert_file: .*No such file/, 'a file that is missing', start_tls => 'yes', tls_ca_cert_file => '/nonexistent');

# ---- what is wrong is told ----------------------------------------------------------------------------------------------------------------

fails('x', 78, qr/\.cf:\d+: there is no parameter querry_filter.*did you mean query_filter\?/, 'an unknown name', querry_filter => 'x');
fails('x', 78, qr/\.cf:\d+: timeout: "soon" is not a time/, 'a wrong value', timeout => 'soon');
fails('x', 78, qr/search_base is missing/, 'a missing base', search_base => undef);
fails('x', 78, qr/query_filter: .*holds a %/, 'a % that means nothing', query_filter => 'mail=%x');
fails('x', 78, qr/bind_pw: everybody may read this file.*chmod o-r/, 'a password that everybody reads', bind_dn => 'cn=x', bind_pw => 'y',
    mode => 0644);
fails('x', 78, qr/bind_dn has no bind_pw/, 'a name without a password', bind_dn => 'cn=x');
fails('x', 78, qr/start_tls = yes and ldaps/, 'StartTLS within TLS', server_host => 'ldaps://x', start_tls => 'yes');
fails('x', 78, qr/stands in quotes/, 'quotes', search_base => '"dc=x"');
fails('x', 75, qr/is no filter/, 'what is no filter', query_filter => '(mail=%s');
fails('x', 75, qr/no search_base "dc=nowhere"/, 'a base that is not there', search_base => 'dc=nowhere');
like(ask('x', query_filter => 'cn=info')->{err}, qr/warning: .*has no %s/, 'a filter without the key');

# ---- a section -----------------------------------------------------------------------------------------------------------------------------------

$t->config(raw => "ldap staff {\n server_host = \"@{[ $s->url ]}\"\n search_base = \"$base\"\n bind_dn = \"cn=reader,$base\"\n bind_pw = \"read it\"\n}\n");
$r = $t->baton([ 'map', 'query', 'info@example.com', 'ldap:staff' ]);
is($r->{out}, "joe\@example.net,ann\@example.net\n", 'a section ldap NAME { }') or diag $r->{err};
$r = $t->baton([ 'map', 'query', 'info@example.com', 'ldap:stuff' ]);
like($r->{err}, qr/there is no section ldap stuff/, 'a section that is not there');
chmod 0644, $t->conf;
like($t->baton(['config'])->{err}, qr/bind_pw: everybody may read this file/, 'its password is not for everybody');
chmod 0600, $t->conf;
like($t->baton(['config'])->{out}, qr/^ldap "staff" \{\n.*# bind_pw is set\n\}/ms, 'it is shown, without the password');

# ---- baton check --------------------------------------------------------------------------------------------------------------------------------------

sub check {
    my ($args, @p) = @_;
    my $cf = cf(@p);
    $t->config(virtual_alias_domains => 'example.com', virtual_alias_maps => "ldap:$cf", relayhost => '[127.0.0.1]:1');
    return $t->baton([ 'check', @$args ])->{out};
}
like(check([]), qr/^ok +tables +virtual_alias_maps: ldap:/m, 'baton check opens the table');
like(check([], querry_filter => 'x'), qr/^error +tables +virtual_alias_maps: .*did you mean query_filter/m, 'and tells what is wrong with it');
like(check([], server_host => "127.0.0.1:$free"), qr/^ok +tables/m, 'it leaves the network alone,');
like(check(['--live'], server_host => "127.0.0.1:$free"), qr/^error +tables +virtual_alias_maps: ldap:.*cannot be connected to/m,
    'unless --live is said');
like(check(['--live'], bind_dn => "cn=reader,$base", bind_pw => 'wrong'), qr/^error +tables .*Invalid credentials/m, 'then it logs in, too');
like(check(['--live']), qr/^ok +tables +virtual_alias_maps: ldap:\S+ answers/m, 'and says that all is well');

# ---- a directory that is away, or hangs --------------------------------------------------------------------------------------------------------------

fails('info@example.com', 75, qr/ldap:.*127\.0\.0\.1:$free cannot be connected to/, 'no server: not "not found"', server_host => "127.0.0.1:$free");
$s->hang;
for ([ 'ldap' ], [ 'no login', bind => 'no' ], [ 'ldaps', server_host => $s->ldaps_url, tls_ca_cert_file => $cert->{ca} ],
    [ 'StartTLS', start_tls => 'yes', tls_ca_cert_file => $cert->{ca} ]) {
    my ($what, @p) = @$_;
    $r = ask('info@example.com', @p, timeout => 1);
    ok($r->{code} == 75 && $r->{err} =~ /answer/ && $r->{seconds} < 5, "one that hangs is waited for as long as timeout says ($what)")
      or diag "$r->{code} $r->{seconds} $r->{err}";
}
$s->wake;

done_testing;
