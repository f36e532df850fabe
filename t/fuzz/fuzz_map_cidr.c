/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of cidr, and its own networks looked up in it. */
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

    buf_init(&value, 100000);
    BUG_IF(map_lookup(m, key, &value, NULL) == MAP_CANNOT_TELL);
    buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct map_options o = { .complain = complain };
    struct span rest = { (const char *)data, size }, word;
    char spec[64];

    int fd = memfd_create("networks", MFD_CLOEXEC);
    BUG_IF(fd < 0 || write(fd, data, size) != (ssize_t)size);
    snprintf(spec, sizeof spec, "cidr:/proc/self/fd/%d", fd);
    map_register_all();
    struct map *m = map_open(spec, &o, NULL);
    BUG_IF(!m);
    ask(m, SPAN("192.0.2.1"));
    ask(m, SPAN("2001:db8::1"));
    for (int i = 0; i < 20 && span_word(&rest, "\n", &word); i++)
        ask(m, span_of(word.at, span_find(word, '/')));
    map_close(m);
    close(fd);
    return 0;
}
