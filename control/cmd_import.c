/* SPDX-License-Identifier: Apache-2.0
 *
 * baton import - prints the baton.conf that does what a Postfix's configuration did. */
#include "control/command.h"
#include "control/import.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOMETHING_WAS_LOST = 1 };

#define POSTFIX_FILE_MAX ((size_t)1 << 20)

struct wish {
    const char *folder, *main_file; /* main_file: -n */
    const char *output;
};

static const struct option long_options[] = {
    { "output", required_argument, NULL, 'o' },
    { NULL, 0, NULL, 0 },
};

static int read_stream(FILE *f, const char *name, struct buf *text, struct err *e)
{
    char block[8192];
    size_t n;

    while ((n = fread(block, 1, sizeof block, f)) > 0)
        if (buf_add(text, block, n) < 0)
            return err_set(e, ERR_CONFIG, "%s is larger than %zu bytes", name, POSTFIX_FILE_MAX);
    if (ferror(f))
        return err_sys(e, "%s", name);
    return 0;
}

static int read_file(const char *name, struct buf *text, struct err *e)
{
    FILE *f = fopen(name, "re");

    if (!f)
        return err_sys(e, "%s", name);
    int result = read_stream(f, name, text, e);
    fclose(f);
    return result;
}

static int read_main(struct import *im, const struct wish *w, struct err *e)
{
    struct buf text;
    int result;

    buf_init(&text, POSTFIX_FILE_MAX);
    result = strcmp(im->main_file, "-") == 0 ? read_stream(stdin, "stdin", &text, e) : read_file(im->main_file, &text, e);
    if (result == 0) {
        im->main.folder = xstrdup(w->folder);
        postfix_main_parse(&im->main, buf_span(&text));
    }
    buf_fini(&text);
    return result;
}

/* A folder without one is of a Postfix that listens at port 25, as they come. */
static int read_master(struct import *im, const struct wish *w, struct err *e)
{
    char *name = xasprintf("%s/master.cf", w->folder);
    struct buf text;

    buf_init(&text, POSTFIX_FILE_MAX);
    int result = read_file(name, &text, e);
    if (result == 0) {
        im->has_master = true;
        postfix_master_parse(&im->master, buf_span(&text));
    } else if (e->sys == ENOENT) {
        result = 0;
    }
    buf_fini(&text);
    free(name);
    return result;
}

static int write_out(const struct wish *w, const struct buf *text, struct err *e)
{
    int fd;

    if (!w->output) {
        fwrite(text->at ? text->at : "", 1, text->len, stdout);
        return 0;
    }
    /* It may hold passwords: from its first moment on nobody else may read it, and an old file with other rights is no place. */
    fd = open(w->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? err_set(e, ERR_CONFIG, "%s is there already: name another file, or move it away", w->output)
                               : err_sys(e, "%s", w->output);
    FILE *f = fdopen(fd, "w");
    BUG_IF(!f);
    bool is_written = fwrite(text->at, 1, text->len, f) == text->len && fflush(f) == 0 && fsync(fd) == 0;
    int result = is_written ? 0 : err_sys(e, "%s", w->output);
    fclose(f);
    return result;
}

static int import(struct import *im, const struct wish *w)
{
    struct buf text;
    struct err e = { 0 };

    if (read_main(im, w, &e) < 0 || (strcmp(im->main_file, "-") != 0 && read_master(im, w, &e) < 0)) {
        fprintf(stderr, "baton: %s\n", e.text);
        return e.sys == EACCES || e.sys == EPERM ? EX_NOPERM : EX_NOINPUT;
    }
    import_directories(im);
    import_pipes(im);
    import_settings(im);
    import_defaults(im);
    import_logins(im);
    import_services(im);
    import_settle(im);
    buf_init(&text, BUF_NO_MAX);
    import_render(im, true, &text);
    int result = write_out(w, &text, &e);
    if (result < 0)
        fprintf(stderr, "baton: %s\n", e.text);
    wipe(text.at, text.len);
    buf_fini(&text);
    if (result < 0)
        return EX_CANTCREAT;
    return import_count_lost(im) || im->is_broken ? SOMETHING_WAS_LOST : EX_OK;
}

static int run(const struct command_options *o, int argc, char **argv)
{
    struct wish w = { .folder = "/etc/postfix" };
    struct import im = { 0 };
    int c;

    (void)o;
    while ((c = getopt_long(argc, argv, "+n:o:", long_options, NULL)) != -1) {
        if (c == 'n')
            w.main_file = optarg;
        else if (c == 'o')
            w.output = optarg;
        else
            return command_usage(&cmd_import);
    }
    if (argc - optind > 1)
        return command_usage(&cmd_import);
    bool is_stdin = optind < argc && strcmp(argv[optind], "-") == 0;
    if (optind < argc && !is_stdin)
        w.folder = argv[optind];
    char *main_file = is_stdin ? xstrdup("-") : w.main_file ? xstrdup(w.main_file) : xasprintf("%s/main.cf", w.folder);
    im.main_file = main_file;
    im.takes_passwords = w.output != NULL;
    int status = import(&im, &w);
    import_fini(&im);
    free(main_file);
    return status;
}

const struct command cmd_import = {
    .name = "import",
    .help = "print the configuration that does what a Postfix's did",
    .usage = "import [-n FILE] [--output FILE] [FOLDER | -]\n\n"
             "Reads main.cf, master.cf and the tables they name, in /etc/postfix or FOLDER, and prints a baton.conf that does\n"
             "the same, with a comment for each line that could not be carried. Nothing is changed.\n"
             "  -n FILE        read FILE instead of FOLDER/main.cf\n"
             "  -              read what `postconf -n` prints, from stdin\n"
             "  --output FILE  write there instead, with mode 0600 and with the passwords of smtp_sasl_password_maps\n"
             "Exit status: 0 when all was carried, 1 when something was not, else as in sysexits.h.\n",
    .run = run,
};
