#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# baton map, and baton as postmap and postalias; beside Postfix's own postmap, where that is installed.
use strict;
use warnings;
use FindBin;
use Test::More;
use lib "$FindBin::Bin/lib";
use Baton::Test;

my $t = Baton::Test->new;
for (qw(postmap postalias)) { symlink program('baton'), $t->path($_) or die "symlink: $!" }
my ($v, $a) = ($t->path('virtual'), $t->path('aliases'));

sub postmap { my ($args, %more) = @_; return $t->run([ $t->path('postmap'), @$args ], %more) }
sub postalias { my ($args, %more) = @_; return $t->run([ $t->path('postalias'), @$args ], %more) }
sub is_said { my ($r, $code, $out, $err, $name) = @_; is_deeply([ @$r{qw(code out err)} ], [ $code, $out, $err ], $name) }

# ---- the handbook's own lines ---------------------------------------------------------------------------------------------

spew($v, "<info\@example.com>   <user22\@example.net>\n<sales\@example.com>  <user11\@example.org>\n");
my $r = postmap([$v]);
is($r->{code}, 0, 'postmap makes an index');
like($r->{err}, qr/^postmap: warning: \Q$v\E:1: the key <info\@example.com> is looked up without < >.*\n\z/, 'and says what it makes of < >');
ok(-s "$v.lmdb", 'beside the text');
is_said(postmap([ '-q', 'info@example.com', "hash:$v" ]), 0, "<user22\@example.net>\n", '', '-q finds it');
is_said(postmap([ '-q', 'INFO@Example.com', $v ]), 0, "<user22\@example.net>\n", '', 'whatever its case');
is_said(postmap([ '-q', 'nobody@example.com', "hash:$v" ]), 1, '', '', 'not found is 1, and silent');
is_said(postmap([ '-q', '-', "hash:$v" ], input => "info\@example.com\nnobody\nSALES\@example.com\n"), 0,
    "info\@example.com\t<user22\@example.net>\nSALES\@example.com\t<user11\@example.org>\n", '', '-q - asks for each line');
is_said(postmap([ '-q', '-', "hash:$v" ], input => "nobody\n"), 1, '', '', 'and is 1 when none was found');
is_said(postmap([ '-s', "lmdb:$v" ]), 0, "info\@example.com\t<user22\@example.net>\nsales\@example.com\t<user11\@example.org>\n",
    '', '-s prints all');
is_said(postmap([ '-q', 'b', 'inline:{a=1}', 'inline:{b=2}' ]), 0, "2\n", '', 'the first table that has the key answers');

# ---- changes ----------------------------------------------------------------------------------------------------------------

is_said(postmap([ '-i', $v ], input => "New\@example.com joe\n# c\ninfo\@example.com x\n"), 0, '',
    "postmap: warning: stdin:3: duplicate entry: \"info\@example.com\": the one that is there counts\n", '-i adds');
is(postmap([ '-q', 'new@example.com', $v ])->{out}, "joe\n", 'a row');
is(postmap([ '-q', 'info@example.com', $v ])->{out}, "<user22\@example.net>\n", 'and changes none');
is_said(postmap([ '-ir', $v ], input => "info\@example.com x\n"), 0, '', '', '-ir does');
is(postmap([ '-q', 'info@example.com', $v ])->{out}, "x\n", 'change it');
is_said(postmap([ '-d', 'New@Example.com', $v ]), 0, '', '', '-d deletes');
is_said(postmap([ '-d', 'new@example.com', $v ]), 1, '', '', 'and is 1 when there is nothing to delete');
is_said(postmap([ '-d', '-', $v ], input => "zz\ninfo\@example.com\n"), 0, '', '', '-d - deletes each line');
is(postmap([ '-s', $v ])->{out}, "sales\@example.com\t<user11\@example.org>\n", 'what is left');
spew($v, "a 1\n");
utime 1000, 1000, $v;
is(postmap([ '-s', $v ])->{out}, "a\t1\n", 'a text that has changed counts, whether postmap was run or not');
spew($v, "A 1\na 2\nb 1\n");
like(postmap([$v])->{err}, qr/^postmap: warning: \Q$v\E:2: duplicate entry: "a": line 1 counts\n\z/, 'duplicates are told');
is(postmap([ '-w', $v ])->{err}, '', 'but not with -w');
is(postmap([ '-q', 'a', $v ])->{out}, "1\n", 'the first counts');
postmap([ '-r', $v ]);
is(postmap([ '-q', 'a', $v ])->{out}, "2\n", 'with -r the last');
postmap([ '-f', $v ]);
is(postmap([ '-f', '-q', 'A', $v ])->{out}, "1\n", '-f keeps the case');

# ---- aliases ----------------------------------------------------------------------------------------------------------------

spew($a, "Root: joe, ann\n  , jim\n\"a b\": x\n");
is_said(postalias([$a]), 0, '', '', 'postalias makes an index');
is_said(postalias([ '-q', 'root', "hash:$a" ]), 0, "joe, ann  , jim\n", '', 'and asks it');
is(postmap([ '-q', 'a b', "hash:$a" ])->{out}, "x\n", 'as does postmap');
like(postmap([$a])->{err}, qr/:1: "Root:" ends in a colon; is this a file of aliases\?/, 'who takes postmap for aliases is told');
is(postalias([ '-q', 'root', "hash:$a" ])->{out}, "joe, ann  , jim\n", 'and that index is not asked for aliases');

# ---- what goes wrong --------------------------------------------------------------------------------------------------------

like($_->[0]{err}, $_->[2], $_->[3]) && is($_->[0]{code}, $_->[1], "$_->[3]: $_->[1]") for (
    [ postmap([ '-q', 'x', 'hsah:/x' ]),         78, qr/no type of table "hsah"; there are: hash, /, 'a type that does not exist' ],
    [ postmap([ '-q', 'x', '/nonexistent/x' ]),  78, qr{/nonexistent/x: No such file},               'a text that does not exist' ],
    [ postmap(['/nonexistent/x']),               78, qr{/nonexistent/x: No such file},               'nor to be made' ],
    [ postmap([ '-q', 'x', 'fail:x' ]),          75, qr/fail:x: /,                                   'a table that cannot tell' ],
    [ postmap([ '-Z', $v ]),                     64, qr/^usage: postmap /m,                          'an unknown option' ],
    [ postmap([]),                               64, qr/^usage: postmap /m,                          'no table' ],
    [ postmap([ '-q', 'x', '-s', $v ]),          64, qr/^usage: postmap /m,                          'two things at once' ],
    [ postmap([ '-s', 'static:x' ]),             78, qr/cannot tell all of its rows/,                'rows of what has none' ],
    [ postmap([ '-i', 'regexp:/x' ], input => ''), 78, qr/no index/,                                 'an index of what has none' ],
    [ $t->baton([ 'map', 'query', 'x' ]),        64, qr/^usage: baton /m,                            'no table for baton map' ],
    [ $t->baton([ 'map', 'qeury', 'x', 'y' ]),   64, qr/^usage: baton /m,                            'no such verb' ],
);
SKIP: {
    skip 'root may write everywhere', 2 if is_root();
    my $dir = $t->path('closed');
    mkdir $dir;
    spew("$dir/v", "a 1\n");
    chmod 0500, $dir;
    $r = postmap(["$dir/v"]);
    is($r->{code}, 78, 'where no index may be written, postmap says so');
    is(postmap([ '-q', 'a', "$dir/v" ])->{out}, "1\n", 'and the text is read');
    chmod 0700, $dir;
}

# ---- baton map --------------------------------------------------------------------------------------------------------------

spew($v, "A 1\nb x\"y\n");
is($t->baton([ 'map', 'make', $v ])->{code}, 0, 'baton map make');
is($t->baton([ 'map', 'query', 'a', $v ])->{out}, "1\n", 'baton map query');
is($t->baton([ 'map', 'query', 'zz', $v ])->{code}, 1, 'not found is 1');
is($t->baton([ '--json', 'map', 'dump', $v ])->{out}, qq({"key":"a","value":"1"}\n{"key":"b","value":"x\\"y"}\n), 'baton map dump --json');
is(postmap([ '-sj', $v ])->{out}, qq({"a":"1"}\n{"b":"x\\"y"}\n), 'and as postmap -j prints it');
is($t->baton([ 'map', 'add', $v ], input => "c 3\n")->{code}, 0, 'baton map add');
is($t->baton([ 'map', 'delete', 'A', $v ])->{code}, 0, 'baton map delete');
is($t->baton([ 'map', 'dump', $v ])->{out}, "b\tx\"y\nc\t3\n", 'what is left');
is($t->baton([ 'map', 'query', '-a', 'root', $a ])->{out}, "joe, ann  , jim\n", 'aliases, with -a');
spew($t->path('re'), "/a(/ x\n/a/ y\n");
$r = $t->baton([ 'map', 'make', 'regexp:' . $t->path('re') ]);
is($r->{code}, 0, 'a table without an index is looked through');
like($r->{err}, qr/re:1: .*this rule is left out/, 'and what is wrong is told');

# ---- whose index ------------------------------------------------------------------------------------------------------------

SKIP: {
    skip 'only root can give a text to somebody', 2 if !is_root();
    my $dir = $t->path('of-nobody');
    mkdir $dir;
    spew("$dir/v", "a 1\n");
    chown 65534, 65534, $dir, "$dir/v";
    chmod 0755, $t->path('.');
    is(postmap(["$dir/v"])->{code}, 0, 'root makes an index for somebody');
    is((stat "$dir/v.lmdb")[4], 65534, 'with the rights of that somebody');
}

# ---- beside Postfix -----------------------------------------------------------------------------------------------------------

my ($theirs) = grep { -x && !/^\Q@{[ $t->path('') ]}\E/ && (readlink // '') !~ /baton$/ } map { "$_/postmap" } split(/:/, $ENV{PATH}), '/usr/sbin';
SKIP: {
    skip 'Postfix is not installed', 1 if !$theirs;
    my %tables = (
        texthash => [ "a 1\nB  two words \n# c\n\n\"x y\" q\n KEY\nk: v\nb 3\n\nlast 9", qw(a b B KEY k k: last zz), 'x y', '"x y"' ],
        regexp => [ "/^a(.)c\$/ x\${1}y\n!/^b/ not-b \$\$\nif /^bb/\n/(x)(y)?\$/ \${1}-\$(2)\nendif\n/[/ z\n/^b(q)/ \$2\n/^b/i  case\n",
            qw(abc ABC bbxy bbx bb bq zed Bb B) ],
        cidr => [ "10.0.0.0/8 ten\n192.168.1.1 one\n!172.16.0.0/12 not172\nif 172.16.0.0/16\n172.16.1.0/24 sub\n!172.16.2.0/24 nots\nendif\n"
              . "172.17.0.0/99 bad\n[2001:db8::]/32 six\n::/0 rest\n",
            qw(10.1.2.3 192.0.2.9 192.168.1.1 172.16.1.1 172.16.2.2 172.16.3.3 172.17.0.1 2001:db8::1 [2001:db8::1] ::1 foo) ],
    );
    for my $type (sort keys %tables) {
        my ($text, @keys) = @{ $tables{$type} };
        my $spec = "$type:" . spew($t->path("t-$type"), $text);
        for my $key (@keys) {
            my $ours = postmap([ '-q', $key, $spec ]);
            my $their = $t->run([ $theirs, '-q', $key, $spec ]);
            is_deeply([ @$ours{qw(code out)} ], [ @$their{qw(code out)} ], "$type answers \"$key\" as Postfix does");
        }
    }
}
done_testing();
