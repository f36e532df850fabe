/* SPDX-License-Identifier: Apache-2.0
 *
 * params.h - every parameter, declared once.
 *
 * Included several times, each time with other macros: it becomes struct config (config.h), the table of the reader,
 * the range checks, `baton config`, what a reload may change and, by `baton config --mdoc`, baton.conf(5). To add a
 * parameter: add its line, use it. No include guard, on purpose.
 *
 *   PARAM(name, type, default, range, who, change, doc)
 *     type     see "types" in config.h: it says what the field is in C and how its text is read
 *     default  its text as one would write it; "$name" refers to another parameter. myhostname and mydomain are
 *              computed (expand.c) when their default "" stands
 *     range    RANGE(low, high) for TIME (in seconds), SIZE (in bytes) and INT; WORDS(set) for ENUM, a set of words.c;
 *              ANY; NOT_EMPTY
 *     who      which programs use it: AGENT RECEIVE RELAY CONTROL, or ALL
 *     change   LIVE: a reload is enough; RESTART: it needs stop and start
 *     doc      one or more sentences for the manual; `name` marks a parameter or word
 *              SERVER beside it: it means something only where the server module is built. LISTENER: it may stand in a listen
 *              section, too, and counts for those who come by that then
 *   LOGIN(name, type, default, range, doc), LISTEN(...), RESTRICTION_CLASS(...), LDAP(...): the same for what stands in a section. */
#ifndef PARAM
#define PARAM(name, type, def, range, who, change, doc)
#endif
#ifndef LOGIN
#define LOGIN(name, type, def, range, doc)
#endif
#ifndef LISTEN
#define LISTEN(name, type, def, range, doc)
#endif
#ifndef RESTRICTION_CLASS
#define RESTRICTION_CLASS(name, type, def, range, doc)
#endif
#ifndef PIPE
#define PIPE(name, type, def, range, doc)
#endif
#ifndef LDAP
#define LDAP(name, type, def, range, doc)
#endif

/* clang-format off */

/* ---- who we are ---- */
PARAM(myhostname, HOST, "", ANY, ALL, LIVE,
    "The name of this machine in greetings, Received: headers and message ids. Default: what gethostname(2) says; if that "
    "has no dot, with `$mydomain` behind it.")
PARAM(mydomain, HOST, "", ANY, ALL, LIVE,
    "The domain of this machine. Default: `myhostname` without its first label, or localdomain.")
PARAM(myorigin, ORIGIN, "$myhostname", NOT_EMPTY, ALL, LIVE,
    "The domain that is put behind addresses without one. The name of a file (/etc/mailname) stands for its first line.")
PARAM(mail_name, STR, "Baton", ANY, RECEIVE, LIVE,
    "The name of the mail system in the greeting of the receiver.")
PARAM(recipient_delimiter, STR, "", ANY, ALL, LIVE,
    "Characters that part a user's name from an extension: with \"+\", aliases of joe count for joe+lists too.")

/* ---- whose mail we take, and where we listen ---- */
PARAM(inet_interfaces, INTERFACES, "loopback-only", ANY, RECEIVE, RESTART,
    "Where the receiver listens: `all`, `loopback-only`, a list of addresses and names, or nothing. A prefix length "
    "/32 or /128 behind an address is dropped with a notice.")
PARAM(inet_protocols, ENUM, "all", WORDS(protocols), RECEIVE | RELAY, RESTART,
    "Which of IPv4 and IPv6 is used, to listen and to send.")
PARAM(mynetworks, NETWORKS, "127.0.0.0/8, [::1]/128", ANY, RECEIVE | LISTENER, LIVE,
    "Networks whose clients may send to anywhere. The first that matches decides; \"!\" before one excludes it. "
    "Host bits that are set (192.0.2.1/24) are cleared, with a warning.")
PARAM(mydestination, MATCH, "", ANY, RECEIVE | RELAY | CONTROL, LIVE,
    "Domains whose mail ends here. Empty: none does; a null client. Aliases apply to the names of this machine all the "
    "same (see `alias_maps`). \"!name\" excludes one, \"/file\" stands for the words of a file, and \"type:table\" for the keys of a "
    "table; the first that matches decides. \".example.com\" stands for all names below example.com.")
PARAM(alias_maps, MAPS, "hash:/etc/aliases", ANY, RECEIVE | RELAY, LIVE,
    "Lookup tables in the form of aliases(5), applied to recipients of this machine: without a domain, at `myhostname`, "
    "localhost, localhost.$mydomain and the domains of `mydestination`. Any type that is a file, or none, will do (baton_table(5)); "
    "an index is not needed, and is made again by itself. A file that does not exist counts as empty, and changes are taken up "
    "without a reload.")

/* ---- where mail goes ---- */
PARAM(relayhost, RELAYHOSTS, "", ANY, RELAY | CONTROL, LIVE,
    "The host that takes all our mail. \"[host]\" is taken by its addresses, \"host\" by its MX records first; \":port\" "
    "behind it, 25 without. Several, parted by commas, are tried in order. Written as \"\": mail is delivered to the MX hosts of its "
    "domain. Not written: the same on a machine that is a destination for somebody (`mydestination` and the like); on others mail is "
    "kept until one is set.")
PARAM(default_transport, TRANSPORT, "smtp", NOT_EMPTY, RELAY, LIVE,
    "How mail leaves, as \"transport:nexthop\". `smtp` and `relay`: to the hosts behind the colon, written as in `relayhost`, which "
    "counts without any. `lmtp`: to \"unix:/path\" (below `queue_directory` without the slash) or \"inet:host:port\", several tried "
    "in order. \"error:text\" returns it, \"retry:text\" keeps it, \"discard:\" throws it away; a text may begin with a status "
    "(\"5.1.1 ...\").")
PARAM(local_transport, TRANSPORT, "error:5.1.1 local delivery is disabled", NOT_EMPTY, RECEIVE | RELAY | CONTROL, LIVE,
    "What becomes of mail for a domain of `mydestination` that no alias sends elsewhere: \"error:text\" returns it; "
    "`smtp` sends it to the relayhost; `local` delivers it to a mailbox of this machine, which counts when `mydestination` names "
    "something and this is not written; \"lmtp:unix:/run/dovecot/lmtp\" hands it to Dovecot. The forms are those of "
    "`default_transport`.")

PARAM(content_filter, TRANSPORT, "", ANY, RECEIVE | RELAY | CONTROL | LISTENER, LIVE,
    "Where all mail that comes in goes first, whoever it is for, as \"transport:nexthop\": \"smtp:[127.0.0.1]:10024\" for amavis, or the "
    "name of a pipe section. What has looked at it gives it back to a listener of its own, whose `content_filter` is empty. Without a "
    "next hop it goes to the domain of each recipient. FILTER in an access table sets another for one message. Mail that Baton writes "
    "itself (bounces) goes the usual ways.")

/* ---- classes of addresses ---- */
PARAM(local_recipient_maps, MAPS, "proxy:unix:passwd.byname $alias_maps", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Who there is in the domains of `mydestination`: a recipient that is in none of these tables is refused. Keys are tried in this "
    "order: user+ext@domain, user@domain, user+ext, user, @domain. Empty: anybody is taken.")
PARAM(virtual_alias_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables that replace recipients by others, whatever their domain: in envelopes, not in headers. Keys are tried in this "
    "order, each in all tables: user+ext@domain, user@domain, for `myorigin` and local domains user+ext and user, at last @domain. "
    "The value is a list of addresses, each of which is looked up again; \"@other.example\" keeps the user's name. A table that "
    "cannot tell defers mail; it never loses any.")
PARAM(virtual_alias_domains, MATCH, "$virtual_alias_maps", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Domains all of whose recipients are in `virtual_alias_maps`; others are refused there. With the default a row whose key is the "
    "domain alone makes it one (see also `virtual_alias_infer_domains`). Items as in `mydestination`.")
PARAM(virtual_alias_infer_domains, BOOL, "yes", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "While `virtual_alias_domains` is not written: anybody may write to the addresses in `virtual_alias_maps`, also where their "
    "domain belongs to no class. Strangers who write to other addresses of such a domain are told that nobody is there; mail of "
    "clients who may relay goes on to them as to any domain. baton check names these domains. No: such mail is refused, as by "
    "Postfix.")
PARAM(virtual_alias_expansion_limit, INT, "1000", RANGE(1, 1000000), RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "How many addresses virtual aliases may make of one. With more the mail is not taken, or waits.")
PARAM(virtual_alias_recursion_limit, INT, "1000", RANGE(1, 100000), RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "How many virtual aliases may lead from one to the next. With more, or in a loop, the mail is not taken, or waits.")
PARAM(virtual_alias_address_length_limit, INT, "1000", RANGE(1, 1000000), RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The longest address that a virtual alias may have as its value.")
PARAM(virtual_mailbox_domains, MATCH, "$virtual_mailbox_maps", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Domains whose mail is given to `virtual_transport`. Items as in `mydestination`.")
PARAM(virtual_transport, TRANSPORT, "virtual", NOT_EMPTY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "What mail for `virtual_mailbox_domains` is given to: \"lmtp:unix:/var/run/dovecot/lmtp\".")
PARAM(relay_domains, MATCH, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Domains of others whose mail is taken from anybody, and passed on. Items as in `mydestination`; \"example.com\" also stands for "
    "names below it (see `parent_domain_matches_subdomains`).")
PARAM(relay_recipient_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Who there is in `relay_domains`: others are refused. Keys as in `virtual_mailbox_maps`. Empty: anybody is taken.")
PARAM(relay_transport, TRANSPORT, "relay", NOT_EMPTY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "How mail for `relay_domains` leaves. Without a next hop behind it, `relayhost` counts.")
PARAM(parent_domain_matches_subdomains, LIST,
    "debug_peer_list, fast_flush_domains, mynetworks, permit_mx_backup_networks, qmqpd_authorized_clients, relay_domains, "
    "smtpd_access_maps", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Parameters in which \"example.com\" stands for names below it, too. In others \".example.com\" is written for those. `relay_domains`, "
    "`transport_maps` and smtpd_access_maps may stand here; other words are taken for Postfix's sake.")
PARAM(propagate_unmatched_extensions, LIST, "canonical, virtual", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "In which tables user+ext that was found as user keeps its extension in the result: `canonical`, `virtual`, `generic`.")

/* ---- ways ---- */
PARAM(transport_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables that say the way of single recipients and domains, before everything else: \"transport:nexthop\". An empty transport "
    "leaves that as it is, and \"smtp:\" alone goes to the domain itself. Keys are tried in this order: user+ext@domain, user@domain, "
    "domain, .parent domains, *.")
PARAM(sender_dependent_relayhost_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables that say another `relayhost` for some senders: keys are user+ext@domain, user@domain, @domain; the value DUNNO "
    "leaves it.")
PARAM(sender_dependent_default_transport_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The same for `default_transport`.")
PARAM(empty_address_relayhost_maps_lookup_key, STR, "<>", NOT_EMPTY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "What stands in `sender_dependent_relayhost_maps` for mail without a sender.")
PARAM(empty_address_default_transport_maps_lookup_key, STR, "<>", NOT_EMPTY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "What stands in `sender_dependent_default_transport_maps` for mail without a sender.")
PARAM(mailbox_transport, TRANSPORT, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "What mail for users of this machine is given to instead of `local`, after `alias_maps`, and after `forward_path` for those who have "
    "such a file: \"lmtp:unix:/var/run/dovecot/lmtp\". It may know more users than this machine has.")
PARAM(mailbox_transport_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The same for single users, before `mailbox_transport`: \"transport:nexthop\". Keys are tried in this order: user+ext@domain, "
    "user@domain, user+ext, user. \"local:\" is a mailbox on this machine.")
PARAM(fallback_transport_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The same as `fallback_transport` for single names, before it. Keys as in `mailbox_transport_maps`; whoever is in them is not refused.")
PARAM(fallback_transport, TRANSPORT, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "What `local` gives mail to for names that have neither an alias nor an account here. Clients are refused for names that are not in "
    "`local_recipient_maps`: it has to name those that are meant, or be empty.")
PARAM(luser_relay, STR, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The address that `local` sends mail on to for names that have neither an alias nor an account here, if there is no "
    "`fallback_transport`; as that, it asks for `local_recipient_maps` = \"\". \"@other.example\" keeps their name, and $local, $user, "
    "$extension, $recipient and $domain stand for parts of it (write \"$$\" for a $).")

/* ---- addresses as others see them ---- */
PARAM(canonical_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables that rewrite addresses in envelopes and headers on their way in: keys are user+ext@domain, user@domain, user+ext and "
    "user (for `myorigin` and local domains), @domain. They are tables that need not wait for others.")
PARAM(canonical_classes, FLAGS, "envelope_sender envelope_recipient header_sender header_recipient", WORDS(rewrite_classes),
    RECEIVE | RELAY | CONTROL | SERVER, LIVE, "Which addresses `canonical_maps` count for.")
PARAM(sender_canonical_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The same for senders only, before `canonical_maps`.")
PARAM(sender_canonical_classes, FLAGS, "envelope_sender header_sender", WORDS(rewrite_classes), RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Which addresses `sender_canonical_maps` count for.")
PARAM(recipient_canonical_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "The same for recipients only, before `canonical_maps`.")
PARAM(recipient_canonical_classes, FLAGS, "envelope_recipient header_recipient", WORDS(rewrite_classes), RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Which addresses `recipient_canonical_maps` count for.")
PARAM(masquerade_domains, LIST, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Domains whose names below them are cut off in addresses: with \"example.com\", joe@host.example.com becomes joe@example.com. "
    "\"!sub.example.com\" keeps one; the first that matches decides.")
PARAM(masquerade_classes, FLAGS, "envelope_sender header_sender header_recipient", WORDS(rewrite_classes),
    RECEIVE | RELAY | CONTROL | SERVER, LIVE, "Which addresses `masquerade_domains` count for.")
PARAM(masquerade_exceptions, LIST, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Users whose addresses `masquerade_domains` leave as they are: root.")
PARAM(smtp_generic_maps, MAPS, "", ANY, RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables that rewrite addresses in envelopes and headers when mail leaves by SMTP: keys as in `canonical_maps`.")
PARAM(local_header_rewrite_clients, RESTRICTIONS, "permit_mynetworks, permit_sasl_authenticated", ANY, RECEIVE | SERVER, LIVE,
    "Whose headers are put right (missing Date:, Message-Id: and From:, addresses without a domain) and rewritten (`canonical_maps` and its "
    "kin), beside those of programs of this machine: `permit_mynetworks`, `permit_sasl_authenticated`, `permit_tls_clientcerts`, `permit_tls_all_clientcerts`, "
    "`permit_inet_interfaces` (who comes from an address of `inet_interfaces`), `check_address_map type:table` (whose address is a key of the table; a table that is a file, "
    "without networks unless it is cidr:). The headers of others stay as they are. Envelopes are rewritten whoever the client is.")

/* ---- mailboxes of this machine ---- */
PARAM(command_time_limit, TIME, "1000s", RANGE(1, 86400), RELAY | SERVER, LIVE,
    "How long a command may take that mail is delivered to; then it is ended, and the mail tried again later.")
PARAM(virtual_mailbox_base, PATH, "", ANY, RELAY | CONTROL | SERVER, LIVE,
    "The folder that the values of `virtual_mailbox_maps` lie in.")
PARAM(virtual_mailbox_maps, MAPS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables with the mailboxes that the transport `virtual` delivers to, below `virtual_mailbox_base`: \"info@example.com "
    "example.com/info/\". One that ends with / is a Maildir, else it is an mbox file. Looked up are the whole address, the address "
    "without its extension, and \"@domain\".")
PARAM(virtual_uid_maps, MAPS, "", ANY, RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables with the number of the user that a mailbox belongs to: \"static:5000\", or a number for each address.")
PARAM(virtual_gid_maps, MAPS, "", ANY, RELAY | CONTROL | SERVER, LIVE,
    "The same for the group.")
PARAM(virtual_minimum_uid, INT, "100", RANGE(1, INT32_MAX), RELAY | CONTROL | SERVER, LIVE,
    "The lowest number that `virtual_uid_maps` may give; mail for a mailbox with a lower one is kept, and the log says why.")
PARAM(virtual_mailbox_limit, SIZE, "51200000", RANGE(0, INT64_MAX), RELAY | SERVER, LIVE,
    "The largest mbox file, or file of a Maildir, that `virtual` writes, in bytes. 0: no limit.")
PARAM(virtual_mailbox_lock, FLAGS, "fcntl", WORDS(mailbox_locks), RELAY | SERVER, LIVE,
    "How `virtual` locks an mbox file: `fcntl`, `flock`, `dotlock`, or several of them. A Maildir needs no lock.")
PARAM(mail_spool_directory, PATH, "/var/mail", NOT_EMPTY, RELAY | CONTROL | SERVER, LIVE,
    "The folder that users' mailboxes lie in: an mbox file of the user's name; with / at its end, a Maildir.")
PARAM(home_mailbox, STR, "", ANY, RELAY | SERVER, LIVE,
    "The mailbox of a user in his home, instead of the one in `mail_spool_directory`: \"Maildir/\" (with / at its end), or the name "
    "of an mbox file.")
PARAM(mailbox_command, TEMPLATE, "", ANY, RELAY | SERVER, LIVE,
    "A program that delivers to the mailboxes of users: \"/usr/lib/dovecot/dovecot-lda -f $SENDER -a $RECIPIENT\". It runs as the user, "
    "in his home. No shell is between: it is parted at blanks outside of quotes. Its environment, and what may stand in it, are "
    "HOME, USER, LOGNAME, SHELL, LOCAL, EXTENSION, DOMAIN, SENDER, RECIPIENT, ORIGINAL_RECIPIENT; CLIENT_ADDRESS, CLIENT_HOSTNAME, "
    "CLIENT_HELO, CLIENT_PROTOCOL and SASL_USERNAME, where there are such.")
PARAM(mailbox_command_maps, MAPS, "", ANY, RELAY | CONTROL | SERVER, LIVE,
    "Lookup tables with the commands of single users, instead of `mailbox_command`: \"joe /usr/bin/procmail -f $SENDER\". Looked up is the "
    "name of the user, without an extension.")
PARAM(mailbox_delivery_lock, FLAGS, "fcntl, dotlock", WORDS(mailbox_locks), RELAY | SERVER, LIVE,
    "How `local` locks an mbox file: `fcntl`, `flock`, `dotlock`, or several of them.")
PARAM(deliver_lock_attempts, INT, "20", RANGE(1, 1000), RELAY | SERVER, LIVE,
    "How often a lock of a mailbox is asked for; then the mail is tried again later.")
PARAM(deliver_lock_delay, TIME, "1s", RANGE(1, 60), RELAY | SERVER, LIVE,
    "The time between two of these.")
PARAM(stale_lock_time, TIME, "500s", RANGE(1, 86400), RELAY | SERVER, LIVE,
    "A dotlock older than this was left behind, and is removed.")
PARAM(mailbox_size_limit, SIZE, "51200000", RANGE(0, INT64_MAX), RELAY | SERVER, LIVE,
    "The largest mbox file, or file of a Maildir, that `local` writes, in bytes. 0: no limit.")
PARAM(strict_mailbox_ownership, BOOL, "yes", ANY, RELAY | SERVER, LIVE,
    "Deliver to an mbox file only if it belongs to the user.")
PARAM(forward_path, TEMPLATE, "$home/.forward${recipient_delimiter}${extension}, $home/.forward", ANY, RELAY | SERVER, LIVE,
    "Where users write whom their mail is to go to instead; the first file that is there counts. In it may stand $user, $home, $shell, "
    "$recipient, $extension, $domain, $local and $recipient_delimiter; one without a value (no extension) passes its file over.")
PARAM(require_home_directory, BOOL, "no", ANY, RELAY | SERVER, LIVE,
    "Deliver to a user only while his home is there: with homes of the network no ~/.forward is passed over then. The mail waits.")
PARAM(allow_mail_to_commands, FLAGS, "alias, forward", WORDS(mail_to), RELAY | CONTROL | SERVER, LIVE,
    "Where \"|command\" may stand: `alias`, `forward`, `include`.")
PARAM(allow_mail_to_files, FLAGS, "alias, forward", WORDS(mail_to), RELAY | CONTROL | SERVER, LIVE,
    "Where \"/file\" may stand: `alias`, `forward`, `include`.")
PARAM(default_privs, STR, "nobody", NOT_EMPTY, RELAY | CONTROL | SERVER, LIVE,
    "The user whose rights commands and files of aliases have when the table of aliases belongs to root; else they have its owner's.")
PARAM(enable_original_recipient, BOOL, "yes", ANY, RELAY | SERVER, LIVE,
    "Deliver to mailboxes with X-Original-To:, the address before aliases.")
PARAM(prepend_delivered_header, FLAGS, "command, file, forward", WORDS(delivered_headers), RELAY | SERVER, LIVE,
    "Where `local` puts Delivered-To: on top: `command`, `file`, `forward`. Without, loops by that way are not found.")
PARAM(command_execution_directory, TEMPLATE, "", ANY, RELAY | SERVER, LIVE,
    "The folder that commands of `local` run in; empty: the user's home, or / when it is not there. The names of `forward_path` may "
    "stand in it.")
PARAM(command_expansion_filter, STR, "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", NOT_EMPTY, RELAY | SERVER, LIVE,
    "Characters that values may have in the arguments and in the environment of a command of `local`; others become _.")
PARAM(owner_request_special, BOOL, "yes", ANY, RELAY | SERVER, LIVE,
    "Mail that goes to the members of an alias NAME has the sender owner-NAME, when there is such an alias.")
PARAM(biff, BOOL, "no", ANY, RELAY | SERVER, LIVE,
    "Taken for Postfix's sake and without effect: nobody is told of new mail over the network.")

/* ---- the spool ---- */
PARAM(queue_directory, PATH, LOCALSTATEDIR "/spool/baton", NOT_EMPTY, ALL, RESTART,
    "The folder of the spool.")
PARAM(mail_owner, STR, MAIL_OWNER, NOT_EMPTY, RELAY | CONTROL, RESTART,
    "The user whom the spool belongs to and as whom the workers run, when batond is started by root.")
PARAM(setgid_group, STR, SETGID_GROUP, NOT_EMPTY, RELAY | CONTROL, RESTART,
    "The group that may put mail into the drop: sendmail is installed setgid to it.")
PARAM(message_size_limit, SIZE, "10240000", RANGE(0, INT64_MAX), AGENT | RECEIVE | RELAY, LIVE,
    "The largest message that is taken, in bytes. 0: no limit.")
PARAM(header_size_limit, SIZE, "102400", RANGE(1024, 1 << 30), AGENT | RECEIVE, LIVE,
    "The largest header field, its continuation lines included. A message with a larger one is refused.")
PARAM(queue_minfree, SIZE, "0", RANGE(0, INT64_MAX), RECEIVE, LIVE,
    "Space that the file system of the spool must have left for mail to be taken. At least 1.5 times "
    "`message_size_limit` is always kept free.")
PARAM(in_flow_delay, TIME, "1s", RANGE(0, 10), RECEIVE, LIVE,
    "When for ten seconds on end more mail has come than the next hops took, though they work, and `in_flow_backlog` messages "
    "wait because of that, each client gets its share of what they take: one that sends more has the answers to its messages "
    "held back, by this time at most. A client that sends less does not notice. Mail for a next hop that is away is taken at "
    "full speed. 0: never.")
PARAM(in_flow_backlog, INT, "10000", RANGE(1, 1000000000), RELAY, LIVE,
    "How far mail that comes may be ahead of mail that goes before `in_flow_delay` counts.")
PARAM(hopcount_limit, INT, "50", RANGE(1, 1000), RECEIVE | RELAY, LIVE,
    "A message with more Received: headers than this is in a loop and is returned.")
PARAM(line_length_limit, SIZE, "2048", RANGE(512, 1 << 20), RECEIVE, LIVE,
    "The longest command line that a client may send.")
PARAM(bounce_size_limit, SIZE, "50000", RANGE(0, 1 << 30), RELAY, LIVE,
    "Of a larger message only the headers go back with a bounce.")

/* ---- when ---- */
PARAM(maximal_queue_lifetime, TIME, "5d", RANGE(0, 86400 * 365), RELAY, LIVE,
    "How long a message is tried before it is returned. 0: once. A fault of the relayhost or of the configuration does "
    "not use this time up.")
PARAM(bounce_queue_lifetime, TIME, "5d", RANGE(0, 86400 * 365), RELAY, LIVE,
    "The same for bounces.")
PARAM(minimal_backoff_time, TIME, "300s", RANGE(1, 86400 * 30), RELAY, LIVE,
    "The shortest wait between two attempts at a message.")
PARAM(maximal_backoff_time, TIME, "4000s", RANGE(1, 86400 * 30), RELAY, LIVE,
    "The longest wait between two attempts at a message.")
PARAM(soft_bounce, BOOL, "no", ANY, RECEIVE | RELAY | LISTENER, LIVE,
    "For trying things out: nothing is refused or returned for good. Clients get 4xx where they would get 5xx, so that the mail comes "
    "again, and what would be returned to its sender stays in the queue (status=SOFTBOUNCE in the log), till its time is over "
    "(`maximal_queue_lifetime`).")
PARAM(queue_run_delay, TIME, "300s", RANGE(1, 86400), RELAY, LIVE,
    "Taken for Postfix's sake and without effect: each deferred message is tried when its own time has come.")
PARAM(delay_warning_time, TIME, "0h", RANGE(0, 86400 * 365), RELAY, LIVE,
    "After this time the sender is told that a message still waits, once. 0: never.")

/* ---- sending ---- */
PARAM(smtp_line_length_limit, SIZE, "998", RANGE(0, 1 << 30), RELAY, LIVE,
    "A line of a message that is longer is broken when it is sent by SMTP (a line end and a blank), for some servers refuse it. 0: none is; else "
    "998 at least.")
PARAM(smtp_helo_name, STR, "$myhostname", NOT_EMPTY, RELAY | CONTROL, LIVE,
    "The name that we give in EHLO.")
PARAM(smtp_bind_address, ADDRESS4, "", ANY, RELAY | CONTROL, LIVE,
    "The IPv4 address that connections are made from.")
PARAM(smtp_bind_address6, ADDRESS6, "", ANY, RELAY | CONTROL, LIVE,
    "The IPv6 address that connections are made from.")
PARAM(smtp_connect_timeout, TIME, "30s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long one address may take to answer.")
PARAM(smtp_helo_timeout, TIME, "300s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long the peer may take for its greeting, and for its answer to EHLO.")
PARAM(smtp_starttls_timeout, TIME, "300s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long STARTTLS and the TLS handshake may take.")
PARAM(smtp_mail_timeout, TIME, "300s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long the answer to MAIL may take.")
PARAM(smtp_rcpt_timeout, TIME, "300s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long the answer to RCPT may take.")
PARAM(smtp_data_init_timeout, TIME, "120s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to DATA may take.")
PARAM(smtp_data_xfer_timeout, TIME, "180s", RANGE(1, 3600), RELAY, LIVE,
    "How long the peer may take none of the content that we send.")
PARAM(smtp_data_done_timeout, TIME, "600s", RANGE(1, 7200), RELAY, LIVE,
    "How long the answer to the end of the content may take.")
PARAM(smtp_rset_timeout, TIME, "20s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long the answer to RSET may take.")
PARAM(smtp_quit_timeout, TIME, "300s", RANGE(1, 3600), RELAY | CONTROL, LIVE,
    "How long the answer to QUIT may take.")
PARAM(initial_destination_concurrency, INT, "5", RANGE(1, 1000), RELAY, LIVE,
    "Deliveries to one destination at a time in the beginning, and when it works again after a failure.")
PARAM(default_destination_concurrency_limit, INT, "20", RANGE(1, 1000), RELAY, LIVE,
    "The default of `smtp_destination_concurrency_limit`.")
PARAM(smtp_destination_concurrency_limit, INT, "$default_destination_concurrency_limit", RANGE(1, 1000), RELAY, LIVE,
    "Deliveries to one destination at a time, at most. Below it their number adapts to the destination: it grows with each "
    "success, and shrinks when a connection is refused or lost, or mail is put off (421, 450).")
PARAM(default_destination_concurrency_positive_feedback, FEEDBACK, "1", ANY, RELAY, LIVE,
    "How many more deliveries at a time a success allows: a number from 0 to 1, \"1 / concurrency\" or "
    "\"1 / sqrt_concurrency\".")
PARAM(default_destination_concurrency_negative_feedback, FEEDBACK, "1", ANY, RELAY, LIVE,
    "How many fewer a failure leaves, in the same form. One always remains.")
PARAM(default_destination_concurrency_failed_cohort_limit, INT, "1", RANGE(0, 1000), RELAY, LIVE,
    "A destination is left alone for a while when, without a success between, as many deliveries as go on at a time have "
    "lost their connection, so many times over. 0: never; a destination that no connection can be made to is left alone in any "
    "case.")
PARAM(smtp_destination_recipient_limit, INT, "$default_destination_recipient_limit", RANGE(1, 10000), RELAY, LIVE,
    "Recipients in one transaction.")

/* ---- transports ---- */
PARAM(lmtp_tcp_port, PORT, "24", ANY, RELAY | CONTROL, LIVE,
    "The port of \"lmtp:inet:host\" without one.")
PARAM(lmtp_connect_timeout, TIME, "30s", RANGE(1, 3600), RELAY, LIVE,
    "How long one address, or the socket, may take to answer.")
PARAM(lmtp_lhlo_timeout, TIME, "300s", RANGE(1, 3600), RELAY, LIVE,
    "How long the peer may take for its greeting, and for its answer to LHLO.")
PARAM(lmtp_starttls_timeout, TIME, "300s", RANGE(1, 3600), RELAY, LIVE,
    "How long STARTTLS and the TLS handshake may take.")
PARAM(lmtp_mail_timeout, TIME, "300s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to MAIL may take.")
PARAM(lmtp_rcpt_timeout, TIME, "300s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to RCPT may take.")
PARAM(lmtp_data_init_timeout, TIME, "120s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to DATA may take.")
PARAM(lmtp_data_xfer_timeout, TIME, "180s", RANGE(1, 3600), RELAY, LIVE,
    "How long the peer may take none of the content that we send.")
PARAM(lmtp_data_done_timeout, TIME, "600s", RANGE(1, 7200), RELAY, LIVE,
    "How long each answer to the end of the content may take.")
PARAM(lmtp_rset_timeout, TIME, "20s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to RSET may take.")
PARAM(lmtp_quit_timeout, TIME, "300s", RANGE(1, 3600), RELAY, LIVE,
    "How long the answer to QUIT may take.")
PARAM(lmtp_tls_security_level, ENUM, "auto", WORDS(tls_levels), RELAY | CONTROL, LIVE,
    "As `smtp_tls_security_level`, for LMTP over TCP; over a UNIX socket there is no TLS. `auto`: `secure` for a host with a login, "
    "else `may`.")
PARAM(lmtp_tls_CAfile, PATH, "$smtp_tls_CAfile", ANY, RELAY | CONTROL, LIVE,
    "As `smtp_tls_CAfile`, for LMTP.")
PARAM(lmtp_tls_CApath, PATH, "$smtp_tls_CApath", ANY, RELAY | CONTROL, LIVE,
    "As `smtp_tls_CApath`, for LMTP.")
PARAM(smtp_tcp_port, PORT, "25", ANY, RELAY | CONTROL, LIVE,
    "The port of hosts without one: of relayhosts, and of the MX hosts of a domain.")
PARAM(smtp_mx_address_limit, INT, "5", RANGE(0, 1000), RELAY, LIVE,
    "How many addresses of a domain's MX hosts are tried, at most, when mail is delivered directly. 0: all.")
PARAM(smtp_mx_session_limit, INT, "2", RANGE(0, 1000), RELAY, LIVE,
    "With how many of them a session is begun, at most, before the mail waits or goes to `smtp_fallback_relay`. 0: all.")
PARAM(smtp_address_preference, ENUM, "any", WORDS(address_preferences), RELAY, LIVE,
    "Which addresses of a host are tried first: `ipv4`, `ipv6`, or `any`: IPv6, and IPv4 a quarter of a second later, whichever answers.")
PARAM(smtp_fallback_relay, RELAYHOSTS, "", ANY, RELAY, LIVE,
    "Hosts, in the form of `relayhost`, that take mail when a domain is delivered to directly and has no host, or none of them can be "
    "reached.")
PARAM(relay_connection_limit, INT, "1000", RANGE(10, 100000), RELAY, LIVE,
    "Connections to next hops at a time, altogether. When all are in use and others wait for one, those that have not brought forth a "
    "greeting after five seconds are given up first.")
PARAM(default_destination_recipient_limit, INT, "50", RANGE(1, 10000), RELAY, LIVE,
    "The default of `smtp_destination_recipient_limit` and its kin.")
PARAM(smtp_initial_destination_concurrency, INT, "$initial_destination_concurrency", RANGE(1, 1000), RELAY, LIVE,
    "`initial_destination_concurrency` for the transport smtp.")
PARAM(relay_destination_concurrency_limit, INT, "$default_destination_concurrency_limit", RANGE(1, 1000), RELAY, LIVE,
    "The same as `smtp_destination_concurrency_limit`, for the transport relay.")
PARAM(relay_destination_recipient_limit, INT, "$default_destination_recipient_limit", RANGE(1, 10000), RELAY, LIVE,
    "Recipients in one transaction of the transport relay.")
PARAM(relay_initial_destination_concurrency, INT, "$initial_destination_concurrency", RANGE(1, 1000), RELAY, LIVE,
    "`initial_destination_concurrency` for the transport relay.")
PARAM(lmtp_destination_concurrency_limit, INT, "$default_destination_concurrency_limit", RANGE(1, 1000), RELAY, LIVE,
    "The same as `smtp_destination_concurrency_limit`, for the transport lmtp.")
PARAM(lmtp_destination_recipient_limit, INT, "$default_destination_recipient_limit", RANGE(1, 10000), RELAY, LIVE,
    "Recipients in one transaction of the transport lmtp.")
PARAM(lmtp_initial_destination_concurrency, INT, "$initial_destination_concurrency", RANGE(1, 1000), RELAY, LIVE,
    "`initial_destination_concurrency` for the transport lmtp.")
PARAM(local_destination_concurrency_limit, INT, "2", RANGE(1, 1000), RELAY, LIVE,
    "How many deliveries to one local recipient go on at a time; with a `local_destination_recipient_limit` above 1, to all of them. No more "
    "than `default_process_limit` go on in any case.")
PARAM(local_destination_recipient_limit, INT, "1", RANGE(1, 10000), RELAY, LIVE,
    "Recipients in one transaction of the transport local.")
PARAM(local_initial_destination_concurrency, INT, "$initial_destination_concurrency", RANGE(1, 1000), RELAY, LIVE,
    "`initial_destination_concurrency` for the transport local.")
PARAM(virtual_destination_concurrency_limit, INT, "$default_destination_concurrency_limit", RANGE(1, 1000), RELAY, LIVE,
    "The same as `smtp_destination_concurrency_limit`, for the transport virtual.")
PARAM(virtual_destination_recipient_limit, INT, "$default_destination_recipient_limit", RANGE(1, 10000), RELAY, LIVE,
    "Recipients in one transaction of the transport virtual.")
PARAM(virtual_initial_destination_concurrency, INT, "$initial_destination_concurrency", RANGE(1, 1000), RELAY, LIVE,
    "`initial_destination_concurrency` for the transport virtual.")

/* ---- TLS when sending ---- */
PARAM(smtp_tls_security_level, ENUM, "auto", WORDS(tls_levels), RELAY | CONTROL, LIVE,
    "`none`: no TLS. `may`: TLS if the peer offers it, its certificate is not looked at. `encrypt`: TLS or nothing, its "
    "certificate is not looked at. `verify`, `secure`: TLS with a certificate from a known authority that bears the name "
    "of the relayhost, or nothing. `fingerprint`: TLS with one of the certificates, or keys, in `smtp_tls_fingerprint_cert_match`, whoever "
    "has made it, or nothing. `auto`: `secure` for a relayhost with a login or at port 465 or 587, else `may`.")
PARAM(smtp_tls_policy_maps, MAPS, "", ANY, RELAY | CONTROL, LIVE,
    "Lookup tables with the level for a next hop, in place of `smtp_tls_security_level`. The key is the next hop as it is written, "
    "\"example.com\", \"[mail.example.com]:587\", or, for a domain, \".example.com\" for all below it. The value is a level, and "
    "behind it, parted by blanks: match= and names that the certificate may bear, with colons between (hostname, nexthop, "
    "dot-nexthop, or names; \".example.com\" is any name below); protocols=, as `smtp_tls_mandatory_protocols`; ciphers=high or "
    "medium. `secure` without match= wants the next hop or a name below it; `fingerprint match=` takes fingerprints with | between, and "
    "without it those of `smtp_tls_fingerprint_cert_match` count. The levels dane and dane-only are refused: mail for such a next hop waits.")
PARAM(smtp_tls_mta_sts, BOOL, "yes", ANY, RELAY | SERVER, LIVE,
    "When mail is delivered directly: whether to keep to what the recipients' domain has published (MTA-STS, RFC 8461). A domain whose "
    "policy is in mode enforce gets its mail at the hosts that it names, over TLS and with a certificate that can be verified, or not "
    "at all; in mode testing what would have been refused is told in the log. Rows of `smtp_tls_policy_maps` and the levels `none`, "
    "`verify` and `secure` go before it. Policies are fetched by baton-fetch and kept in `queue_directory`.")
PARAM(mta_sts_port, PORT, "443", ANY, RELAY | SERVER, LIVE,
    "The port that policies of MTA-STS are fetched from. Another one is for tests.")
PARAM(smtp_tls_CAfile, PATH, "", ANY, RELAY | CONTROL, LIVE,
    "A PEM file with the certificates of the authorities to trust. Neither this nor `smtp_tls_CApath`: the system's.")
PARAM(smtp_tls_CApath, PATH, "", ANY, RELAY | CONTROL, LIVE,
    "A folder of such files.")
PARAM(smtp_tls_fingerprint_cert_match, LIST, "", ANY, RELAY | CONTROL, LIVE,
    "For the level `fingerprint`, of LMTP too: the fingerprints of the certificates, or of their keys, that are accepted, as openssl "
    "shows them (see CLIENT CERTIFICATES).")
PARAM(smtp_tls_fingerprint_digest, ENUM, "sha256", WORDS(tls_digests), RELAY | CONTROL, LIVE,
    "What these, and those in `smtp_tls_policy_maps`, were made with; see `smtpd_tls_fingerprint_digest`.")
PARAM(smtp_tls_cert_file, PATH, "", ANY, RELAY | CONTROL, LIVE,
    "The certificate that servers are shown which ask for one, SMTP or LMTP, in PEM, the certificates of its authorities behind it. It "
    "may hold the key too. Nearly no server asks. A changed file is taken up by a reload.")
PARAM(smtp_tls_key_file, PATH, "$smtp_tls_cert_file", ANY, RELAY | CONTROL, LIVE,
    "Its key, without a pass phrase. Others than its owner and group may not be able to read it.")
PARAM(smtp_tls_chain_files, LIST, "", ANY, RELAY | CONTROL, LIVE,
    "PEM files with a key, its certificate and that one's authorities, used instead of the two above. Of several certificates the first "
    "is shown.")
PARAM(smtp_tls_mandatory_protocols, TLSVERSIONS, ">=TLSv1.2", ANY, RELAY | CONTROL, LIVE,
    "The versions of TLS that are used: \">=TLSv1.2\", \">=TLSv1.2, <=TLSv1.3\", or the exclusions of older handbooks, "
    "\"!SSLv2, !SSLv3, !TLSv1, !TLSv1.1\". Below TLSv1.2 nothing is spoken, whatever is written.")
PARAM(smtp_tls_ciphers, ENUM, "medium", WORDS(tls_ciphers), RELAY | CONTROL, LIVE,
    "`high`: ciphers with forward secrecy and authenticated encryption only. `medium`: those first, older ones too.")
PARAM(smtp_tls_loglevel, INT, "0", RANGE(0, 4), RELAY, LIVE,
    "1: a line in the log for each TLS connection; 2 and more: the handshake too.")

/* ---- receiving ---- */
PARAM(smtpd_banner, STR, "$myhostname ESMTP $mail_name", NOT_EMPTY, RECEIVE | LISTENER, LIVE,
    "The greeting, behind the 220. It begins with the name of the machine (RFC 5321 4.2).")
PARAM(smtpd_timeout, TIME, "300s", RANGE(1, 3600), RECEIVE | LISTENER, LIVE,
    "How long a client may take for a command, and how long it may be silent.")
PARAM(smtpd_upstream_proxy_timeout, TIME, "5s", RANGE(1, 3600), RECEIVE | LISTENER, LIVE,
    "How long a proxy may take to say whom it speaks for (see `proxy` in listen sections).")
PARAM(smtpd_per_request_deadline, BOOL, "yes", ANY, RECEIVE | LISTENER, LIVE,
    "Let `smtpd_timeout` be the time for a whole command, and see to it that content comes at `smtpd_min_data_rate`. `no`: "
    "any byte within `smtpd_timeout` will do.")
PARAM(smtpd_min_data_rate, INT, "500", RANGE(1, 1000000000), RECEIVE | LISTENER, LIVE,
    "How many bytes of content must come a second, on the average; a client that falls behind by `smtpd_timeout` is "
    "disconnected.")
PARAM(smtpd_recipient_limit, INT, "1000", RANGE(100, 100000), RECEIVE | LISTENER, LIVE,
    "Recipients of one message; RFC 5321 4.5.3.1.8 wants 100 at least.")
PARAM(smtpd_soft_error_limit, INT, "10", RANGE(1, 10000), RECEIVE | LISTENER, LIVE,
    "Errors of a client after which each further answer comes late by `smtpd_error_sleep_time`.")
PARAM(smtpd_hard_error_limit, INT, "20", RANGE(1, 10000), RECEIVE | LISTENER, LIVE,
    "Errors of a client after which it is disconnected.")
PARAM(smtpd_junk_command_limit, INT, "100", RANGE(1, 100000), RECEIVE | LISTENER, LIVE,
    "NOOP, VRFY, RSET and the like beyond this number, between two messages, count as errors.")
PARAM(smtpd_error_sleep_time, TIME, "1s", RANGE(0, 60), RECEIVE | LISTENER, LIVE,
    "How late each answer to a client comes that has made more than `smtpd_soft_error_limit` errors. A wrong password is answered as "
    "late, and each further one of the same connection by that much later, up to 10 seconds.")
PARAM(smtpd_forbid_bare_newline, ENUM, "normalize", WORDS(bare_newline), RECEIVE | LISTENER, LIVE,
    "What becomes of a line feed without a carriage return before it. `normalize` (or `yes`): it ends a line, but never a "
    "message. `reject`: the message, or the command, is refused. `no`: as `normalize`, but a client that has ended every line "
    "with a line feed alone, from its first command on, may end a message with \".\" in such a line too.")
PARAM(smtpd_forbid_bare_newline_exclusions, NETWORKS, "$mynetworks", ANY, RECEIVE | LISTENER, LIVE,
    "Networks for whose clients `smtpd_forbid_bare_newline` is `no`; UNIX sockets are too.")
PARAM(smtpd_forbid_bare_newline_reject_code, INT, "550", RANGE(500, 599), RECEIVE | LISTENER, LIVE,
    "The code that `reject` answers with; 521 ends the connection too.")
PARAM(smtpd_forbid_unauth_pipelining, BOOL, "yes", ANY, RECEIVE | LISTENER, LIVE,
    "Disconnect a client that speaks before the greeting, or goes on before the answer to a command that must be the last of "
    "a group (RFC 2920).")
PARAM(smtpd_authorized_xclient_hosts, NETWORKS, "", ANY, RECEIVE | LISTENER, LIVE,
    "Networks whose clients may say by XCLIENT that they speak for another: a proxy, or a test. What they say counts for "
    "everything; who is named as logged in may send to anywhere.")
PARAM(smtpd_helo_required, BOOL, "yes", ANY, RECEIVE | LISTENER, LIVE,
    "Take MAIL only after EHLO or HELO.")
PARAM(strict_rfc821_envelopes, BOOL, "no", ANY, RECEIVE | LISTENER, LIVE,
    "Refuse addresses in MAIL and RCPT that do not stand in angle brackets.")
PARAM(disable_vrfy_command, BOOL, "no", ANY, RECEIVE | LISTENER, LIVE,
    "Refuse VRFY, which says of no address whether it exists anyway.")
PARAM(smtpd_forbidden_commands, LIST, "CONNECT, GET, POST, PUT, OPTIONS", ANY, RECEIVE | LISTENER, LIVE,
    "Commands of other protocols: who sends one is disconnected. So is who sends a command that begins with no letter.")
PARAM(smtpd_discard_ehlo_keywords, FLAGS, "", WORDS(ehlo_keywords), RECEIVE | LISTENER, LIVE,
    "What the answer to EHLO does not name: `pipelining`, `size`, `vrfy`, `starttls`, `auth`, `enhancedstatuscodes`, "
    "`8bitmime`, `dsn`, `smtputf8`, `chunking`, `xclient`. STARTTLS, AUTH and BDAT are refused then, too.")
PARAM(default_process_limit, INT, "100", RANGE(1, 100000), RECEIVE, LIVE,
    "Connections at a time to one service (`listen` section, or the socket that sendmail uses), over all workers. The next "
    "is told to come back later, 421; the log says so once a minute.")
PARAM(smtpd_client_connection_count_limit, INT, "50", RANGE(0, 65535), RECEIVE | LISTENER, LIVE,
    "Connections that one client may have at a time to one service. This and the limits below count over all workers; 0 "
    "is no limit.")
PARAM(smtpd_client_connection_rate_limit, INT, "0", RANGE(0, 1000000000), RECEIVE | LISTENER, LIVE,
    "Connections that one client may make to one service in `anvil_rate_time_unit`.")
PARAM(smtpd_client_message_rate_limit, INT, "0", RANGE(0, 1000000000), RECEIVE | LISTENER, LIVE,
    "Messages that one client may begin in `anvil_rate_time_unit`, whether they are taken or not.")
PARAM(smtpd_client_recipient_rate_limit, INT, "0", RANGE(0, 1000000000), RECEIVE | LISTENER, LIVE,
    "Recipients that one client may name in `anvil_rate_time_unit`, whether they are taken or not.")
PARAM(smtpd_client_auth_rate_limit, INT, "0", RANGE(0, 1000000000), RECEIVE | LISTENER, LIVE,
    "AUTH commands that one client may give in `anvil_rate_time_unit`.")
PARAM(smtpd_client_new_tls_session_rate_limit, INT, "0", RANGE(0, 1000000000), RECEIVE | LISTENER, LIVE,
    "TLS sessions that one client may begin in `anvil_rate_time_unit`.")
PARAM(smtpd_client_event_limit_exceptions, NETWORKS, "$mynetworks", ANY, RECEIVE | LISTENER, LIVE,
    "Networks whose clients are not counted and have none of these limits.")
PARAM(smtpd_client_ipv4_prefix_length, INT, "32", RANGE(0, 32), RECEIVE | LISTENER, LIVE,
    "How many bits of an IPv4 address make a client: 24 counts a network of 256 addresses as one.")
PARAM(smtpd_client_ipv6_prefix_length, INT, "84", RANGE(0, 128), RECEIVE | LISTENER, LIVE,
    "The same for IPv6.")
PARAM(anvil_rate_time_unit, TIME, "60s", RANGE(1, 86400), RECEIVE, LIVE,
    "The window in which events of a client are counted. It begins with the first event after the last one has ended.")
PARAM(anvil_status_update_time, TIME, "600s", RANGE(1, 86400), RECEIVE, LIVE,
    "How often the highest counts are logged, when there were any.")

PARAM(receive_memory_limit, SIZE, "268435456", RANGE(16777216, INT64_MAX), RECEIVE, LIVE,
    "Memory that all receive workers together may take: 4 MiB each for the program, 8 KiB for a client at least, about 48 KiB "
    "within TLS, and what waits of their messages; from a quarter on it is measured, as the system counts it. Above three quarters of it new connections get 421 and new mail gets 452; what has begun goes "
    "on, large messages in files.")

PARAM(receive_workers, INT, "0", RANGE(0, 32), RECEIVE, LIVE,
    "Processes that receive mail. 0: one for each core but one, which is the relay worker's; at least 1, at most 16.")

/* ---- TLS when receiving ---- */
PARAM(smtpd_tls_cert_file, PATH, "", ANY, RECEIVE | CONTROL, LIVE,
    "The certificate that clients are shown, in PEM, the certificates of its authorities behind it (without the root). It "
    "may hold the key too. A changed file is taken up by a reload.")
PARAM(smtpd_tls_key_file, PATH, "$smtpd_tls_cert_file", ANY, RECEIVE | CONTROL, LIVE,
    "Its key, without a pass phrase. Others than its owner and group may not be able to read it.")
PARAM(smtpd_tls_eccert_file, PATH, "", ANY, RECEIVE | CONTROL, LIVE,
    "A second certificate, as a rule with a key of another kind (ECDSA beside RSA): of two for the same name a client gets "
    "the one that it can use.")
PARAM(smtpd_tls_eckey_file, PATH, "$smtpd_tls_eccert_file", ANY, RECEIVE | CONTROL, LIVE,
    "The key of `smtpd_tls_eccert_file`.")
PARAM(smtpd_tls_chain_files, LIST, "", ANY, RECEIVE | CONTROL, LIVE,
    "PEM files that hold any number of keys, each with its certificate and that one's authorities behind it (or before it); "
    "used instead of the four above. Of several certificates a client is shown the one for the name that it asks for (SNI), "
    "wildcards included, else the first.")
PARAM(smtpd_tls_security_level, ENUM, "auto", WORDS(smtpd_tls_levels), RECEIVE | CONTROL | LISTENER, LIVE,
    "`none`: no TLS. `may`: STARTTLS is offered. `encrypt`: no mail is taken without it, which is not for a server that the "
    "Internet sends mail to. `auto`: `may` when there is a certificate, else `none`. The `tls` of a `listen` section goes "
    "before it.")
PARAM(smtpd_tls_auth_only, BOOL, "yes", ANY, RECEIVE | CONTROL | LISTENER, LIVE,
    "AUTH is offered and taken within TLS only. It demands AUTH of nobody: that is `auth = required` of a `listen` section, or "
    "`smtpd_relay_restrictions`.")
PARAM(smtpd_tls_protocols, TLSVERSIONS, ">=TLSv1.2", ANY, RECEIVE, LIVE,
    "The versions of TLS where it is offered, written as in `smtp_tls_mandatory_protocols`.")
PARAM(smtpd_tls_mandatory_protocols, TLSVERSIONS, ">=TLSv1.2", ANY, RECEIVE, LIVE,
    "The versions of TLS where it is demanded.")
PARAM(smtpd_tls_ciphers, ENUM, "medium", WORDS(tls_ciphers), RECEIVE, LIVE,
    "As `smtp_tls_ciphers`.")
PARAM(smtpd_tls_loglevel, INT, "0", RANGE(0, 4), RECEIVE | LISTENER, LIVE,
    "1: a line in the log for each TLS connection; 2 and more: also when a handshake begins, the name asked for, and whether "
    "a session was resumed. A handshake that fails is logged at 0 too.")
PARAM(smtpd_tls_ask_ccert, BOOL, "no", ANY, RECEIVE | CONTROL | LISTENER, LIVE,
    "Ask clients for a certificate. One that has none, or one that nobody knows, is served as before; what the certificate is worth "
    "is for restrictions to say, see CLIENT CERTIFICATES. A `listen` section may have its own.")
PARAM(smtpd_tls_req_ccert, BOOL, "no", ANY, RECEIVE | CONTROL | LISTENER, LIVE,
    "Where TLS is demanded: disconnect clients whose certificate is not from one of our authorities, or that have none. Where TLS is "
    "only offered it is without effect. A `listen` section may have its own.")
PARAM(smtpd_tls_CAfile, PATH, "", ANY, RECEIVE | CONTROL, LIVE,
    "A PEM file with the certificates of the authorities that clients' certificates may come from; clients are told their names. "
    "Neither this nor `smtpd_tls_CApath`: no client's certificate is trusted, the system's authorities count for nothing here, and "
    "clients are known by fingerprints alone.")
PARAM(smtpd_tls_CApath, PATH, "", ANY, RECEIVE | CONTROL, LIVE,
    "A folder of such files. Clients are not told their names.")
PARAM(smtpd_tls_ccert_verifydepth, INT, "9", RANGE(0, 100), RECEIVE, LIVE,
    "How many authorities may stand above a client's certificate: 1 when the one named in `smtpd_tls_CAfile` has made it itself.")
PARAM(smtpd_tls_fingerprint_digest, ENUM, "sha256", WORDS(tls_digests), RECEIVE | CONTROL, LIVE,
    "What fingerprints of clients' certificates and keys are made with: `sha256`, `sha384`, `sha512`, or, for tables from former "
    "times, `sha1` or `md5`.")
PARAM(relay_clientcerts, MAPS, "", ANY, RECEIVE | SERVER | CONTROL | LISTENER, LIVE,
    "Lookup tables with the fingerprints of clients' certificates, or of their keys, that `permit_tls_clientcerts` lets through. "
    "The value does not count.")
PARAM(smtpd_tls_received_header, BOOL, "no", ANY, RECEIVE | LISTENER, LIVE,
    "Write the version and cipher of TLS into the Received: header, and the client's certificate.")
PARAM(smtpd_starttls_timeout, TIME, "300s", RANGE(1, 3600), RECEIVE | LISTENER, LIVE,
    "How long a TLS handshake may take, all of it.")

/* ---- access restrictions ---- */
PARAM(smtpd_client_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked about a client itself; see ACCESS RESTRICTIONS.")
PARAM(smtpd_helo_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked about the name that a client gives in EHLO or HELO.")
PARAM(smtpd_sender_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked about a sender.")
PARAM(smtpd_relay_restrictions, RESTRICTIONS, "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination", ANY,
    RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked about a recipient first: who may send to anywhere, and that others may not.")
PARAM(smtpd_recipient_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked about a recipient after that.")
PARAM(permit_mx_backup_networks, NETWORKS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "With `permit_mx_backup`: networks that all of the first MX hosts of a domain must be in, so that not everybody who can write an MX "
    "record decides what is relayed. Empty: any.")
PARAM(smtpd_data_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked at DATA. What is asked about a recipient is passed over here when there are several.")
PARAM(smtpd_end_of_data_restrictions, RESTRICTIONS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is asked when all of a message has come.")
PARAM(receive_override_options, FLAGS, "", WORDS(override_options), RECEIVE | LISTENER, LIVE,
    "What is left out for mail that comes in, as a rule at the listener that a `content_filter` gives it back to: "
    "`no_unknown_recipient_checks` (recipients that nobody has are taken), `no_address_mappings` (neither `virtual_alias_maps` nor "
    "`canonical_maps` and its kin nor `masquerade_domains` count), `no_milters`. `no_header_body_checks` is taken for Postfix's sake.")
PARAM(smtpd_delay_reject, BOOL, "yes", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Ask what there is to ask about client, name and sender when the first recipient is named, and again for each. Many clients "
    "take no refusal before that, and the log then says whom the mail was for. `no`: at once; a client that is told 4xx, or whose name "
    "is refused, hears that again at whatever follows (till it says another name).")
PARAM(smtpd_reject_unlisted_recipient, BOOL, "yes", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Refuse recipients that nobody has, behind all lists, as `reject_unlisted_recipient` does.")
PARAM(smtpd_reject_unlisted_sender, BOOL, "no", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Refuse senders in our domains that nobody has, behind `smtpd_sender_restrictions`, as `reject_unlisted_sender` does.")
PARAM(access_map_reject_code, INT, "554", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What REJECT in an access table answers.")
PARAM(access_map_defer_code, INT, "450", RANGE(400, 499), RECEIVE | SERVER | LISTENER, LIVE,
    "What DEFER in an access table answers.")
PARAM(reject_code, INT, "554", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject` answers.")
PARAM(defer_code, INT, "450", RANGE(400, 499), RECEIVE | SERVER | LISTENER, LIVE,
    "What `defer` answers.")
PARAM(non_fqdn_reject_code, INT, "504", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What the `reject_non_fqdn_*` restrictions answer.")
PARAM(plaintext_reject_code, INT, "450", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_plaintext_session` answers.")
PARAM(multi_recipient_bounce_reject_code, INT, "550", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_multi_recipient_bounce` answers.")
PARAM(unknown_local_recipient_reject_code, INT, "550", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "The answer for an address in `mydestination` that nobody has.")
PARAM(unknown_virtual_alias_reject_code, INT, "550", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "The same for a domain of aliases.")
PARAM(unknown_virtual_mailbox_reject_code, INT, "550", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "The same for a domain of virtual mailboxes.")
PARAM(unknown_relay_recipient_reject_code, INT, "550", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "The same for a domain that mail is relayed to.")
PARAM(invalid_hostname_reject_code, INT, "501", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_invalid_helo_hostname` answers.")
PARAM(unknown_hostname_reject_code, INT, "450", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_unknown_helo_hostname` answers.")
PARAM(unknown_client_reject_code, INT, "450", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_unknown_client_hostname` and `reject_unknown_reverse_client_hostname` answer.")
PARAM(unknown_address_reject_code, INT, "450", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_unknown_sender_domain` and `reject_unknown_recipient_domain` answer for a domain that does not exist.")
PARAM(nullmx_reject_code, INT, "556", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What they answer for a domain that says that it takes no mail (RFC 7505).")
PARAM(unknown_address_tempfail_action, ENUM, "defer_if_permit", WORDS(tempfail_actions), RECEIVE | SERVER | LISTENER, LIVE,
    "What they do when the DNS does not answer: `defer_if_permit`, or `defer` at once.")
PARAM(unknown_helo_hostname_tempfail_action, ENUM, "defer_if_permit", WORDS(tempfail_actions), RECEIVE | SERVER | LISTENER, LIVE,
    "The same for `reject_unknown_helo_hostname`.")
PARAM(smtpd_peername_lookup, ENUM, "auto", WORDS(peername_lookups), RECEIVE | SERVER | LISTENER, LIVE,
    "Look up the name of each client before it is greeted, for the log, Received: and restrictions: the name of its address, when that "
    "name leads back to the address. `auto`: only when a restriction asks for names, so that nobody waits for a name that nobody "
    "reads; `yes`: always, as Postfix does; `no`: all are \"unknown\".")
PARAM(smtpd_null_access_lookup_key, STR, "<>", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "What stands for the null sender in access tables. Empty: nothing does.")
PARAM(maps_rbl_reject_code, INT, "554", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_rbl_client` and the `reject_rhsbl_*` restrictions answer.")
PARAM(default_rbl_reply, TEMPLATE, "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; "
    "$rbl_reason}", NOT_EMPTY, RECEIVE | SERVER | LISTENER, LIVE,
    "What they say. $rbl_code, $rbl_class, $rbl_what, $rbl_domain and $rbl_reason are of the hit; there are $client, $client_address, "
    "$client_name, $helo_name, $sender and $recipient, the last two with _name and _domain, too. ${name?text} is text when there is "
    "such a thing, ${name:text} when there is none.")
PARAM(rbl_reply_maps, MAPS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Tables with such a text for a list, by its domain.")
PARAM(smtpd_sender_login_maps, MAPS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Tables with the logins that may use a sender address, for `reject_sender_login_mismatch` and its kin: looked up are "
    "user@domain, user (in our own domains), and @domain. Without tables a login may use the address that it is: the same, or the same "
    "user in a domain of ours.")
PARAM(smtpd_policy_service_timeout, TIME, "100s", RANGE(1, 3600), RECEIVE | SERVER, LIVE,
    "How long a policy server may take to be reached and to answer.")
PARAM(smtpd_policy_service_max_idle, TIME, "300s", RANGE(1, 86400), RECEIVE | SERVER, LIVE,
    "How long a connection to it is kept that nobody uses.")
PARAM(smtpd_policy_service_max_ttl, TIME, "1000s", RANGE(1, 86400), RECEIVE | SERVER, LIVE,
    "How long a connection is used at most.")
PARAM(smtpd_policy_service_request_limit, INT, "0", RANGE(0, 1000000), RECEIVE | SERVER, LIVE,
    "How many questions go over one connection. 0: any number.")
PARAM(smtpd_policy_service_try_limit, INT, "2", RANGE(1, 100), RECEIVE | SERVER, LIVE,
    "How often a policy server that fails is asked.")
PARAM(smtpd_policy_service_retry_delay, TIME, "1s", RANGE(0, 3600), RECEIVE | SERVER, LIVE,
    "How long to wait before it is asked again.")
PARAM(smtpd_policy_service_default_action, STR, "451 4.3.5 Server configuration problem", NOT_EMPTY, RECEIVE | SERVER | LISTENER, LIVE,
    "What is done when it does not answer: an action of an access table.")
PARAM(smtpd_policy_service_policy_context, STR, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "A text that it is told as policy_context.")
PARAM(relay_domains_reject_code, INT, "554", RANGE(400, 599), RECEIVE | SERVER | LISTENER, LIVE,
    "What `reject_unauth_destination` answers; `defer_unauth_destination` answers with 4 in front.")

/* ---- milters ---- */
PARAM(smtpd_milters, MILTERS, "", ANY, RECEIVE | CONTROL | SERVER, LIVE,
    "Filters (milters: rspamd, OpenDKIM and their like) that are asked about mail from the network, in this order; each sees what "
    "those before it have changed. Commas or blanks part them: inet:host:port, unix:/path. In braces one may have "
    "options of its own: { inet:localhost:11332, default_action=accept, command_timeout=10s }, beside them `protocol`, "
    "`connect_timeout` and `content_timeout`.")
PARAM(non_smtpd_milters, MILTERS, "", ANY, RECEIVE | RELAY | CONTROL | SERVER, LIVE,
    "Filters that are asked about mail that programs of this machine submit with sendmail(8). They are told that it comes from "
    "localhost, 127.0.0.1.")
PARAM(smtpd_milter_maps, MAPS, "", ANY, RECEIVE | SERVER, LIVE,
    "Tables in which a client's address is looked up: what they say goes before `smtpd_milters`. DISABLE: no filters for that "
    "client.")
PARAM(milter_default_action, ENUM, "tempfail", WORDS(config_milter_actions), RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "What becomes of mail when a filter is away, too slow, or makes no sense: `accept` goes on as if it were not there; `reject` and "
    "`tempfail` refuse, for good or for now; `quarantine` takes the mail and holds it in the queue; `shutdown` disconnects the "
    "client.")
PARAM(milter_protocol, ENUM, "6", WORDS(config_milter_protocols), RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "The highest version of the protocol that is offered to filters: `2`, `3`, `4` or `6`. A filter may choose a lower one.")
PARAM(milter_connect_timeout, TIME, "30s", RANGE(1, 3600), RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "How long a connection to a filter may take, its negotiation included.")
PARAM(milter_command_timeout, TIME, "30s", RANGE(1, 3600), RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "How long a filter may take for its answer to a command.")
PARAM(milter_content_timeout, TIME, "300s", RANGE(1, 7200), RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "How long a filter may take for content, and for its answer at the end of a message; it may ask for more time.")
PARAM(milter_macro_daemon_name, STR, "$myhostname", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "The macro {daemon_name}. Some filters take mail for outgoing by it.")
PARAM(milter_macro_v, STR, "$mail_name " PACKAGE_VERSION, ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "The macro v: the name of the mail system and its version.")
PARAM(milter_macro_defaults, LIST, "", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Values of macros that would have none: \"auth_type=none {mail_mailer}=smtp\".")
PARAM(milter_connect_macros, LIST, "j {daemon_name} {daemon_addr} v _", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent when a client connects. Here as with those below: a filter that asks for macros by name gets those.")
PARAM(milter_helo_macros, LIST, "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent with HELO and EHLO.")
PARAM(milter_mail_macros, LIST, "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}", ANY,
    RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent with MAIL FROM.")
PARAM(milter_rcpt_macros, LIST, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent with RCPT TO.")
PARAM(milter_data_macros, LIST, "i", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent with DATA.")
PARAM(milter_end_of_header_macros, LIST, "i", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent at the end of the header section.")
PARAM(milter_end_of_data_macros, LIST, "i", ANY, RECEIVE | RELAY | SERVER | LISTENER, LIVE,
    "Macros that are sent at the end of the message.")
PARAM(milter_unknown_command_macros, LIST, "", ANY, RECEIVE | SERVER, LIVE,
    "Macros that go to filters with a command that is unknown.")

/* ---- AUTH ---- */
PARAM(smtpd_sasl_auth_enable, BOOL, "no", ANY, RECEIVE | CONTROL | SERVER | LISTENER, LIVE,
    "Let clients log in (AUTH). Who has may send to anywhere, as a client in `mynetworks` may. The `auth` of a `listen` section "
    "goes before it.")
PARAM(smtpd_sasl_type, ENUM, "dovecot", WORDS(sasl_types), RECEIVE | CONTROL | SERVER, LIVE,
    "Who looks at passwords: `dovecot`, by its authentication server; `cyrus`, by the Cyrus SASL library (saslauthd, sasldb).")
PARAM(smtpd_sasl_path, STR, "", ANY, RECEIVE | CONTROL | SERVER, LIVE,
    "For Dovecot, the socket of its authentication server: `/path` or `unix:/path`, a path below `queue_directory` without \"/\" at "
    "its front, or `inet:host:port`; default `private/auth`. That connection is not encrypted: inet is for this machine and "
    "networks that nobody listens in. For Cyrus, the name of the application, default `smtpd`: its settings are in smtpd.conf.")
PARAM(smtpd_sasl_security_options, FLAGS, "noanonymous", WORDS(sasl_options), RECEIVE | CONTROL | SERVER, LIVE,
    "Mechanisms that are not offered before TLS: `noplaintext` (PLAIN, LOGIN), `noanonymous`, `nodictionary`, `noactive`; and "
    "`forward_secrecy`, `mutual_auth`: those that lack it. When nothing is left, AUTH is not offered.")
PARAM(smtpd_sasl_tls_security_options, FLAGS, "$smtpd_sasl_security_options", WORDS(sasl_options), RECEIVE | CONTROL | SERVER, LIVE,
    "The same within TLS.")
PARAM(smtpd_sasl_mechanism_filter, LIST, "!external, static:rest", ANY, RECEIVE | CONTROL | SERVER, LIVE,
    "Mechanisms that may be offered, by name; the first that fits decides, \"!\" before one excludes it, `static:rest` is all the "
    "others.")
PARAM(smtpd_sasl_exceptions_networks, NETWORKS, "", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Networks to whose clients AUTH is not offered.")
PARAM(smtpd_sasl_authenticated_header, BOOL, "no", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Write into the Received: header who has logged in.")
PARAM(smtpd_sasl_response_limit, SIZE, "12288", RANGE(512, 1 << 20), RECEIVE | SERVER | LISTENER, LIVE,
    "The longest line that a client may send in AUTH.")
PARAM(smtpd_sasl_reply_timeout, TIME, "30s", RANGE(5, 300), RECEIVE | SERVER, LIVE,
    "How long the authentication server may take for an answer. Dovecot keeps a wrong password waiting for up to 17 seconds.")
PARAM(smtpd_sasl_service, STR, "smtp", NOT_EMPTY, RECEIVE | SERVER, LIVE,
    "The name of this service for who looks at passwords.")
PARAM(smtpd_sasl_local_domain, STR, "", ANY, RECEIVE | SERVER, LIVE,
    "For Cyrus: the realm of users that name none.")
PARAM(cyrus_sasl_config_path, STR, "", ANY, RECEIVE | CONTROL | SERVER, LIVE,
    "For Cyrus: folders, parted by colons, where the settings of the application are looked for. Empty: /etc/baton/sasl, "
    "/etc/postfix/sasl, /etc/sasl2, /usr/lib/sasl2; the first that has the file counts.")
PARAM(broken_sasl_auth_clients, BOOL, "no", ANY, RECEIVE | SERVER | LISTENER, LIVE,
    "Name AUTH a second time in the answer to EHLO, as \"AUTH=PLAIN LOGIN\", for clients that are older than RFC 2554.")

/* ---- the log ---- */
PARAM(log, LOG, "stderr", NOT_EMPTY, ALL, RESTART,
    "Where the log goes: `stderr`, `syslog`, or a file by its full name.")
PARAM(log_level, ENUM, "info", WORDS(log_levels), ALL, LIVE,
    "How much is logged: `error`, `warn`, `info`, `debug`.")

/* ---- login "[smtp.example.com]:587" { ... } ---- */
LOGIN(user, STR, "", NOT_EMPTY,
    "The user's name.")
LOGIN(password, SECRET, "", ANY,
    "The password itself. The file must then be readable by its owner and group only. In single quotes it is taken as it "
    "stands; in double quotes write \\\\ for a backslash and $$ for a dollar sign.")
LOGIN(password_file, PATH, "", ANY,
    "A file whose first line is the password. It must not be readable by others.")
LOGIN(password_command, COMMAND, "", ANY,
    "A program with its arguments that prints the password: { \"/usr/bin/pass\", \"show\", \"relay\" }. No shell is "
    "between; a single string is parted at blanks. It has 30 seconds.")

/* ---- listen NAME { ... } ---- */
LISTEN(address, INTERFACES, "$inet_interfaces", ANY,
    "Where to listen, as in `inet_interfaces`.")
LISTEN(port, PORT, "25", RANGE(1, 65535),
    "The port, a number or a name from services(5).")
LISTEN(path, PATH, "", ANY,
    "A UNIX socket to listen at, instead of address and port. Who may open it is trusted as a client in `mynetworks` is.")
LISTEN(mode, MODE, "0666", NOT_EMPTY,
    "The permissions of the UNIX socket, as chmod(1) takes them.")
LISTEN(process_limit, INT, "$default_process_limit", RANGE(1, 100000),
    "Connections at a time, see `default_process_limit`.")
LISTEN(protocol, ENUM, "smtp", WORDS(listen_protocols),
    "What is spoken there: `smtp`, or `lmtp`, which answers for each recipient.")
LISTEN(proxy, ENUM, "no", WORDS(listen_proxies),
    "`haproxy`: clients come through a proxy, which says by the PROXY protocol (version 1 or 2) who each of them is; that "
    "address counts for everything. A client whose address the proxy does not know is never trusted.")
LISTEN(proxy_networks, NETWORKS, "", ANY,
    "The proxies, written as in `mynetworks`. They must send the header; anybody else is turned away there.")
LISTEN(tls, ENUM, "auto", WORDS(listen_tls),
    "`no`, `may` (STARTTLS is offered), `encrypt` (and demanded), `implicit` (TLS from the first byte). `auto`: as "
    "`smtpd_tls_security_level` says; at port 465 `implicit`, at a UNIX socket `no`.")
LISTEN(milters, MILTERS, "$smtpd_milters", ANY,
    "Filters for mail that comes in there, as in `smtpd_milters`. Empty: none.")
LISTEN(auth, ENUM, "auto", WORDS(listen_auth),
    "`no`, `may` (AUTH is offered), `required` (no mail is taken without it). `auto`: with `smtpd_sasl_auth_enable`, `required` at "
    "ports 465 and 587, `may` at others; without it, where LMTP is spoken and at a UNIX socket `no`.")

/* ---- restriction_class NAME { ... } ---- */
RESTRICTION_CLASS(restrictions, RESTRICTIONS, "", NOT_EMPTY,
    "What is asked where the name of this section stands among restrictions, or in an access table.")

/* ---- pipe NAME { ... } ---- */
PIPE(user, STR, "", NOT_EMPTY,
    "The user whom the program runs as, \"user\" or \"user:group\"; not root, nor `mail_owner`.")
PIPE(argv, TEMPLATES, "", NOT_EMPTY,
    "The program and its arguments: { \"/usr/bin/vmail\", \"-f\", \"${sender}\", \"--\", \"${recipient}\" }, or one string that is "
    "parted at blanks. No shell is between. In each may stand ${recipient}, ${original_recipient}, ${user} and ${extension} (the local "
    "part, parted by `recipient_delimiter`), ${mailbox} (all of it), ${domain}, ${nexthop} (what stands behind the transport's colon, else the domain), ${sender}, ${queue_id}, ${size}, "
    "${client_address}, ${client_hostname}, ${client_helo}, ${client_protocol}, ${sasl_username}; also "
    "${name?text} (text, if it is not empty) and ${name:text}. With several recipients an argument with one of theirs is there for each.")
PIPE(flags, STR, "", ANY,
    "Letters: `D` puts Delivered-To: on top, and finds loops by it; `O` X-Original-To:; `R` Return-Path:; `F` a \"From \" line; `B` a "
    "blank line behind; `>` a > before lines that begin with \"From \"; a dot, one more before lines that begin with one; `h` and `u` write "
    "domains and local parts in small letters; `q` writes addresses with quotes where they need them.")
PIPE(directory, PATH, "", ANY,
    "The folder that the program runs in; by default `queue_directory`.")
PIPE(eol, STR, "", ANY,
    "What ends a line of the message, instead of a newline: \"\\r\\n\". There are \\r, \\n, \\t, \\a, \\b, \\f, \\v, \\\\ and \\NNN (octal).")
PIPE(null_sender, STR, "MAILER-DAEMON", ANY,
    "What ${sender} is of a delivery report, and the sender in the lines of the flags `F` and `R`; it may be empty.")
PIPE(size, SIZE, "0", RANGE(0, INT64_MAX),
    "The largest message that is given to the program; a larger one is returned. 0: any.")
PIPE(recipient_limit, INT, "1", RANGE(1, 1000),
    "How many recipients of one message and one domain the program gets at a time. What it says counts for all of them.")
PIPE(process_limit, INT, "$default_process_limit", RANGE(1, 10000),
    "How many of it run at a time.")
PIPE(time_limit, TIME, "$command_time_limit", RANGE(1, 86400),
    "How long it may take; then it is ended, and the mail tried again later (Postfix returns it).")

/* ---- ldap NAME { ... }, and files of that form ---- */
LDAP(server_host, LIST, "localhost", NOT_EMPTY,
    "The servers, tried in this order: names or addresses, with \":port\" or without, or URLs: ldap://host:port, "
    "ldaps://host (TLS from the first byte, port 636), ldapi://%2Frun%2Fslapd%2Fldapi (a UNIX socket).")
LDAP(server_port, INT, "389", RANGE(1, 65535),
    "The port of servers that are written without one.")
LDAP(timeout, TIME, "10s", RANGE(1, 3600),
    "How long a server may take to be connected to, to let us in, and to answer a search.")
LDAP(search_base, STR, "", NOT_EMPTY,
    "The DN to search below. `%s` and the like may stand in it, as in `query_filter`, quoted as RFC 4514 asks.")
LDAP(query_filter, STR, "mailacceptinggeneralid=%s", NOT_EMPTY,
    "The filter (RFC 4515; the outermost parentheses may be left out). In it `%s` is the key; `%u` its part before the @, or all "
    "of it when there is none; `%d` its domain; `%1` the last label of the domain, `%2` the one before it, up to `%9`; `%S`, `%U`, "
    "`%D` are the same as the small letters; `%%` is a percent sign. A key that lacks what the filter asks for (a domain, a label, "
    "something before the @) is not searched for: it is not there.")
LDAP(result_attribute, LIST, "maildrop", ANY,
    "The attributes whose values are the answer, with commas between.")
LDAP(result_format, STR, "%s", NOT_EMPTY,
    "What is made of each value: `%s` is the value, `%u` and `%d` are its parts, as in `query_filter`; `%S`, `%U`, `%D` and `%1` to "
    "`%9` are those of the key. Also written result_filter.")
LDAP(special_result_attribute, LIST, "", ANY,
    "Attributes that hold DNs, or LDAP URLs: the entries that they name are looked up, and their values are part of the answer. "
    "A URL's entries give those attributes only that the URL names, too.")
LDAP(leaf_result_attribute, LIST, "", ANY,
    "As `result_attribute`, but from entries only that have no `special_result_attribute`: the members, not the group.")
LDAP(terminal_result_attribute, LIST, "", ANY,
    "An entry that has one of these gives nothing else.")
LDAP(domain, LIST, "", ANY,
    "Domains, and tables that have them as keys. If set, keys in another domain, without a domain or with nothing before the @ "
    "are not searched for: they are not there.")
LDAP(scope, ENUM, "sub", WORDS(ldap_scopes),
    "`sub`: all below `search_base`; `one`: what is right below it; `base`: that entry alone.")
LDAP(size_limit, INT, "0", RANGE(0, 1000000000),
    "The entries that a search may find; with more, the answer is that it cannot be told. 0: as many as `expansion_limit`.")
LDAP(expansion_limit, INT, "0", RANGE(0, 1000000000),
    "The values that an answer may have; with more, it cannot be told. 0: no limit.")
LDAP(recursion_limit, INT, "1000", RANGE(1, 100000),
    "How deep `special_result_attribute` is followed; deeper, it cannot be told. An entry is visited once.")
LDAP(bind, ENUM, "yes", WORDS(ldap_binds),
    "How to log in: `yes` or `simple` (with `bind_dn` and `bind_pw`; anonymously when both are empty), `no` or `none` (not at "
    "all), `sasl`.")
LDAP(bind_dn, STR, "", ANY,
    "The DN to log in as; with `sasl`, the user's name.")
LDAP(bind_pw, SECRET, "", ANY,
    "The password. What it stands in must not be readable by others.")
LDAP(sasl_mechs, STR, "", ANY,
    "SASL mechanisms that may be used, parted by blanks. Empty: the best of the server's.")
LDAP(sasl_realm, STR, "", ANY,
    "The SASL realm.")
LDAP(sasl_authz_id, STR, "", ANY,
    "Whom to act as.")
LDAP(sasl_minssf, INT, "0", RANGE(0, 1000),
    "The least strength of protection (RFC 4422) that SASL must give: 1 is integrity, 56 and more encryption.")
LDAP(version, INT, "3", RANGE(2, 3),
    "The version of LDAP. 2 is for servers of the last century: TLS and `sasl` need 3.")
LDAP(start_tls, BOOL, "no", ANY,
    "TLS over ldap:// (ldaps:// has it anyway): a server that does not offer it is not used.")
LDAP(tls_require_cert, BOOL, "yes", ANY,
    "Whether the server's certificate must be from a known authority and bear the name in `server_host`. `no`: anybody on the way "
    "can be the directory.")
LDAP(tls_ca_cert_file, PATH, "", ANY,
    "A PEM file with the certificates of the authorities to trust. Neither this nor `tls_ca_cert_dir`: the system's.")
LDAP(tls_ca_cert_dir, PATH, "", ANY,
    "A folder of such files.")
LDAP(tls_cert, PATH, "", ANY,
    "Our certificate, in PEM, for servers that ask for one.")
LDAP(tls_key, PATH, "", ANY,
    "Its key, without a passphrase. Default: it stands in `tls_cert`, too.")
LDAP(tls_cipher_suite, STR, "", ANY,
    "The ciphers, in the form of the TLS library that libldap was built with: a priority string of GnuTLS on Debian.")
LDAP(tls_random_file, PATH, "", ANY,
    "Taken for Postfix's sake and without effect.")
LDAP(dereference, INT, "0", RANGE(0, 3),
    "When aliases of the directory are followed: 0 never, 1 while searching, 2 to find `search_base`, 3 always.")
LDAP(chase_referrals, BOOL, "no", ANY,
    "Whether to ask other servers that one refers to, without logging in there.")
LDAP(debuglevel, INT, "0", RANGE(0, 65535),
    "What libldap tells on stderr: 0 nothing, 1 its calls.")
LDAP(cache, BOOL, "no", ANY,
    "Whether answers are kept: those found, and that something was not found. Changes in the directory count up to "
    "`cache_expiry` later then.")
LDAP(cache_expiry, TIME, "30s", RANGE(0, 86400),
    "How long an answer is kept; 0: not at all.")
LDAP(cache_size, SIZE, "32768", RANGE(1024, 1 << 30),
    "The bytes that answers may take up in each process.")

/* clang-format on */

#undef PARAM
#undef LOGIN
#undef LISTEN
#undef RESTRICTION_CLASS
#undef PIPE
#undef LDAP
