/* SPDX-License-Identifier: Apache-2.0
 *
 * differs.h - where our default is not Postfix's, and why: DIFFERS(name, Postfix's, reason). Our own stands in
 * params.h. It becomes the table in baton.conf(5). */

/* clang-format off */
DIFFERS(inet_interfaces, "all",
    "a machine that only sends is reached from itself only")
DIFFERS(mynetworks, "the addresses of this machine; a network with host bits set defers every client",
    "trust is written down, not found out from the interfaces; host bits are cleared, with a warning when the "
    "configuration is read")
DIFFERS(mydestination, "$myhostname, localhost.$mydomain, localhost",
    "no mail ends in a mailbox that nobody reads: it goes to an alias, or to the relayhost")
DIFFERS(local_transport, "local:$myhostname",
    "a null client has no mailboxes; where mydestination names something, it is local, too")
DIFFERS(virtual_alias_domains, "the same, but an address in virtual_alias_maps does not make its domain one",
    "who writes info@example.com there means to get its mail (virtual_alias_infer_domains)")
DIFFERS(smtp_tls_security_level, "may (3.11), or none",
    "a password goes only to a host that has shown its certificate")
DIFFERS(lmtp_tls_security_level, "empty: no TLS",
    "TLS that is offered is used; a password goes only to a host that has shown its certificate")
DIFFERS(lmtp_connect_timeout, "0: the system's",
    "a peer that does not answer is found out in seconds, not minutes")
DIFFERS(lmtp_tls_CAfile, "empty",
    "who is trusted is said once")
DIFFERS(smtp_tls_mandatory_protocols, ">=TLSv1",
    "RFC 8996 forbids TLS 1.0 and 1.1")
DIFFERS(local_header_rewrite_clients, "permit_inet_interfaces",
    "whoever may send through here is one of us, and its mail is as complete as that of this machine")
DIFFERS(header_size_limit, "102400, the rest cut off",
    "a header that is too long is refused, not cut")
DIFFERS(smtpd_per_request_deadline, "no, but yes under stress",
    "a client that sends a byte a second does not hold a place for ever")
DIFFERS(smtpd_forbid_bare_newline, "the same; but \"no\", and so an excluded network, lets LF.LF end any message",
    "only where every line of a client ends in LF alone: a message written with CRLF hides no second one, whoever sent it")
DIFFERS(smtpd_helo_required, "no",
    "RFC 5321 4.1.1.1 wants EHLO or HELO first")
DIFFERS(smtpd_forbidden_commands, "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}",
    "a command that begins with no letter is refused without a pattern; PUT and OPTIONS are HTTP, too")
DIFFERS(relayhost, "empty: direct delivery",
    "not written, on a machine that is nobody's destination: mail is kept until one is set; it does not leave by a way that nobody chose")
DIFFERS(alias_maps, "an index made by postalias",
    "the text is what counts: no index can be out of date")
DIFFERS(smtpd_tls_security_level, "empty: no TLS",
    "a certificate that is there is meant to be shown: STARTTLS is offered as soon as one is configured")
DIFFERS(smtpd_tls_auth_only, "no",
    "a password is not asked for in the clear")
DIFFERS(smtpd_sasl_type, "cyrus",
    "Dovecot is what most servers have, and no library that sees passwords runs in the receiver")
DIFFERS(smtpd_sasl_path, "smtpd",
    "the default of each type is its own: private/auth for Dovecot")
DIFFERS(smtpd_tls_fingerprint_digest, "sha256, but md5 below compatibility_level 3.6",
    "MD5 and SHA-1 are there for tables from former times alone; baton import writes what an old main.cf means")
DIFFERS(smtp_tls_fingerprint_digest, "sha256, but md5 below compatibility_level 3.6",
    "the same")
DIFFERS(smtpd_tls_protocols, ">=TLSv1",
    "RFC 8996 forbids TLS 1.0 and 1.1")
DIFFERS(smtpd_tls_mandatory_protocols, ">=TLSv1",
    "RFC 8996 forbids TLS 1.0 and 1.1")
DIFFERS(smtpd_relay_restrictions, "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "a recipient that is none of ours will not be ours tomorrow: the client is told so at once, 554 instead of 454")
DIFFERS(mail_name, "Postfix",
    "it is another program")
/* clang-format on */

#undef DIFFERS
