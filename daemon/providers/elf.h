/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Whether a shared object is whole: 0, -ENOEXEC for what is none, -ENODATA for one that is cut short (a full disk, a
 * copy under way), or why it could not be read. The dynamic loader checks much, but maps what is not there and then
 * dies of SIGBUS.
 */
int elf_check_whole(int fd, uint64_t size);
