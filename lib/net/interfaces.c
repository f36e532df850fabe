/* SPDX-License-Identifier: Apache-2.0 */
#include "net/interfaces.h"

#include <ifaddrs.h>

int interfaces_addresses(struct addr_list *out, struct err *e)
{
    struct ifaddrs *all;
    union addr a;

    if (getifaddrs(&all) < 0)
        return err_sys(e, "the addresses of this machine");
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && addr_set(&a, i->ifa_addr))
            addr_list_add(out, &a);
    freeifaddrs(all);
    return 0;
}
