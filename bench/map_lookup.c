/* SPDX-License-Identifier: Apache-2.0
 *
 * map_lookup TABLE ROWS LOOKUPS - microseconds a lookup in a table with the keys user0@example.com to user(ROWS-1)@..., in an order
 * that no cache can guess, a tenth of them not there; and what memory the open table has added to this process. */
#include "base/buf.h"
#include "base/clock.h"
#include "map/map.h"

#include <stdio.h>
#include <stdlib.h>

static long memory_kib(const char *field)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field), NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

int main(int argc, char **argv)
{
    struct buf value;
    struct err e;
    char key[64];
    uint64_t state = 1, found = 0;

    if (argc != 4)
        return 2;
    long rows = strtol(argv[2], NULL, 10), lookups = strtol(argv[3], NULL, 10);
    long anonymous = memory_kib("Anonymous:"), pss = memory_kib("Pss:");
    map_register_all();
    int64_t start = clock_mono_us();
    struct map *m = map_open(argv[1], NULL, &e);
    if (!m) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    int64_t opened = clock_mono_us();
    buf_init(&value, MAP_VALUE_MAX);
    for (long i = 0; i < lookups; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int n = snprintf(key, sizeof key, "user%llu@example.com", (unsigned long long)(state >> 33) % (uint64_t)(rows + rows / 9));
        found += map_lookup(m, span_of(key, (size_t)n), &value, &e) == MAP_FOUND;
    }
    int64_t end = clock_mono_us();
    printf("open_ms=%.1f us_each=%.3f found=%.3f anonymous_kib=%ld pss_kib=%ld\n", (double)(opened - start) / 1000,
           (double)(end - opened) / (double)lookups, (double)found / (double)lookups, memory_kib("Anonymous:") - anonymous,
           memory_kib("Pss:") - pss);
    buf_fini(&value);
    map_close(m);
    return 0;
}
