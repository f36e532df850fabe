/* SPDX-License-Identifier: Apache-2.0
 *
 * The main() of a fuzz target without libFuzzer: feeds it the files of the folders that are named, then each of them
 * MUTATIONS times with a few bytes changed, cut or doubled. Always the same ones, so that a failure comes again. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTATIONS = 300, SIZE_MAX_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t state = 1;

static uint32_t next(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static size_t mutate(uint8_t *at, size_t len)
{
    static const char special[] = "<>@,;:.\"\\()[]\r\n\t \0\x80\xff\xc3-=+";

    for (uint32_t n = 1 + next(4); n && len; n--) {
        size_t i = next((uint32_t)len), run = 1 + next(8);
        switch (next(4)) {
        case 0: at[i] = (uint8_t)next(256); break;
        case 1: at[i] = (uint8_t)special[next(sizeof special - 1)]; break;
        case 2: /* cut */
            run = run < len - i ? run : len - i;
            memmove(at + i, at + i + run, len - i - run);
            len -= run;
            break;
        default: /* double */
            run = run < len - i ? run : len - i;
            memmove(at + i + run, at + i, len - i);
            len += run;
        }
    }
    return len;
}

/* Exactly as large as the input, so that a sanitizer sees a byte read beyond it. */
static void feed(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static int replay(const char *path)
{
    uint8_t *data = malloc(SIZE_MAX_BYTES), *work = malloc(SIZE_MAX_BYTES + 64);
    FILE *f = fopen(path, "rb");

    if (!f) {
        perror(path);
        return -1;
    }
    size_t len = fread(data, 1, SIZE_MAX_BYTES, f);
    fclose(f);
    feed(data, len);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(work, data, len);
        feed(work, mutate(work, len));
    }
    free(data);
    free(work);
    return 0;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **names;
        int n_names = scandir(argv[i], &names, NULL, alphasort);
        if (n_names < 0) {
            perror(argv[i]);
            return 1;
        }
        for (int j = 0; j < n_names; j++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], names[j]->d_name);
            if (names[j]->d_name[0] != '.' && ++n && replay(path) < 0)
                return 1;
            free(names[j]);
        }
        free(names);
    }
    printf("%d files\n", n);
    return n == 0;
}
