/* SPDX-License-Identifier: Apache-2.0 */
#include "control/checks.h"

#include "relay/resolve.h"

#include <errno.h>
#include <unistd.h>

static void tell(void *arg, bool is_fault, const char *text)
{
    findings_add(arg, is_fault ? FINDING_WARNING : FINDING_NOTE, "domains", "%s", text);
}

/* Classes of addresses. What cannot be opened check_maps() has told; only lists of domains have files beside tables. */
void check_domains(const struct config *cfg, struct findings *f)
{
    struct err e = { 0 };
    struct resolver *r = resolver_new(cfg, &e);

    if (r)
        resolver_remarks(r, tell, f);
    else if (e.sys != ENOENT && !(e.sys == EACCES && geteuid() != 0))
        findings_add(f, FINDING_ERROR, "domains", "%s", e.text);
    resolver_free(r);
}
