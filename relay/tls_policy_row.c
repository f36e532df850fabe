/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_policy_row.c - a row of smtp_tls_policy_maps: "secure match=hostname:.example.com protocols=TLSv1.3 ciphers=high". */
#include "relay/tls_policy.h"

#include "base/mem.h"

static const struct {
    const char *name;
    enum config_tls_level level;
    const char *why_not; /* or NULL */
} levels[] = {
    { "none", CONFIG_TLS_NONE, NULL },
    { "may", CONFIG_TLS_MAY, NULL },
    { "encrypt", CONFIG_TLS_ENCRYPT, NULL },
    { "verify", CONFIG_TLS_VERIFY, NULL },
    { "secure", CONFIG_TLS_SECURE, NULL },
    { "dane", CONFIG_TLS_AUTO, "DANE is not here: write secure, or encrypt" },
    { "dane-only", CONFIG_TLS_AUTO, "DANE is not here: write secure" },
    { "half-dane", CONFIG_TLS_AUTO, "DANE is not here: write encrypt" },
    { "fingerprint", CONFIG_TLS_FINGERPRINT, NULL },
};

const char *tls_level_name(enum config_tls_level level)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(levels) && levels[i].level != level)
        i++;
    return levels[i].name;
}

static int take_level(struct span word, struct tls_policy_row *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (!span_ieq_str(word, levels[i].name))
            continue;
        out->level = levels[i].level;
        return levels[i].why_not ? err_set(e, ERR_CONFIG, "level %s: %s", levels[i].name, levels[i].why_not) : 0;
    }
    return err_set(e, ERR_CONFIG, "\"%.*s\" is no level: there are none, may, encrypt, verify, secure, fingerprint",
                   (int)(word.len > 100 ? 100 : word.len), word.at);
}

/* "hostname:nexthop:dot-nexthop:mail.example.com:.example.com" becomes names. */
static void add_match(struct span value, const struct relayhost *hop, const char *host, enum config_tls_level level, struct buf *names)
{
    struct span word;

    while (span_word(&value, level == CONFIG_TLS_FINGERPRINT ? "|," : ":|,", &word)) {
        if (names->len)
            buf_addc(names, ' ');
        if (level == CONFIG_TLS_FINGERPRINT)
            buf_addspan(names, word);
        else if (span_ieq_str(word, "hostname"))
            buf_adds(names, host);
        else if (span_ieq_str(word, "nexthop"))
            buf_adds(names, hop->host);
        else if (span_ieq_str(word, "dot-nexthop"))
            buf_addf(names, ".%s", hop->host);
        else
            buf_addspan(names, word);
    }
}

static int take_protocols(struct span value, struct tls_policy_row *out, struct err *e)
{
    struct tls_range range;

    if (config_tls_versions(value, &range, e) < 0)
        return err_prefix(e, "protocols");
    if (range.max < 13)
        return err_set(e, ERR_CONFIG, "protocols: TLSv1.3 cannot be left out here; what the peer speaks counts");
    out->is_1_3_only = range.min >= 13;
    out->says_protocols = true;
    return 0;
}

static int take_ciphers(struct span value, struct tls_policy_row *out, struct err *e)
{
    if (!span_ieq_str(value, "high") && !span_ieq_str(value, "medium"))
        return err_set(e, ERR_CONFIG, "ciphers: it is high or medium, not \"%.*s\"", (int)(value.len > 100 ? 100 : value.len), value.at);
    out->is_high = span_ieq_str(value, "high");
    out->says_ciphers = true;
    return 0;
}

static int take_attribute(struct span word, const struct relayhost *hop, const char *host, struct tls_policy_row *out, struct buf *names,
                          struct err *e)
{
    size_t equals = span_find(word, '=');
    struct span name = span_of(word.at, equals), value = span_from(word, equals + 1);

    if (equals == word.len || value.len == 0)
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no attribute=value", (int)(word.len > 100 ? 100 : word.len), word.at);
    if (span_ieq_str(name, "match")) {
        add_match(value, hop, host, out->level, names);
        return 0;
    }
    if (span_ieq_str(name, "protocols"))
        return take_protocols(value, out, e);
    if (span_ieq_str(name, "ciphers"))
        return take_ciphers(value, out, e);
    if (span_ieq_str(name, "connection_reuse") || span_ieq_str(name, "enable_rpk"))
        return 0; /* nothing here depends on them */
    return err_set(e, ERR_CONFIG, "there is no attribute \"%.*s\" here: there are match, protocols, ciphers",
                   (int)(name.len > 100 ? 100 : name.len), name.at);
}

int tls_policy_parse(struct span row, const struct relayhost *hop, const char *host, struct tls_policy_row *out, struct err *e)
{
    struct span word;
    struct buf names;
    int rc = 0;

    *out = (struct tls_policy_row){ .level = CONFIG_TLS_NONE };
    if (!span_word(&row, ",", &word))
        return err_set(e, ERR_CONFIG, "it is empty: it begins with a level");
    if (take_level(word, out, e) < 0)
        return -1;
    buf_init(&names, 4096);
    while (rc == 0 && span_word(&row, ",", &word))
        rc = take_attribute(word, hop, host, out, &names, e);
    if (rc == 0 && names.len && out->level < CONFIG_TLS_VERIFY)
        rc = err_set(e, ERR_CONFIG, "match means nothing with a level that does not look at the certificate: write secure");
    if (rc == 0 && !names.len && out->level == CONFIG_TLS_SECURE) /* Postfix's smtp_tls_secure_cert_match */
        buf_addf(&names, "%s .%s", hop->host, hop->host);
    if (rc == 0 && names.len)
        out->match = buf_take(&names);
    buf_fini(&names);
    return rc;
}

void tls_policy_demand(const struct config *cfg, enum config_tls_level level, const char *match, struct tls_target *out)
{
    bool by_print = level == CONFIG_TLS_FINGERPRINT;

    out->demand = by_print ? TLS_FINGERPRINT : level >= CONFIG_TLS_VERIFY ? TLS_VERIFY : TLS_ENCRYPT;
    out->match = by_print ? NULL : match;
    out->fingerprints = by_print ? match : NULL;
    out->digest = (enum tls_digest)cfg->smtp_tls_fingerprint_digest;
}
