/* SPDX-License-Identifier: Apache-2.0 */
#include "server/module.h"

#include "base/mem.h"
#include "base/span.h"
#include "build.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The module of the build tree that this program runs from, if it does. */
static bool find_in_build_tree(const char *name, char *path, size_t size)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self);
    size_t folder = n > 0 ? span_rfind(span_of(self, (size_t)n), '/') : 0;

    if (folder == 0 || folder == (size_t)n)
        return false;
    int len = snprintf(path, size, "%.*s/server/%s.so", (int)folder, self, name);
    return len > 0 && (size_t)len < size && access(path, F_OK) == 0;
}

static const struct module *load(const char *path, const char *for_what, struct err *e)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        if (access(path, F_OK) < 0)
            err_set(e, ERR_CONFIG, "%s need the module %s, which is not there: install it (make install puts it there)", for_what,
                    path);
        else
            err_set(e, ERR_CONFIG, "%s need the module %s, which cannot be loaded: %s; install the library that is missing",
                    for_what, path, dlerror());
        return NULL;
    }
    const struct module *m = dlsym(handle, "baton_module");
    if (m && strcmp(m->version, PACKAGE_VERSION) == 0)
        return m;
    if (m)
        err_set(e, ERR_CONFIG, "%s need the module %s of version %s, and it is of version %s: install both from one release",
                for_what, path, PACKAGE_VERSION, m->version);
    else
        err_set(e, ERR_CONFIG, "%s need the module %s, and that file is no module of Baton", for_what, path);
    dlclose(handle);
    return NULL;
}

const struct module *module_load(const char *name, const char *for_what, struct err *e)
{
    static struct {
        const char *name;
        const struct module *module;
    } loaded[4];
    char path[PATH_MAX];
    size_t i = 0;

    for (; i < ARRAY_LEN(loaded) && loaded[i].name; i++)
        if (strcmp(loaded[i].name, name) == 0)
            return loaded[i].module;
    BUG_IF(i == ARRAY_LEN(loaded));
    if (!find_in_build_tree(name, path, sizeof path))
        snprintf(path, sizeof path, "%s/%s.so", MODULEDIR, name);
    const struct module *m = load(path, for_what, e);
    if (m) {
        loaded[i].name = name;
        loaded[i].module = m;
    }
    return m;
}
