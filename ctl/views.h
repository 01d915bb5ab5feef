/* SPDX-License-Identifier: Apache-2.0 */
/* What more than one command shows. */
#pragma once

#include "ctl/table.h"

extern const Column service_columns[], node_columns[];
extern const size_t n_service_columns, n_node_columns;

/* The nodes of all services, or of one; only those that are not simply well, if troubled. To be released. */
json_t *collect_nodes(const json_t *services, const char *service, bool troubled);
/* "pointsmand 0.1.0 is ok, up 3 h; …" */
void print_headline(Terminal *t, const json_t *status);
