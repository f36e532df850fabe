/* SPDX-License-Identifier: Apache-2.0
 *
 * /etc/passwd is looked at first and directly: the C library's way loads the modules of nsswitch.conf, which may ask a
 * directory over the network, and takes longer than all the rest of sendmail. Only a uid that is not in the file
 * goes there. */
#include "agent/user.h"

#include "base/span.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME, PASSWORD, UID, GID, GECOS, N_FIELDS };

static bool split(struct span line, struct span *fields)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        size_t end = span_find(line, ':');
        if (end == line.len)
            return false;
        fields[i] = span_of(line.at, end);
        line = span_from(line, end + 1);
    }
    return true;
}

/* The full name stands before the first comma; '&' in it is the login name with a capital (passwd(5) of old). */
static void set(struct user *u, struct span name, struct span gecos)
{
    size_t n = 0;

    if (name.len >= sizeof u->name)
        name.len = sizeof u->name - 1;
    memcpy(u->name, name.at, name.len);
    u->name[name.len] = '\0';
    gecos.len = span_find(gecos, ',');
    for (size_t i = 0; i < gecos.len && n + 1 < sizeof u->full_name; i++) {
        if (gecos.at[i] != '&') {
            u->full_name[n++] = gecos.at[i];
            continue;
        }
        for (size_t j = 0; j < name.len && n + 1 < sizeof u->full_name; j++)
            u->full_name[n++] = j == 0 && name.at[0] >= 'a' && name.at[0] <= 'z' ? (char)(name.at[0] - 'a' + 'A')
                                                                                  : name.at[j];
    }
    u->full_name[n] = '\0';
}

static bool is_preferred(struct span name)
{
    const char *logname = getenv("LOGNAME"), *user = getenv("USER");
    return (logname && span_eq(name, span_str(logname))) || (user && span_eq(name, span_str(user)));
}

static bool find_in_file(struct user *u, uid_t uid)
{
    FILE *f = fopen("/etc/passwd", "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    bool is_found = false, is_sure = false;

    if (!f)
        return false;
    while (!is_sure && (len = getline(&line, &cap, f)) > 0) {
        struct span fields[N_FIELDS];
        uint64_t number;
        if (!split(span_of(line, (size_t)len), fields) || !span_u64(fields[UID], &number) || number != uid ||
            fields[NAME].len == 0)
            continue;
        is_sure = is_preferred(fields[NAME]);
        if (is_sure || !is_found)
            set(u, fields[NAME], fields[GECOS]);
        is_found = true;
    }
    free(line);
    fclose(f);
    return is_found;
}

void user_find(struct user *u, uid_t uid)
{
    const struct passwd *pw;

    *u = (struct user){ .name = "" };
    if (find_in_file(u, uid))
        return;
    pw = getpwuid(uid);
    if (pw && pw->pw_name && *pw->pw_name)
        set(u, span_str(pw->pw_name), span_str(pw->pw_gecos));
    else
        snprintf(u->name, sizeof u->name, "uid%lu", (unsigned long)uid);
}
