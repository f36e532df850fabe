/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of regexp or pcre (by the first byte), and the keys of its first lines looked up in it. */
#include "base/mem.h"
#include "map/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complain(void *arg, const char *text)
{
    (void)arg;
    BUG_IF(!span_is_utf8(span_str(text)));
}

static void ask(struct map *m, struct span key)
{
    struct buf value;
    struct err e = { 0 };

    buf_init(&value, 100000);
    enum map_result result = map_lookup(m, key, &value, &e);
    BUG_IF((result == MAP_CANNOT_TELL) != (e.kind != ERR_NONE));
    BUG_IF(result != MAP_FOUND && value.len && result != MAP_CANNOT_TELL);
    buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct map_options o = { .complain = complain };
    struct span text = { (const char *)data + 1, size - 1 };
    char spec[64];

    /* Counted repetitions take the C library's regcomp() gigabytes, which is no news; and whoever writes rules is trusted. */
    if (size == 0 || span_find(text, '{') < text.len || size > 4096)
        return 0;
    int fd = memfd_create("rules", MFD_CLOEXEC);
    BUG_IF(fd < 0 || write(fd, text.at, text.len) != (ssize_t)text.len);
    snprintf(spec, sizeof spec, "%s:/proc/self/fd/%d", data[0] & 1 ? "pcre" : "regexp", fd);
    map_register_all();
    struct map *m = map_open(spec, &o, NULL);
    BUG_IF(!m);
    ask(m, SPAN(""));
    ask(m, SPAN("user@example.com"));
    for (int i = 0; i < 3 && text.len; i++) {
        size_t end = span_find(text, '\n');
        ask(m, span_of(text.at, end < 60 ? end : 60));
        text = span_from(text, end + 1);
    }
    map_close(m);
    close(fd);
    return 0;
}
