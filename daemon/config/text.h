/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a configuration file, made safe and unambiguous before libconfig sees it. */
#pragma once

#include <stddef.h>

#define CONFIG_TEXT_MESSAGE_MAX 160

/* Reads a regular file of at most CONFIG_FILE_MAX bytes, NUL-terminated. -EISDIR, -EFBIG, -EMEDIUMTYPE (neither file nor folder)
 * and what open() and read() say. */
int config_text_read(const char *path, char **ret, size_t *ret_size);

/*
 * Checks what libconfig does not, or not well: UTF-8, NUL bytes, brackets and quotes that do not close, depth, size of groups,
 * @include. Returns a copy that it reads right whatever its version. -EINVAL: *ret_line and message say why.
 */
int config_text_prepare(const char *text, size_t size, char **ret, unsigned *ret_line,
                        char message[CONFIG_TEXT_MESSAGE_MAX]);
