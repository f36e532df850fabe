/* SPDX-License-Identifier: Apache-2.0
 *
 * restrictions.h - every restriction of the smtpd_*_restrictions, declared once. Included several times, with other macros: the
 * parser (restrict.c) takes names, needs and arguments from it, the server module the functions.
 *
 *   RESTRICTION(name, needs, argument)
 *     needs     what has to be known: CLIENT, HELO, SENDER, RECIPIENT, DATA (the command was given)
 *     argument  NONE; TABLE ("type:name"); DOMAIN (of a list in the DNS, "=filter" behind it); SERVICE (of a policy server);
 *               TIME
 *   SYNONYM(name, restriction)   an older name for one of them
 *   LEFT_OUT(name, why)          there is none, and the configuration is refused with the reason */
#ifndef RESTRICTION
#define RESTRICTION(name, needs, argument)
#endif
#ifndef SYNONYM
#define SYNONYM(name, restriction)
#endif
#ifndef LEFT_OUT
#define LEFT_OUT(name, why)
#endif

/* clang-format off */

/* ---- for everybody ---- */
RESTRICTION(permit,                                     CLIENT,    NONE)
RESTRICTION(reject,                                     CLIENT,    NONE)
RESTRICTION(defer,                                      CLIENT,    NONE)
RESTRICTION(defer_if_permit,                            CLIENT,    NONE)
RESTRICTION(defer_if_reject,                            CLIENT,    NONE)
RESTRICTION(warn_if_reject,                             CLIENT,    NONE)
RESTRICTION(sleep,                                      CLIENT,    TIME)
RESTRICTION(reject_plaintext_session,                   CLIENT,    NONE)
RESTRICTION(reject_unauth_pipelining,                   CLIENT,    NONE)
RESTRICTION(check_policy_service,                       CLIENT,    SERVICE)
/* ---- the client ---- */
RESTRICTION(permit_mynetworks,                          CLIENT,    NONE)
RESTRICTION(permit_inet_interfaces,                     CLIENT,    NONE)
RESTRICTION(permit_sasl_authenticated,                  CLIENT,    NONE)
RESTRICTION(permit_tls_clientcerts,                     CLIENT,    NONE)
RESTRICTION(permit_tls_all_clientcerts,                 CLIENT,    NONE)
RESTRICTION(check_address_map,                          CLIENT,    TABLE)
RESTRICTION(reject_unknown_client_hostname,             CLIENT,    NONE)
RESTRICTION(reject_unknown_reverse_client_hostname,     CLIENT,    NONE)
RESTRICTION(check_client_access,                        CLIENT,    TABLE)
RESTRICTION(check_reverse_client_hostname_access,       CLIENT,    TABLE)
RESTRICTION(check_sasl_access,                          CLIENT,    TABLE)
RESTRICTION(check_ccert_access,                         CLIENT,    TABLE)
RESTRICTION(check_client_mx_access,                     CLIENT,    TABLE)
RESTRICTION(check_client_ns_access,                     CLIENT,    TABLE)
RESTRICTION(check_client_a_access,                      CLIENT,    TABLE)
RESTRICTION(check_reverse_client_hostname_mx_access,    CLIENT,    TABLE)
RESTRICTION(check_reverse_client_hostname_ns_access,    CLIENT,    TABLE)
RESTRICTION(check_reverse_client_hostname_a_access,     CLIENT,    TABLE)
RESTRICTION(reject_rbl_client,                          CLIENT,    DOMAIN)
RESTRICTION(reject_rhsbl_client,                        CLIENT,    DOMAIN)
RESTRICTION(reject_rhsbl_reverse_client,                CLIENT,    DOMAIN)
RESTRICTION(permit_dnswl_client,                        CLIENT,    DOMAIN)
RESTRICTION(permit_rhswl_client,                        CLIENT,    DOMAIN)
/* ---- the name that it gives ---- */
RESTRICTION(reject_invalid_helo_hostname,               HELO,      NONE)
RESTRICTION(reject_non_fqdn_helo_hostname,              HELO,      NONE)
RESTRICTION(reject_unknown_helo_hostname,               HELO,      NONE)
RESTRICTION(check_helo_access,                          HELO,      TABLE)
RESTRICTION(check_helo_mx_access,                       HELO,      TABLE)
RESTRICTION(check_helo_ns_access,                       HELO,      TABLE)
RESTRICTION(check_helo_a_access,                        HELO,      TABLE)
RESTRICTION(reject_rhsbl_helo,                          HELO,      DOMAIN)
/* ---- the sender ---- */
RESTRICTION(reject_non_fqdn_sender,                     SENDER,    NONE)
RESTRICTION(reject_unknown_sender_domain,               SENDER,    NONE)
RESTRICTION(reject_unlisted_sender,                     SENDER,    NONE)
RESTRICTION(reject_sender_login_mismatch,               SENDER,    NONE)
RESTRICTION(reject_authenticated_sender_login_mismatch, SENDER,    NONE)
RESTRICTION(reject_unauthenticated_sender_login_mismatch, SENDER,  NONE)
RESTRICTION(reject_known_sender_login_mismatch,         SENDER,    NONE)
RESTRICTION(check_sender_access,                        SENDER,    TABLE)
RESTRICTION(check_sender_mx_access,                     SENDER,    TABLE)
RESTRICTION(check_sender_ns_access,                     SENDER,    TABLE)
RESTRICTION(check_sender_a_access,                      SENDER,    TABLE)
RESTRICTION(reject_rhsbl_sender,                        SENDER,    DOMAIN)
/* ---- the recipient ---- */
RESTRICTION(permit_auth_destination,                    RECIPIENT, NONE)
RESTRICTION(permit_mx_backup,                           RECIPIENT, NONE)
RESTRICTION(reject_unauth_destination,                  RECIPIENT, NONE)
RESTRICTION(defer_unauth_destination,                   RECIPIENT, NONE)
RESTRICTION(reject_unlisted_recipient,                  RECIPIENT, NONE)
RESTRICTION(reject_non_fqdn_recipient,                  RECIPIENT, NONE)
RESTRICTION(reject_unknown_recipient_domain,            RECIPIENT, NONE)
RESTRICTION(check_recipient_access,                     RECIPIENT, TABLE)
RESTRICTION(check_recipient_mx_access,                  RECIPIENT, TABLE)
RESTRICTION(check_recipient_ns_access,                  RECIPIENT, TABLE)
RESTRICTION(check_recipient_a_access,                   RECIPIENT, TABLE)
RESTRICTION(reject_rhsbl_recipient,                     RECIPIENT, DOMAIN)
/* ---- all recipients ---- */
RESTRICTION(reject_multi_recipient_bounce,              DATA,      NONE)

SYNONYM(reject_unknown_client, reject_unknown_client_hostname)
SYNONYM(reject_unknown_address, reject_unknown_sender_domain)
SYNONYM(reject_invalid_hostname, reject_invalid_helo_hostname)
SYNONYM(reject_non_fqdn_hostname, reject_non_fqdn_helo_hostname)
SYNONYM(reject_unknown_hostname, reject_unknown_helo_hostname)
SYNONYM(reject_rbl, reject_rbl_client)
SYNONYM(reject_rhsbl, reject_rhsbl_client)
SYNONYM(check_recipient_maps, reject_unlisted_recipient)

LEFT_OUT(permit_naked_ip_address, "it permits everybody who says an address in EHLO; write permit_mynetworks")
LEFT_OUT(reject_unverified_sender, "addresses are not tried out by sending to them: delete it")
LEFT_OUT(reject_unverified_recipient, "addresses are not tried out by sending to them; name the recipients in relay_recipient_maps")
LEFT_OUT(check_etrn_access, "there is no ETRN: delete it")
LEFT_OUT(check_relay_domains, "write permit_mynetworks, reject_unauth_destination")
LEFT_OUT(reject_maps_rbl, "write reject_rbl_client DOMAIN")

/* clang-format on */

#undef RESTRICTION
#undef SYNONYM
#undef LEFT_OUT
