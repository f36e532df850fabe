/* SPDX-License-Identifier: Apache-2.0
 *
 * unit.h - what every unit test includes: cmocka and the headers it wants before itself. A test's function name is its
 * claim, with underscores: `a_full_buffer_refuses_more`. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
