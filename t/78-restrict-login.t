#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Who may use which sender: smtpd_sender_login_maps, and what is done without them.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Restrict;
use Baton::Test;

skip_all_unless_server();
my $w = Baton::Restrict->new(config => { recipient_delimiter => '+' });
my $table = $w->test->path('owners');
my @here = (addr => '192.0.2.1', to => 'me@here.test');
my $ok = '250 2.1.5 Ok';

sub denied { my ($from, $why) = @_; return "553 5.7.1 <$from>: Sender address rejected: $why" }
sub not_owned { my ($from, $login) = @_; return denied($from, "not owned by user $login") }

sub ask {
    my ($name, $from, $login, $reply) = @_;
    return is($w->ask(@here, from => $from, ($login ? (login => $login) : ())), "$reply\n", $name);
}

# ---- with tables ----

spew($table, <<'END');
boss@here.test     boss, secretary
sales@here.test    joe	jane
root               admin
@other.test        Joe@here.test
END
my %maps = (smtpd_sender_login_maps => "texthash:$table");
$w->configure(%maps, smtpd_sender_restrictions => 'reject_sender_login_mismatch');
ask('an owner may', 'boss@here.test', 'secretary', $ok);
ask('... whatever the case', 'Boss@Here.Test', 'SECRETARY', $ok);
ask('... of a list parted by blanks', 'sales@here.test', 'jane', $ok);
ask('who is none may not', 'boss@here.test', 'joe', not_owned('boss@here.test', 'joe'));
ask('nor with an extension', 'boss+x@here.test', 'joe', not_owned('boss+x@here.test', 'joe'));
ask('who has it may, with an extension too', 'boss+x@here.test', 'boss', $ok);
ask('a user of a local domain stands without it', 'root@here.test', 'admin', $ok);
ask('but not of another', 'root@example.org', 'admin', not_owned('root@example.org', 'admin'));
ask('a domain stands as @domain', 'x@other.test', 'joe@here.test', $ok);
ask('what nobody owns is not his who has logged in', 'me@here.test', 'me', not_owned('me@here.test', 'me'));
ask('what is owned is nobody else\'s', 'boss@here.test', undef, denied('boss@here.test', 'not logged in'));
ask('what is not is anybody\'s', 'a@example.org', undef, $ok);
ask('the null sender is everybody\'s', '', 'joe', $ok);

$w->configure(%maps, smtpd_sender_restrictions => 'reject_authenticated_sender_login_mismatch');
ask('reject_authenticated_sender_login_mismatch is for who has logged in', 'boss@here.test', 'joe', not_owned('boss@here.test', 'joe'));
ask('... and not for others', 'boss@here.test', undef, $ok);
$w->configure(%maps, smtpd_sender_restrictions => 'reject_unauthenticated_sender_login_mismatch');
ask('reject_unauthenticated_sender_login_mismatch is for who has not', 'boss@here.test', undef, denied('boss@here.test', 'not logged in'));
ask('... and not for others', 'boss@here.test', 'joe', $ok);
$w->configure(%maps, smtpd_sender_restrictions => 'reject_known_sender_login_mismatch');
ask('reject_known_sender_login_mismatch: what nobody owns is free', 'me@here.test', 'joe', $ok);
ask('... what somebody owns is not', 'boss@here.test', 'joe', not_owned('boss@here.test', 'joe'));
$w->configure(smtpd_sender_restrictions => 'reject_sender_login_mismatch', smtpd_sender_login_maps => 'tcp:127.0.0.1:1');
ask('tables that cannot tell', 'boss@here.test', 'joe', '451 4.3.0 <boss@here.test>: Temporary lookup failure');

# ---- without: the login is the owner ----

$w->configure(smtpd_sender_restrictions => 'reject_sender_login_mismatch');
ask('without tables a login has its own address', 'joe@example.org', 'joe@example.org', $ok);
ask('... and no other', 'jim@example.org', 'joe@example.org', not_owned('jim@example.org', 'joe@example.org'));
ask('... nor its user elsewhere', 'joe@example.net', 'joe@example.org', not_owned('joe@example.net', 'joe@example.org'));
ask('a login without a domain has it in ours', 'joe@here.test', 'joe', $ok);
ask('... with an extension', 'joe+lists@here.test', 'joe', $ok);
ask('... and not in others', 'joe@example.org', 'joe', not_owned('joe@example.org', 'joe'));
ask('who has not logged in is not asked', 'joe@here.test', undef, $ok);
my $check = $w->test->baton(['check']);
like($check->{out} . $check->{err}, qr/smtpd_sender_restrictions: reject_sender_login_mismatch has no smtpd_sender_login_maps/, 'baton check says that there are none');

done_testing;
