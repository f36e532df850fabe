/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/resident.h"

#include "build.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int statm = -1;

void resident_open(void)
{
#ifndef WITH_SANITIZERS /* they keep what was freed */
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
#endif
}

void resident_close(void)
{
    if (statm >= 0)
        close(statm);
    statm = -1;
}

/* proc_pid_statm(5): in pages; all, in memory, and how many of these are a file's or shared. */
uint64_t resident_bytes(void)
{
    char text[128];
    unsigned long long all, here, shared;
    ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof text - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%llu %llu %llu", &all, &here, &shared) != 3 || shared > here)
        return 0;
    return (here - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}
