/* SPDX-License-Identifier: Apache-2.0
 *
 * What deliveries are made of: words and names, exit codes, the files of mailboxes. The calls that write are wrapped (-Wl,--wrap): a
 * small model follows what has become durable and what would be lost by a power cut, and any of them can be made to fail. */
#include "t/unit/unit.h"

#include "base/mem.h"
#include "config/template.h"
#include "server/command.h"
#include "server/forwards.h"
#include "server/maildir.h"
#include "server/mbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the disk ---- */

enum { NAMES_MAX = 64 };

static struct {
    char name[300]; /* in a folder that was not synced since */
} pending[NAMES_MAX];
static size_t n_pending;
static bool data_is_dirty, saw_half; /* a name was given to what was not synced */
static int calls, fail_at, fail_with;
static bool is_watching;

static bool must_fail(void)
{
    if (!is_watching || ++calls != fail_at)
        return false;
    errno = fail_with;
    return true;
}

static void add_pending(const char *path)
{
    if (is_watching && n_pending < NAMES_MAX)
        snprintf(pending[n_pending++].name, sizeof pending[0].name, "%s", path);
}

static void drop_pending(const char *path, bool is_folder)
{
    size_t n = 0, len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    for (size_t i = 0; i < n_pending; i++) {
        const char *name = pending[i].name, *slash = strrchr(name, '/');
        bool is_it = is_folder ? (size_t)(slash - name) == len && strncmp(name, path, len) == 0 : strcmp(name, path) == 0;
        if (!is_it)
            pending[n++] = pending[i];
    }
    n_pending = n;
}

int __real_open(const char *path, int flags, mode_t mode);
int __real_fsync(int fd);
int __real_link(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_mkdir(const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *from, size_t len);
int __wrap_open(const char *path, int flags, ...);
int __wrap_fsync(int fd);
int __wrap_link(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_mkdir(const char *path, mode_t mode);
ssize_t __wrap_write(int fd, const void *from, size_t len);

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (must_fail())
        return -1;
    int fd = __real_open(path, flags, mode);
    if (fd >= 0 && flags & O_CREAT)
        add_pending(path);
    return fd;
}

ssize_t __wrap_write(int fd, const void *from, size_t len)
{
    if (is_watching && must_fail()) {
        if (len > 1)
            __real_write(fd, from, len / 2);
        return -1;
    }
    data_is_dirty |= is_watching;
    return __real_write(fd, from, len);
}

int __wrap_fsync(int fd)
{
    char link_name[64], path[300];
    struct stat st;

    if (must_fail())
        return -1;
    snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link_name, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        drop_pending(path, true);
    else
        data_is_dirty = false;
    return __real_fsync(fd);
}

int __wrap_link(const char *from, const char *to)
{
    if (must_fail())
        return -1;
    saw_half |= data_is_dirty;
    int rc = __real_link(from, to);
    if (rc == 0)
        add_pending(to);
    return rc;
}

int __wrap_unlink(const char *path)
{
    int rc = __real_unlink(path);
    if (rc == 0)
        drop_pending(path, false);
    return rc;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (is_watching && must_fail())
        return -1;
    int rc = __real_mkdir(path, mode);
    if (rc == 0)
        add_pending(path);
    return rc;
}

static char dir[] = "/tmp/test_deliver.XXXXXX";

static void watch(int which, int with)
{
    n_pending = 0;
    data_is_dirty = saw_half = false;
    calls = 0;
    fail_at = which;
    fail_with = with;
    is_watching = true;
}

static struct content *make_content(const char *text)
{
    struct content *c = content_new(dir, getuid(), getgid());
    struct err e;

    assert_int_equal(content_add(c, span_str(text), &e), 0);
    return c;
}

static int files_in(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    return at->level ? remove(path) : 0;
}

static void remove_all(void)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- Maildir ---- */

static void a_delivered_message_survives_a_power_cut(void **state)
{
    struct content *c = make_content("Subject: x\r\n\r\nHello\r\n");
    struct outcome o = { 0 };
    char *folder = xasprintf("%s/a/b/Maildir/", dir);

    (void)state;
    watch(0, 0);
    maildir_deliver(folder, "host", SPAN("Return-Path: <>\n"), c, 0, &o);
    is_watching = false;
    assert_int_equal(o.kind, OUTCOME_SENT);
    assert_false(saw_half);
    assert_false(data_is_dirty);
    for (size_t i = 0; i < n_pending; i++)
        print_message("not durable: %s\n", pending[i].name);
    assert_int_equal(n_pending, 0);
    content_free(c);
    free(folder);
    remove_all();
}

static void whatever_fails_nothing_is_left_in_new(void **state)
{
    static const int errors[] = { EIO, ENOSPC, EDQUOT };
    struct content *c = make_content("Subject: x\r\n\r\nHello\r\n");
    char *folder = xasprintf("%s/Maildir", dir), *fresh = xasprintf("%s/Maildir/new", dir), *tmp = xasprintf("%s/Maildir/tmp", dir);
    int failed = 0;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(errors); k++)
        for (int at = 1;; at++) {
            struct outcome o = { 0 };
            watch(at, errors[k]);
            maildir_deliver(folder, "host", SPAN("Return-Path: <>\n"), c, 0, &o);
            is_watching = false;
            if (calls < at || o.kind == OUTCOME_SENT) { /* the failure of link() is got round */
                assert_int_equal(o.kind, OUTCOME_SENT);
                remove_all();
                if (calls < at)
                    break;
                continue;
            }
            failed++;
            assert_int_equal(o.kind, OUTCOME_DEFERRED);
            assert_string_equal(o.dsn, errors[k] == EDQUOT ? "4.2.2" : errors[k] == ENOSPC ? "4.3.1" : "4.2.0");
            assert_int_equal(files_in(fresh), 0);
            assert_int_equal(files_in(tmp), 0);
            remove_all();
        }
    assert_true(failed > 20);
    content_free(c);
    free(folder);
    free(fresh);
    free(tmp);
}

/* ---- mbox ---- */

static void a_message_that_cannot_be_written_whole_is_cut_off_again(void **state)
{
    struct content *c = make_content("Subject: x\r\n\r\nFrom me\r\n");
    char *path = xasprintf("%s/box", dir);
    const struct mbox_options o = {
        .path = path, .locks = CONFIG_LOCK_DOTLOCK | CONFIG_LOCK_FCNTL | CONFIG_LOCK_FLOCK, .attempts = 1, .delay_us = 1000,
        .stale_us = 500000000, .is_strict = true, .spool_gid = (gid_t)-1, .done = "delivered to mailbox",
    };
    struct outcome out = { 0 };
    struct stat st;

    (void)state;
    mbox_deliver(&o, SPAN("From a Thu\n"), c, &out);
    assert_int_equal(out.kind, OUTCOME_SENT);
    assert_int_equal(stat(path, &st), 0);
    off_t size = st.st_size;
    for (int at = 1;; at++) {
        watch(at, EIO);
        mbox_deliver(&o, SPAN("From a Thu\n"), c, &out);
        is_watching = false;
        if (calls < at)
            break;
        assert_int_equal(out.kind, OUTCOME_DEFERRED);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, size);
        assert_int_equal(files_in(dir), 1); /* the lock is gone */
    }
    assert_int_equal(out.kind, OUTCOME_SENT);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2 * size);
    content_free(c);
    free(path);
    remove_all();
}

static void what_another_program_left_unfinished_is_mended(void **state)
{
    struct content *c = make_content("x\r\n");
    char *path = xasprintf("%s/box", dir), text[200];
    const struct mbox_options o = { .path = path, .locks = CONFIG_LOCK_FCNTL, .attempts = 1, .stale_us = 1, .spool_gid = (gid_t)-1, .done = "" };
    struct outcome out = { 0 };
    FILE *f = fopen(path, "w");

    (void)state;
    fputs("From b Thu\n\nhalf a li", f);
    fclose(f);
    mbox_deliver(&o, SPAN("From a Thu\n"), c, &out);
    f = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, "From b Thu\n\nhalf a li\n\nFrom a Thu\nx\n\n");
    content_free(c);
    free(path);
    remove_all();
}

/* ---- words and names ---- */

static void commands_are_parted_as_a_shell_would(void **state)
{
    static const struct {
        const char *text, *words; /* joined by "|"; NULL: it needs a shell, or is not understood */
    } cases[] = {
        { "/bin/x", "/bin/x" },
        { "  /bin/x  -a\t-b ", "/bin/x|-a|-b" },
        { "/bin/x \"a b\" 'c d' e\\ f \"g\\\"h\"", "/bin/x|a b|c d|e f|g\"h" },
        { "/bin/x a\"b c\"d", "/bin/x|ab cd" },
        { "/bin/x $HOME \"$HOME\" '$HOME' \\$HOME", "/bin/x|$HOME|$HOME|$$HOME|$$HOME" },
        { "/bin/x ${A?b c}d", "/bin/x|${A?b c}d" },
        { "/bin/x \"a|b\" ';' a#b", "/bin/x|a|b|;|a#b" },
        { "/bin/x ''", "/bin/x|" },
        { "/bin/x a | /bin/y", NULL }, { "/bin/x && y", NULL }, { "/bin/x > /tmp/y", NULL }, { "/bin/x `y`", NULL },
        { "/bin/x \"`y`\"", NULL },    { "/bin/x $(y)", NULL }, { "IFS=' ' /bin/x", NULL },  { "x", NULL },
        { "/bin/x \"y", NULL },        { "", NULL },            { "/bin/x # y", NULL },      { "/bin/x *", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strlist words = { 0 };
        struct buf joined;
        struct err e;
        int rc = command_split(span_str(cases[i].text), &words, &e);
        buf_init(&joined, BUF_NO_MAX);
        for (size_t k = 0; k < words.n; k++)
            buf_addf(&joined, "%s%s", k ? "|" : "", words.at[k]);
        if (rc < 0 ? cases[i].words != NULL : !cases[i].words || strcmp(buf_cstr(&joined), cases[i].words) != 0)
            fail_msg("%s: %d %s", cases[i].text, rc, buf_cstr(&joined));
        buf_fini(&joined);
        strlist_clear(&words);
    }
}

static enum template_value value_of(void *arg, struct span name, struct buf *out)
{
    (void)arg;
    if (span_eq(name, SPAN("user")))
        return buf_adds(out, "jo$e"), TEMPLATE_DEFINED;
    if (span_eq(name, SPAN("empty")))
        return TEMPLATE_DEFINED;
    return span_eq(name, SPAN("none")) ? TEMPLATE_UNDEFINED : TEMPLATE_UNKNOWN;
}

static void templates_get_their_values(void **state)
{
    static const struct {
        const char *text, *want;
        int rc;
    } cases[] = {
        { "a", "a", 1 },
        { "$user", "jo$e", 1 },
        { "${user}s$(user)", "jo$esjo$e", 1 },
        { "$$user $", "$user $", 1 },
        { "${user?+$user}", "+jo$e", 1 },
        { "${empty?x}${empty:y}${none:z}", "yz", 1 },
        { "${user?{+$user}}${user:{x}}${none:{y}}", "+jo$ey", 1 },
        { "${user?{a}:{b}}${empty?{a}:{b}}${user:{a}b}", "ab", 1 },
        { "${empty:{a}b}", "{a}b", 1 },
        { "$none/x", "/x", 0 },
        { "$nobody", "", -1 },
        { "${user", "", -1 },
        { "${user!}", "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        struct err e;
        buf_init(&out, BUF_NO_MAX);
        int rc = template_expand(span_str(cases[i].text), value_of, NULL, &out, &e);
        if (rc != cases[i].rc || (rc >= 0 && strcmp(buf_cstr(&out), cases[i].want) != 0))
            fail_msg("%s: %d %s", cases[i].text, rc, buf_cstr(&out));
        buf_fini(&out);
    }
}

static void forwards_are_read(void **state)
{
    static const char kinds[] = "afcpi"; /* address, final, command, path, include */
    static const struct {
        const char *text, *want;
        int rc;
    } cases[] = {
        { "joe", "a:joe", 0 },
        { "# nobody\n\njoe, Ann <ann@example.com>\n\"|/bin/x a, b\" , |/bin/y c\n", "a:joe a:ann@example.com c:/bin/x a, b c:/bin/y c", 0 },
        { "|\"/bin/x a\"", "c:/bin/x a", 0 },
        { "\"|/bin/x \\\"a b\\\"\"", "c:/bin/x \"a b\"", 0 },
        { "\\joe, /var/mail/x, \"/home/a b/Maildir/\"", "f:joe p:/var/mail/x p:/home/a b/Maildir/", 0 },
        { ":include:/etc/list, :INCLUDE: \"/etc/list 2\"", "i:/etc/list i:/etc/list 2", 0 },
        { "\"joe smith\"@example.com", "a:\"joe smith\"@example.com", 0 },
        { "joe, \"open", "a:joe", -1 },
        { "a@b c@d, joe", "a:joe", -1 },
        { "", "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forwards f = { 0 };
        struct buf got;
        struct err e;
        int rc = forwards_add_text(&f, span_str(cases[i].text), &e);
        buf_init(&got, BUF_NO_MAX);
        for (size_t k = 0; k < f.n; k++)
            buf_addf(&got, "%s%c:%s", k ? " " : "", kinds[f.at[k].kind], f.at[k].text);
        if (rc != cases[i].rc || (rc == 0 && strcmp(buf_cstr(&got), cases[i].want) != 0))
            fail_msg("%s: %d %s", cases[i].text, rc, buf_cstr(&got));
        buf_fini(&got);
        forwards_fini(&f);
    }
}

static void exit_codes_mean_what_sysexits_says(void **state)
{
    static const struct {
        int status; /* of wait() */
        const char *printed, *dsn, *text;
    } cases[] = {
        { 0, "", "2.0.0", "done" },
        { 0, "4.1.1 x", "2.0.0", "done (4.1.1 x)" },
        { 67 << 8, "", "5.1.1", "user unknown" },
        { 75 << 8, "no room", "4.3.0", "temporary failure. Command output: no room" },
        { 75 << 8, "5.7.1 no", "5.7.1", "no" },
        { 67 << 8, "4.2.2", "4.2.2", "user unknown" },
        { 67 << 8, "2.0.0 x", "5.1.1", "user unknown. Command output: 2.0.0 x" },
        { 67 << 8, "4.2.2x", "5.1.1", "user unknown. Command output: 4.2.2x" },
        { 3 << 8, "", "5.3.0", "Command died with status 3: \"/bin/x\"" },
        { 9, "", "4.3.0", "Command died with signal 9: \"/bin/x\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;
        command_judge(cases[i].status, "/bin/x", cases[i].printed, "done", &o);
        assert_string_equal(o.dsn, cases[i].dsn);
        assert_string_equal(o.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivered_message_survives_a_power_cut),
        cmocka_unit_test(whatever_fails_nothing_is_left_in_new),
        cmocka_unit_test(a_message_that_cannot_be_written_whole_is_cut_off_again),
        cmocka_unit_test(what_another_program_left_unfinished_is_mended),
        cmocka_unit_test(commands_are_parted_as_a_shell_would),
        cmocka_unit_test(templates_get_their_values),
        cmocka_unit_test(forwards_are_read),
        cmocka_unit_test(exit_codes_mean_what_sysexits_says),
    };
    if (!mkdtemp(dir))
        return 1;
    int failed = cmocka_run_group_tests_name("deliver", tests, NULL, NULL);
    rmdir(dir);
    return failed;
}
