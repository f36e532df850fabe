#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# `baton import` prints the baton.conf that does what a main.cf and a master.cf did; what it prints always loads.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
my $folder = $t->path('postfix');
mkdir $folder or die "$folder: $!";

# import(main.cf, master.cf, arguments ...): the result of the command; its output has been loaded
sub import_cf {
    my ($main, $master, @args) = @_;
    Baton::Test::spew("$folder/main.cf", $main);
    unlink "$folder/master.cf";
    Baton::Test::spew("$folder/master.cf", $master) if defined $master;
    return checked($t->run([ Baton::Test::program('baton'), 'import', @args, $folder ]));
}

# What loads has values: `baton config` prints them.
sub checked {
    my ($r) = @_;
    Baton::Test::spew($t->conf, $r->{out}, 0600);
    my $shown = $t->run([ Baton::Test::program('baton'), '-c', $t->conf, 'config' ]);
    $r->{loads} = $shown->{code} == 0;
    diag "it does not load: $shown->{err}\n$r->{out}" if !$r->{loads};
    $r->{config} = $shown->{out};
    $r->{lines} = join '', map { "$_\n" } grep { !/^\s*(?:#|$)/ } split /\n/, $r->{out};
    return $r;
}

my $null = <<'END';
myhostname = web.example.com
inet_interfaces = loopback-only
mydestination =
relayhost = [smtp.example.com]:587
smtpd_helo_required = yes
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated reject_unauth_destination
END
my $same = qq(myhostname = "web.example.com"\nrelayhost = "[smtp.example.com]:587"\n);

# ---- one main.cf a row: what is written, the statements that come out, the exit status ----
my @table = (
    [ 'a null client', $null, $same, 0 ],
    [ 'blanks, and lines that go on behind comments and empty lines',
        "$null\nmynetworks=10.0.0.0/8,\n# no network\n\n   #192.0.2.0/24\n\t[::1]/128\n",
        qq(myhostname = "web.example.com"\nmynetworks = "10.0.0.0/8, [::1]/128"\nrelayhost = "[smtp.example.com]:587"\n), 0 ],
    [ 'the last of two counts', "relayhost = [a.test]\n$null", $same, 0 ],
    [ 'a # behind a value is text', "$null\nmail_name = a # b\n", qq(mail_name = "a # b"\n), 0, 'has' ],
    [ 'a $name of ours is kept', "$null\nmyorigin = \$mydomain\n", qq(myorigin = "\$mydomain"\n), 0, 'has' ],
    [ 'a $name of theirs is replaced', "$null\nx = web\nmyorigin = \${x}.example.org\n", qq(myorigin = "web.example.org"\n), 0, 'has' ],
    [ 'a $name with another default is replaced', "$null\nsmtpd_banner = \$myhostname \$mail_name\n",
        qq(smtpd_banner = "web.example.com Postfix"\n), 0, 'has' ],
    [ 'a condition', "$null\nmyorigin = \${relayhost?{a.example}:{b.example}}\n", qq(myorigin = "a.example"\n), 0, 'has' ],
    [ 'a comparison', "$null\nmyorigin = \${{\$myhostname} == {x} ? {a.example} : {b.example}}\n", qq(myorigin = "b.example"\n), 0, 'has' ],
    [ 'a dollar sign', "$null\nmail_name = a\$\$b\n", qq(mail_name = "a\$\$b"\n), 0, 'has' ],
    [ 'quotes and backslashes', "$null\nmail_name = a\"b\\c\n", qq(mail_name = "a\\"b\\\\c"\n), 0, 'has' ],
    [ 'Postfix listens everywhere unless told otherwise', "relayhost = [a.test]\nmydestination =\n", qq(inet_interfaces = all\n), 0, 'has' ],
    [ 'and is a destination', "myhostname = w.a.test\nrelayhost = [a.test]\n",
        qq(mydestination = "\$myhostname, localhost.\$mydomain, localhost"\n), 0, 'has' ],
    [ 'no TLS has a word', "$null\nsmtp_tls_security_level =\n", qq(smtp_tls_security_level = none\n), 0, 'has' ],
    [ 'TLS as it was said long ago', "$null\nsmtp_use_tls = yes\n", qq(smtp_tls_security_level = may\n), 0, 'has' ],
    [ 'host bits of an address', "$null\nmynetworks = 192.0.2.1/24\n", qq(mynetworks = "192.0.2.1/24"\n), 0, 'has' ],
    [ 'addresses with a length, as handbooks have them', "$null\ninet_interfaces = 127.0.0.1/32, [::1]/128\n",
        qq(inet_interfaces = "127.0.0.1/32, [::1]/128"\n), 0, 'has' ],
    [ 'what is not known', "$null\nfoo_bar = 1\n", $same, 1 ],
    [ 'a value that is refused', "$null\nmessage_size_limit = many\n", $same, 1 ],
    [ 'a rule between values that is broken', "$null\nminimal_backoff_time = 5000s\n", $same, 1 ],
    [ 'a line that is none', "$null\nnonsense\n", $same, 1 ],
    [ 'a name that refers to itself', "$null\nmail_name = a\$mail_name\n", $same, 1 ],
    [ 'a control character', "$null\nmail_name = a\x01b\n", $same, 1 ],
    [ 'what has no meaning here', "$null\nbiff = no\ncompatibility_level = 3.6\nqueue_directory = /var/spool/postfix\n", $same, 0 ],
);
for my $row (@table) {
    my ($name, $main, $want, $code, $has) = @$row;
    my $r = import_cf($main);
    ok($r->{loads}, "$name: it loads");
    if ($has) { like($r->{lines}, qr/^\Q$want\E/m, "$name: it is carried") }
    else      { is($r->{lines}, $want, "$name: it is carried") }
    is($r->{code}, $code, "$name: exit $code") or diag $r->{out}, $r->{err};
}

like(import_cf("$null\nfoo_bar = 1\n")->{out}, qr/^# NOT CARRIED: main\.cf:8: foo_bar = 1\n#   Baton has nothing like it/m,
    'what is not carried stands in a comment, with its line and the reason');
like(import_cf("$null\nmynetworks = 192.0.2.1/24\n")->{out}, qr/^# Warning: mynetworks: .*\n(?:#.*\n)*mynetworks = /m,
    'what is carried with a warning has it above');
like(import_cf("relayhost = [a.test]\n$null")->{out}, qr/^# main\.cf:5: relayhost overrides line 1/m, 'an override is told of');

# ---- no relayhost ----
like(import_cf("mydestination =\n")->{lines}, qr/^relayhost = ""$/m, 'no relayhost is written down: it is direct delivery');

# ---- files that lists name ----
Baton::Test::spew("$folder/networks", "# ours\n10.0.0.0/8 192.0.2.0/24\n");
my $r = import_cf("$null\nmynetworks = 127.0.0.0/8, $folder/networks\n");
like($r->{lines}, qr{^mynetworks = "127\.0\.0\.0/8, 10\.0\.0\.0/8, 192\.0\.2\.0/24"$}m, 'a list in a file is taken in');
$r = import_cf("$null\nmynetworks = 127.0.0.0/8, $folder/nothing\n");
is($r->{code}, 1, 'a list in a file that is missing is not carried');

# ---- the login ----
Baton::Test::spew("$folder/sasl", "[smtp.example.com]:587 me\@example.com:s3cr'et\\x\n", 0600);
my $login = "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:$folder/sasl\nsmtp_sasl_security_options = noanonymous\n";
$r = import_cf("$null$login");
unlike($r->{out} . $r->{err}, qr/s3cr/, 'no password is printed');
like($r->{lines}, qr{^login "\[smtp\.example\.com\]:587" \{\n    user = "me\@example\.com"\n    password_file = "/etc/baton/}m,
    'but the login');
is($r->{code}, 1, 'and there is something left to do');
my $out = $t->path('out.conf');
$r = import_cf("$null$login", undef, '--output', $out);
is($r->{code}, 0, 'into a file all of it is carried');
is((stat $out)[2] & 0777, 0600, 'which nobody else may read');
like(Baton::Test::slurp($out), qr/^    password = "s3cr'et\\\\x"$/m, 'the password is there');
is($t->run([ Baton::Test::program('baton'), '-c', $out, 'config', 'relayhost' ])->{code}, 0, 'it loads');
$r = import_cf("$null$login", undef, '--output', $out);
is($r->{code}, 73, 'a file that exists is not overwritten');

$r = import_cf("$null\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:me:s3cret\nold_password = s3cret\nx_bind_pw = s3cret\n");
unlike($r->{out} . $r->{err}, qr/s3cret/, 'nor one that stands in main.cf itself') or diag $r->{out};
like($r->{lines}, qr/^    user = "?me"?$/m, 'whose user is carried');

# Senders with relayhosts, and logins, of their own
Baton::Test::spew("$folder/relays", "a\@example.net [smtp.a.test]:587\nb\@example.net [smtp.b.test]:587\nc\@example.net [smtp.b.test]:587\n"
      . "\@third.test [smtp.third.test]\n");
Baton::Test::spew("$folder/sasl", "a\@example.net a.user:pw1\nb\@example.net b.user:pw2\nc\@example.net c.user:pw3\n[smtp.third.test] third:pw4\n", 0600);
my $senders = "${null}relayhost =\nmynetworks = 127.0.0.0/8\nsender_dependent_relayhost_maps = texthash:$folder/relays\nsmtp_sasl_auth_enable = yes\n"
  . "smtp_sasl_password_maps = texthash:$folder/sasl\n";
if (Baton::Test::has_server()) {
    $r = import_cf("${senders}smtp_sender_dependent_authentication = yes\n");
    like($r->{lines}, qr/^login "\[smtp\.a\.test\]:587" \{\n    user = "a\.user"$/m, "a sender's login is that of the relayhost which only he has");
    like($r->{lines}, qr/^login "\[smtp\.b\.test\]:587" \{\n    user = "b\.user"$/m, 'of two senders at one relayhost the first');
    like($r->{out}, qr/^# NOT CARRIED: the login of c\@example\.net, .*\n(?:#.*\n)*?#   a login goes by the relayhost, and \[smtp\.b\.test\]:587 has one/m,
        'and of the other it is said what to do') or diag $r->{out};
    like($r->{lines}, qr/^login "\[smtp\.third\.test\]" \{\n    user = "?third"?$/m, 'rows of relayhosts count, too');
    unlike($r->{out}, qr/is for none of the hosts|pw\d/, 'nobody complains of logins that tables may lead to, and no password is told');
    $r = import_cf($senders);
    unlike($r->{lines}, qr/a\.user/, 'without smtp_sender_dependent_authentication rows of senders do not count');
    like($r->{lines}, qr/^login "\[smtp\.third\.test\]" \{$/m, 'those of relayhosts do');
    (my $proxied = $senders) =~ s/texthash:/proxy:texthash:/g;
    like(import_cf("${proxied}smtp_sender_dependent_authentication = yes\n")->{lines}, qr/^login "\[smtp\.a\.test\]:587" \{\n    user = "a\.user"$/m,
        'and so with tables behind proxy:');
    $r = import_cf("${null}smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:$folder/sasl\nsmtp_sender_dependent_authentication = yes\n"
          . "sender_dependent_relayhost_maps = texthash:$folder/missing\n");
    unlike($r->{lines}, qr/^login|a\.user/m, "no sender's login is that of the relayhost which all have");
    like($r->{out}, qr/^# NOT CARRIED: the login of a\@example\.net, .*\n(?:#.*\n)*?#   this sender has no relayhost of its own/m, '... of which is told')
        or diag $r->{out};
    like($r->{out}, qr/^# Warning: a table of sender_dependent_relayhost_maps cannot be opened, and its logins are not carried/m,
        'and of a table that cannot be opened');
}

# Networks of the interfaces
$r = import_cf("${null}mynetworks_style = subnet\n");
is($r->{code}, 0, 'mynetworks_style = subnet, with the loopback interface only');
unlike($r->{out}, qr/NOT CARRIED|sets no mynetworks/, 'is carried');
like($r->{config}, qr/^mynetworks = "?127\.0\.0\.0\/8\b/m, 'as the network of that interface');
like(import_cf("${null}inet_interfaces = all\nmynetworks_style = class\n")->{config}, qr/^mynetworks = .*127\.0\.0\.0\/8\b/m, 'and class');

like(import_cf("${null}inet_interfaces = all\nmynetworks_style = host\n")->{config}, qr/^mynetworks = .*127\.0\.0\.1\/32\b/m,
    'and host, as the addresses themselves');
like(import_cf("${null}inet_interfaces = localhost\nmynetworks_style = host\n")->{config}, qr/^mynetworks = .*127\.0\.0\.1\/32\b/m, 'localhost is loopback');
like(import_cf("${null}inet_interfaces = localhost, web.example.com\nmynetworks_style = subnet\n")->{out},
    qr/^# Names in inet_interfaces are not looked up: add the networks of web\.example\.com\.$/m, 'other names are told of');
like(import_cf("${null}inet_interfaces = web.example.com\nmynetworks_style = subnet\n")->{out},
    qr/^#   names in inet_interfaces are not looked up \(web\.example\.com\): write/m, '... also when there is nothing else');
like(import_cf("${null}inet_interfaces = 192.0.2.77\nmynetworks_style = subnet\n")->{out}, qr/^#   this machine has none of the addresses in inet_interfaces/m,
    'as are addresses of another machine');

# What is not here has an answer
$r = import_cf("${null}smtp_tls_security_level = dane\nmilter_header_checks = pcre:/x\nsmtp_mime_header_checks = pcre:/x\n");
like($r->{out}, qr/^# It was dane: DANE is not here\..*\n(?:#.*\n)*smtp_tls_security_level = may$/m, 'DANE becomes what comes nearest') or diag $r->{out};
like($r->{out}, qr/milter_header_checks = .*\n#   there are no checks of the headers that filters add/m, 'milter_header_checks');
like($r->{out}, qr/smtp_mime_header_checks = .*\n#   headers are not changed on the way out/m, 'smtp_mime_header_checks');

# ---- tables ----
Baton::Test::spew("$folder/aliases", "root: me\@example.com\n");
$r = import_cf("$null\nalias_maps = hash:$folder/aliases\n");
like($r->{lines}, qr{^alias_maps = "hash:\Q$folder\E/aliases"$}m, 'tables stay where they are');
$r = import_cf("$null\nalias_maps = hash:$folder/missing\n");
like($r->{out}, qr{^# Warning: hash:\Q$folder\E/missing cannot be opened}m, 'one that is missing is told of');

# ---- master.cf ----
my $smtp = "smtp inet n - y - - smtpd\npickup unix n - y 60 1 pickup\nrelay unix - - y - - smtp\n\t-o syslog_name=postfix/\$service_name\n";
is(import_cf($null, $smtp)->{lines}, $same, 'the services that every Postfix has are nothing to write');
$r = import_cf($null, "$smtp#x\n127.0.0.1:10025 inet n - n - 7 smtpd\n  -o syslog_name=x\n  -o smtpd_foo=1\n");
like($r->{lines}, qr/^listen "smtp" \{\n    port = smtp\n\}$/m, 'with a second port there are listen sections: the first');
like($r->{lines}, qr/^    address = "127\.0\.0\.1"\n    port = 10025\n    process_limit = 7\n\}$/m, 'the second, with its columns');
like($r->{out}, qr/^    # NOT CARRIED: master\.cf:6: 127\.0\.0\.1:10025: -o smtpd_foo=1$/m, 'an option that is not carried');
SKIP: {
    skip 'the server module is not built', 13 if !has_server();
    my $tls = $t->certificate(names => ['web.example.com']);
    my $main = "$null\nsmtpd_tls_cert_file = $tls->{cert}\nsmtpd_tls_key_file = $tls->{key}\nmua = permit_sasl_authenticated,reject\n";
    my $services = "$smtp\nsubmission inet n - y - - smtpd\n -o syslog_name=postfix/submission\n -o smtpd_tls_security_level=encrypt\n"
        . " -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes -o smtpd_client_restrictions=\$mua\n"
        . "smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes\n";
    $r = import_cf($main, $services);
    like($r->{lines}, qr/^listen "submission" \{\n    port = submission\n    tls = encrypt\n    auth = required\n\}$/m, 'the port of users');
    like($r->{lines}, qr/^listen "submissions" \{\n    port = submissions\n    tls = implicit\n    auth = may\n\}$/m, 'and the one with TLS from the first byte');
    like($r->{lines}, qr/^listen "smtp" \{\n    port = smtp\n\}$/m, 'port 25 offers no AUTH');
    unlike($r->{out}, qr/NOT CARRIED/, 'all is carried') or diag $r->{out};
    $r = import_cf("$main\nsmtpd_client_restrictions = reject_unknown_client_hostname\nmua_helo = permit_mynetworks, reject_non_fqdn_helo_hostname\n",
        "$services -o smtpd_helo_restrictions=\$mua_helo -o { smtpd_sender_restrictions = reject_sender_login_mismatch }\n"
        . " -o smtpd_recipient_restrictions= -o smtpd_recipient_limit=200 -o milter_macro_daemon_name=ORIGINATING -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n");
    like($r->{lines}, qr/^listen "submissions" \{\n    port = submissions\n    tls = implicit\n    smtpd_helo_restrictions = "permit_mynetworks, reject_non_fqdn_helo_hostname"\n    smtpd_sender_restrictions = "reject_sender_login_mismatch"\n    smtpd_recipient_limit = 200\n    milter_macro_daemon_name = "?ORIGINATING"?\n    smtpd_relay_restrictions = "permit_sasl_authenticated,reject"\n    auth = required\n\}$/m,
        'a listener has lists and limits of its own, $mua_... in full') or diag $r->{lines};
    like($r->{lines}, qr/^listen "submission" \{[^}]*^    smtpd_client_restrictions = "permit_sasl_authenticated,reject"$/m, 'a list that stands in the place of another is carried, too');
    unlike($r->{out}, qr/NOT CARRIED/, '... and nothing is lost') or diag $r->{out};
    $r = import_cf(($main =~ s/^mua = .*\n//mr) . "\nsmtpd_tls_ask_ccert = yes\nsmtpd_tls_CAfile = $tls->{ca}\nrelay_clientcerts = inline:{ {AB:CD = x} }\nsmtpd_tls_fingerprint_digest = sha1\n"
        . "smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\nsmtp_tls_fingerprint_digest = sha256\nsmtp_tls_cert_file = $tls->{cert}\nsmtp_tls_key_file = $tls->{key}\n",
        "$smtp\n2525 inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes\n");
    like($r->{lines}, qr/^    smtpd_tls_req_ccert = yes$(?s:.*)^smtpd_tls_ask_ccert = "?yes"?$(?s:.*)^relay_clientcerts = .*^smtpd_tls_fingerprint_digest = sha1$/ms,
        'certificates of clients') or diag $r->{lines};
    unlike($r->{out}, qr/NOT CARRIED/, '... and nothing is lost') or diag $r->{out};
    my $listed = ($main =~ s/^mua = .*\n//mr) . "\nsmtpd_tls_ask_ccert = yes\nrelay_clientcerts = inline:{ {AB:CD = x} }\n";
    like(import_cf("$listed\ncompatibility_level = 2\n")->{lines}, qr/^smtpd_tls_fingerprint_digest = md5$/m, 'old fingerprints are by MD5');
    unlike(import_cf("$listed\ncompatibility_level = 3.6\n")->{lines}, qr/_fingerprint_digest/, '... and new ones by SHA-256');
    $r = import_cf($null, "$smtp\nsubmission inet n - y - - smtpd -o smtpd_relay_restrictions=permit_mynetworks\n");
    like($r->{out}, qr/NOT CARRIED: master\.cf:6: submission: -o smtpd_relay_restrictions=permit_mynetworks$/m, 'an open relay is not carried') or diag $r->{out};
    $r = import_cf("$main\nsmtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes\n", "$services\n10025 inet n - y - - smtpd -o smtpd_sasl_auth_enable=no -o smtpd_milters=unix:opendkim/x.sock\n");
    like($r->{lines}, qr{^    port = 10025\n    milters = "unix:/var/spool/postfix/opendkim/x\.sock"\n    auth = no\n\}$}m, 'a port without it, and with filters of its own')
      or diag $r->{out};
}
# What is our default may be something else where main.cf, or Postfix's own default, says otherwise
$r = import_cf($null =~ s/smtpd_helo_required.*\n//r, "$smtp\n2525 inet n - y - - smtpd -o smtpd_helo_required=yes\n");
like($r->{lines}, qr/^    port = 2525\n    smtpd_helo_required = yes$(?s:.*)^smtpd_helo_required = "?no"?$/m, 'our default is written where it is another outside')
    or diag $r->{out};
SKIP: {
    skip 'the server module is not built', 5 if !has_server();
    my $tls = $t->certificate(names => ['web.example.com']);
    my $main = "$null\nsmtpd_tls_cert_file = $tls->{cert}\nsmtpd_tls_key_file = $tls->{key}\n";
    my $submission = "$smtp\nsubmission inet n - y - - smtpd -o smtpd_tls_security_level=may -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n";
    $r = import_cf("$main\nsmtpd_sasl_auth_enable = yes\n", "$submission -o smtpd_tls_auth_only=yes\n");
    like($r->{lines}, qr/^    smtpd_tls_auth_only = yes$(?s:.*)^smtpd_tls_auth_only = "?no"?$/m, 'so that AUTH is not offered in the clear')
        or diag $r->{out};
    my $closed = qr/^    smtpd_client_restrictions = "permit_sasl_authenticated,reject"$/m;
    $r = import_cf($main, $submission);
    like($r->{lines}, $closed, 'a port for those who log in, where nobody can, stays closed') or diag $r->{out};
    unlike($r->{lines}, qr/auth = /, '... without AUTH');
    $r = import_cf("$main\nsmtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes\n", "$submission -o smtpd_sasl_auth_enable=no\n");
    like($r->{lines}, $closed, '... and where AUTH is switched off') or diag $r->{out};
    like($r->{lines}, qr/^    auth = "?no"?$/m, '... as it was') or diag $r->{out};
}
$r = import_cf("$null\ncontent_filter = smtp-amavis:[127.0.0.1]:10024\n", "$smtp\nsmtp-amavis unix - - y - 2 smtp\n -o smtp_send_xforward_command=yes\n"
    . "127.0.0.1:10025 inet n - y - - smtpd -o content_filter= -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks -o mynetworks=127.0.0.0/8\n");
like($r->{lines}, qr/^content_filter = "smtp:\[127\.0\.0\.1\]:10024"$/m, 'a content filter, by the transport that there is') or diag $r->{out};
like($r->{lines}, qr/^    address = "127\.0\.0\.1"\n    port = 10025\n    content_filter = ""\n    receive_override_options = "no_header_body_checks,no_unknown_recipient_checks"\n(    mynetworks.*\n)?\}$/m, 'and where it gives mail back')
  or diag $r->{out};
unlike($r->{out}, qr/NOT CARRIED/, '... all of it') or diag $r->{out};
$r = import_cf($null, "pickup unix n - y 60 1 pickup\n");
like($r->{lines}, qr/^inet_interfaces = ""$/m, 'no service that listens');
$r = import_cf($null, "$smtp\nx unix - n n - - spawn user=x argv=/bin/x\nnonsense\n");
is(() = $r->{out} =~ /^# NOT CARRIED/mg, 2, 'what is not carried is told of');

# ---- restrictions ----
SKIP: {
    skip 'the server module is not built', 3 if !has_server();
    $r = import_cf("$null\nsmtpd_restriction_classes = only_us\nonly_us = permit_mynetworks, reject\n"
        . "smtpd_client_restrictions = check_client_access cidr:$folder/clients, only_us,\n  check_policy_service unix:private/policy\n");
    like($r->{lines}, qr/^restriction_class "only_us" \{\n    restrictions = "permit_mynetworks, reject"\n\}$/m, 'a class of restrictions');
    like($r->{lines}, qr{^smtpd_client_restrictions = "check_client_access cidr:\Q$folder\E/clients, only_us, check_policy_service unix:/var/spool/postfix/private/policy"$}m, 'and who uses it');
    unlike($r->{lines}, qr/relay_restrictions/, 'what is the default is not written') or diag $r->{out};
}

$r = import_cf("$null\nempty_address_recipient = postmaster\n", $smtp);
like($r->{out}, qr/no mail has an empty recipient: RCPT TO:<> is refused, and bounces do not bounce/, 'the recipient of mail that has none is not carried, and why');
$r = import_cf("$null\nempty_address_recipient = MAILER-DAEMON\n", $smtp);
unlike($r->{out}, qr/empty recipient/, '... its default is no matter');

if (Baton::Test::has_server()) {
    $r = import_cf("${null}smtpd_recipient_restrictions = reject_unknown_recipient_domain, permit_mynetworks, reject_unverified_recipient, reject_unauth_destination\n");
    like($r->{lines}, qr/^smtpd_recipient_restrictions = "reject_unknown_recipient_domain, permit_mynetworks, reject_unauth_destination"$/m,
        'of a list with a restriction that Baton has not the rest is carried') or diag $r->{out};
    like($r->{out}, qr/^# NOT CARRIED: main\.cf:\d+: smtpd_recipient_restrictions: reject_unverified_recipient\n(?:#.*\n)*?.*the rest of the list is carried/m, 'and it is said')
        or diag $r->{out};
    is($r->{code}, 1, 'with exit 1');
    my $list = 'reject_unverified_sender, permit_mynetworks, warn_if_reject reject_unverified_sender, reject_rbl_client x.test';
    my $rest = qr/smtpd_sender_restrictions = "permit_mynetworks, reject_rbl_client x\.test"$/m;
    like(import_cf("${null}smtpd_sender_restrictions = $list\n")->{lines}, qr/^$rest/m, 'its warn_if_reject goes with it, and does not take the next one');
    $r = import_cf("${null}smtpd_sender_restrictions = $list\n", "$smtp\n2525 inet n - y - - smtpd -o smtpd_helo_required=no\n");
    like($r->{lines}, qr/^$rest/m, '... with a listener that has the list, too');
    $r = import_cf($null, "$smtp\n2525 inet n - y - - smtpd -o { smtpd_sender_restrictions = $list }\n");
    like($r->{lines}, qr/^    $rest/m, '... and of one with a list of its own') or diag $r->{out};
    like($r->{out}, qr/NOT CARRIED: master\.cf:6: 2525: -o smtpd_sender_restrictions: reject_unverified_sender$/m, 'which is told of') or diag $r->{out};
}

# ---- programs ----
SKIP: {
    skip 'the server module is not built', 6 if !has_server();
    my $vacation = "vacation unix - n n - 4 pipe\n  flags=Rq user=nobody argv=/bin/false -f \${sender} -- \${recipient}\n";
    $r = import_cf("$null\nvirtual_transport = vacation:\nvirtual_mailbox_domains = v.test\nvacation_destination_recipient_limit = 2\n"
        . "mailbox_command = /usr/bin/procmail -a \"\$EXTENSION\"\nluser_relay = \$user\@other.test\n", "$smtp$vacation");
    like($r->{lines}, qr/^pipe "vacation" \{\n    flags = "Rq"\n    user = nobody\n    argv = "\/bin\/false -f \$\{sender\} -- \$\{recipient\}"\n    process_limit = 4\n    recipient_limit = 2\n\}$/m,
        'a service that is a program');
    like($r->{lines}, qr/^virtual_transport = "vacation:"$/m, 'and who uses it');
    like($r->{lines}, qr/^mailbox_command = "\/usr\/bin\/procmail -a \\"\$EXTENSION\\""$/m, 'a command with a $name of its own');
    like($r->{lines}, qr/^luser_relay = "\$\$user\@other\.test"$/m, 'an address with one');
    is($r->{code}, 0, 'all is carried') or diag $r->{out};
    like(import_cf("$null\ncommand_time_limit = 60s\n")->{lines}, qr/^command_time_limit = "?60s?"?$/m, 'how long a program may take');
}

# ---- the lines of the usual handbook, a section each: what has to come out ----
SKIP: {
    skip 'the server module is not built', 34 if !has_server();
    my $tls = $t->certificate(names => ['web.example.com']);
    my $cert = "smtpd_tls_cert_file = $tls->{cert}\nsmtpd_tls_key_file = $tls->{key}\n";
    Baton::Test::spew("$folder/virtual", "<info\@example.com>   <user22\@example.net>\n", 0644);
    Baton::Test::spew("$folder/ldap-aliases.cf", "server_host = ldap.example.com\nsearch_base = dc=example,dc=com\n", 0644);
    my @sections = (
        [ 'server', "inet_interfaces = 127.0.0.1/32, [::1]/128, 192.0.2.1, [2001:db8:1::1]\nmyhostname = smtp.example.com\nmydomain = example.com\n"
              . "myorigin = \$mydomain\nmynetworks = 127.0.0.1/32, [::1]/128, 192.0.2.1/24, [2001:db8:1::1]/64\n",
            'inet_interfaces = "127.0.0.1/32, [::1]/128, 192.0.2.1, [2001:db8:1::1]"', 'mydestination = "$myhostname, localhost.$mydomain, localhost"',
            'relayhost = ""', 'mynetworks = "127.0.0.1/32, [::1]/128, 192.0.2.1/24, [2001:db8:1::1]/64"' ],
        [ 'TLS', "${cert}smtpd_tls_auth_only = yes\nsmtp_tls_loglevel = 1\n", qq(smtpd_tls_cert_file = "$tls->{cert}"), 'smtp_tls_loglevel = 1' ],
        [ 'several domains', "virtual_alias_maps = hash:$folder/virtual\n", qq(virtual_alias_maps = "hash:$folder/virtual") ],
        [ 'LDAP', "virtual_alias_maps = ldap:$folder/ldap-aliases.cf\n", qq(virtual_alias_maps = "ldap:$folder/ldap-aliases.cf") ],
        [ 'users who log in', "${cert}smtpd_sasl_auth_enable = yes\nbroken_sasl_auth_clients = yes\nsmtpd_tls_auth_only = yes\n"
              . "smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n"
              . "smtpd_sender_restrictions = reject_sender_login_mismatch\nsmtpd_sasl_type = dovecot\n",
            'smtpd_sasl_auth_enable = yes', 'broken_sasl_auth_clients = yes', 'smtpd_sender_restrictions = "reject_sender_login_mismatch"',
            'smtpd_relay_restrictions = "permit_mynetworks permit_sasl_authenticated defer_unauth_destination"' ],
        [ 'LMTP over a socket', "virtual_transport = lmtp:unix:/var/run/dovecot/lmtp\nvirtual_mailbox_domains = example.com\n",
            'virtual_transport = "lmtp:unix:/var/run/dovecot/lmtp"', 'virtual_mailbox_domains = "example.com"' ],
        [ 'LMTP over the network', "mailbox_transport = lmtp:inet:imap.example.com:24\n", 'mailbox_transport = "lmtp:inet:imap.example.com:24"' ],
        [ 'limits', "smtpd_client_connection_rate_limit = 30\nanvil_rate_time_unit = 60s\nsmtpd_client_message_rate_limit = 10\n"
              . "smtpd_client_event_limit_exceptions = \$mynetworks\ndefault_process_limit = 50\nqueue_minfree = 20000000\nmessage_size_limit = 10240000\n",
            'smtpd_client_connection_rate_limit = 30', 'smtpd_client_message_rate_limit = 10', 'default_process_limit = 50', 'queue_minfree = 20000000' ],
        [ 'Dovecot', "${cert}smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet: 192.0.2.9 : 12345\n"
              . "smtpd_sasl_security_options = noanonymous, noplaintext\nsmtpd_sasl_tls_security_options = noanonymous\n",
            'smtpd_sasl_path = "inet: 192.0.2.9 : 12345"', 'smtpd_sasl_security_options = "noanonymous, noplaintext"' ],
    );
    for my $section (@sections) {
        my ($name, $main, @want) = @$section;
        my $r = import_cf($main);
        is($r->{code}, 0, "the handbook's $name: all is carried") or diag $r->{out};
        like($r->{lines}, qr/^\Q$_\E$/m, "the handbook's $name: $_") for @want;
    }
    my $alias = "virtual_alias_maps = hash:$folder/virtual\n";
    like(import_cf($alias)->{lines}, qr/^virtual_alias_infer_domains = no$/m, 'a domain in no class is not ours after an import, as it was not before');
    $r = import_cf("${alias}virtual_alias_domains = \$virtual_alias_maps\n");
    like($r->{lines}, qr/^virtual_alias_domains = "\$virtual_alias_maps"$/m, 'who has written which domains are has written it');
    unlike($r->{lines}, qr/infer/, 'and nothing more');
    like(import_cf($alias)->{out}, qr/has 1 key in angle brackets|is looked up without < >/, 'keys in angle brackets are told of');
}

# ---- directories ----
$r = import_cf("$null\nalias_maps = proxy:ldap:staff\nstaff_server_host = ldap.example.com\nstaff_search_base = dc=example,dc=com\n"
    . "staff_bind_dn = cn=x\nstaff_bind_pw = s3cret\n");
like($r->{lines}, qr/^ldap "staff" \{\n    server_host = "ldap\.example\.com"\n    search_base = "dc=example,dc=com"\n    bind_dn = "cn=x"\n    bind_pw = "\$\{LDAP_PASSWORD\}"\n\}$/m,
    'a directory that main.cf describes is a section') or diag $r->{out};
unlike($r->{out} . $r->{err}, qr/s3cret/, 'its password is not printed');
unlike($r->{out}, qr/^# NOT CARRIED: main\.cf:\d+: staff_(?!bind_pw)/m, 'nothing of it is lost');

# ---- the main.cf that Debian's Postfix comes with, where one is ----
SKIP: {
    my ($share) = grep { -r "$_/main.cf.debian" } '/usr/share/postfix', ($ENV{PEERS_DIR} // '/var/tmp/peers') . '/root/postfix/usr/share/postfix';
    skip 'there is no Postfix here', 8 if !$share;
    my $default = join '', map { Baton::Test::slurp("$share/$_") // '' } 'main.cf.debian', 'main.cf.tls';
    $r = import_cf("$default\nmyhostname = mx.example.com\nmydestination = \$myhostname, localhost\nrelayhost =\ninet_interfaces = all\n"
        . "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\nmailbox_size_limit = 0\nrecipient_delimiter = +\n",
        Baton::Test::slurp("$share/master.cf.dist"));
    ok($r->{loads}, 'the main.cf of Debian loads');
    my $system = $default =~ m{\(Debian/GNU\)$}m ? 'Debian/GNU' : 'Debian';    # Debian 12, 13
    like($r->{lines}, qr/^smtpd_banner = "mx\.example\.com ESMTP Postfix \(\Q$system\E\)"$/m, 'its banner');
    like($r->{lines}, qr/^inet_interfaces = all$/m, 'its interfaces');
    # That of Debian 13 looks up aliases in NIS as well
    my @nis = $default =~ /^alias_maps = .*nis:/m ? (qr/^# NOT CARRIED: main\.cf:\d+: alias_maps = \$alias_database, nis:mail\.aliases$/) : ();
    my @lost = $r->{out} =~ /^(# NOT CARRIED.*)$/mg;
    ok(@lost == @nis && !grep({ $lost[$_] !~ $nis[$_] } 0 .. $#lost), 'all of it is carried, but NIS') or diag $r->{out};
    # The other two that its installation asks for
    my %kinds = (
        'Satellite system' => [ "relayhost = smtp.example.net\ninet_interfaces = loopback-only\n", qr/^relayhost = "?smtp\.example\.net"?$/m ],
        'Local only' => [ "relayhost =\ninet_interfaces = loopback-only\ndefault_transport = error\nrelay_transport = error\n",
            qr/^default_transport = error$/m ],
    );
    for my $kind (sort keys %kinds) {
        my ($more, $want) = @{ $kinds{$kind} };
        $r = import_cf("$default\nmyhostname = mx.example.com\nmyorigin = example.com\nmydestination = \$myhostname, localhost\nmailbox_size_limit = 0\n"
            . "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\nrecipient_delimiter = +\ninet_protocols = all\n"
            . "smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n$more", Baton::Test::slurp("$share/master.cf.dist"));
        ok($r->{loads}, "$kind: it loads");
        like($r->{lines}, $want, "$kind: it is carried") or diag $r->{out};
    }
}

# ---- stdin, other files, faults ----
Baton::Test::spew("$folder/other.cf", $null);
$r = checked($t->run([ Baton::Test::program('baton'), 'import', '-' ], input => $null));
is($r->{lines}, $same, 'the output of postconf -n');
$r = checked($t->run([ Baton::Test::program('baton'), 'import', '-n', "$folder/other.cf", $folder ]));
is($r->{lines}, $same, 'another file');
is($t->run([ Baton::Test::program('baton'), 'import', "$folder/nowhere" ])->{code}, 66, 'no such folder');
is($t->run([ Baton::Test::program('baton'), 'import', 'a', 'b' ])->{code}, 64, 'two folders');

done_testing;
