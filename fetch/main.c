/* SPDX-License-Identifier: Apache-2.0
 *
 * baton-fetch [-a FILE] [-r HOST:PORT:ADDRESS[,ADDRESS]] [-t SECONDS] URL - prints a text that is fetched by HTTPS, as RFC 8461 3.3
 * wants it: the certificate is from a known authority and for the host, no redirects, no proxy, no cache, status 200, type
 * text/plain, 64 KiB at most. Exit status 0: all of it is on stdout; else stderr says why not. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SIZE_MAX_BYTES ((size_t)65536)

struct text {
    char at[SIZE_MAX_BYTES];
    size_t len;
    bool is_too_long;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct text *t = arg;

    n *= size;
    if (n > sizeof t->at - t->len) {
        t->is_too_long = true;
        return 0;
    }
    memcpy(t->at + t->len, data, n);
    t->len += n;
    return n;
}

struct wish {
    const char *authorities, *resolve, *url;
    long seconds;
};

static int usage(void)
{
    fputs("usage: baton-fetch [-a FILE] [-r HOST:PORT:ADDRESS[,ADDRESS]] [-t SECONDS] URL\n", stderr);
    return 64;
}

static bool take_options(struct wish *w, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "a:r:t:")) != -1)
        switch (c) {
        case 'a': w->authorities = optarg; break;
        case 'r': w->resolve = optarg; break;
        case 't': w->seconds = strtol(optarg, NULL, 10); break;
        default: return false;
        }
    w->url = argv[optind];
    return optind + 1 == argc && w->seconds > 0;
}

static void set_up(CURL *c, const struct wish *w, struct curl_slist *resolve, struct text *text, char *error)
{
    curl_easy_setopt(c, CURLOPT_URL, w->url);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, text);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, w->seconds);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, w->seconds > 20 ? 20L : w->seconds);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)SIZE_MAX_BYTES);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "baton");
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
    if (w->authorities)
        curl_easy_setopt(c, CURLOPT_CAINFO, w->authorities);
    if (resolve)
        curl_easy_setopt(c, CURLOPT_RESOLVE, resolve);
}

static bool is_plain_text(const char *type)
{
    size_t n = type ? strcspn(type, "; \t") : 0;
    return n == 10 && strncasecmp(type, "text/plain", n) == 0;
}

/* NULL: it is good. */
static const char *why_not(CURL *c, CURLcode code, const struct text *text, const char *error)
{
    static char said[CURL_ERROR_SIZE + 100];
    long status = 0;
    char *type = NULL;

    if (text->is_too_long || code == CURLE_FILESIZE_EXCEEDED)
        return "it has more than 64 KiB";
    /* The status first: what comes after another one than 200 need not end well (a redirection without a length, ended
     * without TLS's close_notify) */
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    if (code != CURLE_OK && (status == 0 || status == 200))
        return *error ? error : curl_easy_strerror(code);
    if (status != 200)
        snprintf(said, sizeof said, "the server says %ld, not 200", status);
    else if (!is_plain_text(type))
        snprintf(said, sizeof said, "its type is %.100s, not text/plain", type ? type : "not told");
    else
        return NULL;
    return said;
}

int main(int argc, char **argv)
{
    static struct text text;
    static char error[CURL_ERROR_SIZE];
    struct wish w = { .seconds = 60 };

    if (!take_options(&w, argc, argv))
        return usage();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("libcurl does not start\n", stderr);
        return 1;
    }
    CURL *c = curl_easy_init();
    struct curl_slist *resolve = w.resolve ? curl_slist_append(NULL, w.resolve) : NULL;
    if (!c || (w.resolve && !resolve)) {
        fputs("no memory\n", stderr);
        return 1;
    }
    set_up(c, &w, resolve, &text, error);
    const char *why = why_not(c, curl_easy_perform(c), &text, error);
    if (why)
        fprintf(stderr, "%s\n", why);
    else
        fwrite(text.at, 1, text.len, stdout);
    curl_easy_cleanup(c);
    curl_slist_free_all(resolve);
    curl_global_cleanup();
    return why || fflush(stdout) != 0;
}
