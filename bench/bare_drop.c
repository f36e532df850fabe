/* SPDX-License-Identifier: Apache-2.0
 *
 * bare_drop - a yardstick, not a mail program: the least that a sendmail without a daemon has to do.
 *
 * bare_drop DIR reads its standard input, writes it to a new file in DIR and leaves when the file would survive a power
 * cut: create, write, fsync, rename, fsync of the folder. Started the same way as sendmail, on the same disk, with the
 * same bytes; what is left between the two is sendmail's own cost. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char content[1 << 20];
    char from[64], to[64];
    ssize_t n;
    size_t len = 0;

    if (argc != 2)
        return 2;
    while ((n = read(STDIN_FILENO, content + len, sizeof content - len)) > 0)
        len += (size_t)n;
    must(n == 0, "read");

    int dir = open(argv[1], O_RDONLY | O_DIRECTORY);
    must(dir >= 0, argv[1]);
    snprintf(from, sizeof from, ".%ld", (long)getpid());
    snprintf(to, sizeof to, "m%ld", (long)getpid());
    int fd = openat(dir, from, O_WRONLY | O_CREAT | O_EXCL, 0600);
    must(fd >= 0, "create");
    must(write(fd, content, len) == (ssize_t)len, "write");
    must(fsync(fd) == 0, "fsync");
    must(renameat(dir, from, dir, to) == 0, "rename");
    must(fsync(dir) == 0, "fsync of the folder");
    return 0;
}
