#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# systemd's unit shuts homes and /var/mail: `baton check` says so to whom it concerns, and the drop-in mailboxes.conf opens them. With the
# same mounts and rights as the unit gives, mail is delivered, or waits.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

skip_all_unless_server();
my $t = Baton::Test->new;
chmod 0755, $t->dir;
my $built = build_dir() . '/packaging/systemd/baton.service';
my $drop_in = source_dir() . '/packaging/systemd/mailboxes.conf';
my $unit = slurp($built) // BAIL_OUT('run make first');
my $spool = $t->spool;
$unit =~ s/^(ReadWritePaths=).*/$1$spool/m;
mkdir $spool;
mkdir $t->path('units');
my $file = spew($t->path('units/baton.service'), $unit);
sub with_drop_in { mkdir $t->path('units/baton.service.d'); return spew($t->path('units/baton.service.d/mailboxes.conf'), slurp($drop_in) . ($_[0] // '')) }
sub without_drop_in { unlink $t->path('units/baton.service.d/mailboxes.conf') }

subtest 'baton check' => sub {
    my $check = sub {
        $t->config(default_transport => 'discard:', @_);
        return join '', grep { / systemd / || /^ / } map { "$_\n" } split /\n/, $t->baton(['check'], env => { SYSTEMD_UNIT_PATH => $t->path('units') })->{out};
    };
    my %local = (mydestination => 'a.example', local_recipient_maps => '');
    is($check->(relayhost => '[127.0.0.1]:25'), '', 'a null client needs neither');
    like($check->(%local), qr{^warning +systemd +mail_spool_directory: the unit baton\.service keeps batond out of /var/mail \(ProtectSystem=strict\): mail for it waits\n.*mailboxes\.conf /etc/systemd/system/baton\.service\.d/}m, 'mailboxes in /var/mail');
    like($check->(%local, home_mailbox => 'Maildir/'), qr{^warning +systemd +home_mailbox: .* keeps batond out of /home \(ProtectHome\)}m, 'mailboxes in homes');
    like($check->(%local, mailbox_transport => 'lmtp:unix:/x'), qr{^note +systemd +.*nobody's ~/\.forward is seen}m, '~/.forward only');
    is($check->(%local, mailbox_transport => 'discard:', forward_path => ''), '', 'none of it');
    my %virtual = (virtual_mailbox_domains => 'v.example', virtual_mailbox_maps => 'inline:{ a@v.example = a/ }', virtual_mailbox_base => '/srv',
        virtual_uid_maps => 'static:5000', virtual_gid_maps => 'static:5000');
    like($check->(%virtual), qr{^warning +systemd +virtual_mailbox_base: .* out of /srv .*\n.*ReadWritePaths=/srv;}m, 'mailboxes of virtual users');
    with_drop_in();
    is($check->(%local), '', 'with the drop-in /var/mail is open');
    is($check->(%local, home_mailbox => 'Maildir/'), '', 'and homes are');
    like($check->(%virtual), qr{ReadWritePaths=/srv}, 'other folders are not');
    with_drop_in("ReadWritePaths=/srv\n");
    is($check->(%virtual), '', 'but can be');
    without_drop_in();
};

subtest 'systemd has nothing to say against it' => sub {
    plan skip_all => 'systemd-analyze is not installed' if !grep { -x "$_/systemd-analyze" } split /:/, "$ENV{PATH}:/usr/bin";
    my $batond = program('batond');
    spew($file, $unit =~ s{^(ExecStart=)\S+}{$1$batond}mr);
    with_drop_in();
    my $r = $t->run([ 'systemd-analyze', 'verify', '--man=no', $file ], env => { SYSTEMD_LOG_LEVEL => 'warning', SYSTEMD_UNIT_PATH => $t->path('units') . ':' });
    is($r->{code}, 0, 'systemd-analyze verify accepts unit and drop-in');
    is(join('', grep { /baton/ } split /^/, $r->{err} . $r->{out}), '', 'without a word');
    without_drop_in();
};

subtest 'mail under its restrictions' => sub {
    plan skip_all => 'only root can mount' if !is_root();
    my $inside = source_dir() . '/packaging/systemd/as-in-unit';
    my ($uid, $gid) = (getpwnam 'games')[2, 3];
    my $mail_gid = getgrnam 'mail';
    my ($mail, $home) = map { my $d = $t->path($_); mkdir $d; $d } qw(var-mail home);
    chown 0, $mail_gid, $mail;
    chmod 02775, $mail;
    mkdir "$home/games";
    spew("$home/games/.forward", "\\games, /home/games/Maildir/\n", 0644);
    chown $uid, $gid, "$home/games", "$home/games/.forward";
    my @as = ($inside, '--bind', "$mail:/var/mail", '--bind', "$home:/home");
    my $probe = $t->run([ @as, $file, '--', 'sh', '-c', "touch /var/mail/x || echo mail; touch /home/x || echo home; touch $spool/x && echo spool" ]);
    plan skip_all => "no mounts here: $probe->{err}" if $probe->{code};
    is($probe->{out}, "mail\nhome\nspool\n", 'the unit opens the spool only');
    unlink "$spool/x";
    $t->config(mydestination => 'a.example', default_transport => 'discard:', local_recipient_maps => '', forward_path => '/home/$user/.forward',
        deliver_lock_attempts => 1, minimal_backoff_time => '1s', queue_run_delay => '1s');
    $t->start_batond(command => [ @as, $file, '--', program('batond'), '-c', $t->conf ]);
    my $r = $t->sendmail([ '-f', 'joe@example.org', 'games@a.example' ], input => "Subject: shut\n\nHello\n");
    is($r->{code}, 0, 'mail is taken') or diag $r->{err};
    like($t->wait_log(qr/to=<games\@a\.example>/), qr{dsn=4\.2\.0, status=deferred \(cannot update mailbox: cannot create /var/mail/games\.lock: Read-only file system}, 'and waits for a mailbox that is shut');
    $t->stop_batond;
    $t->start_batond(command => [ @as, $file, $drop_in, '--', program('batond'), '-c', $t->conf ]);
    like($t->wait_log(qr/to=<games\@a\.example>/), qr/status=sent/, 'with the drop-in it is delivered');
    like(slurp("$mail/games") // '', qr/^Subject: shut$/m, 'to the mailbox');
    my @new = glob "$home/games/Maildir/new/*";
    is(@new, 1, 'and to the folder in the home') or diag $t->log_text;
    is_deeply([ (stat "$mail/games")[4], map { (stat)[4] } @new ], [ $uid, $uid ], 'which are the user\'s');
    $t->stop_batond;
};

done_testing;
