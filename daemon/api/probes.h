/* SPDX-License-Identifier: Apache-2.0 */
/* Hands due probes to a prober. With several, each probe goes to one of them, in turn. */
#pragma once

#include "daemon/api/api.h"

typedef struct Probes Probes;

int probes_new(Probes **ret, Router *router, Users *users);
Probes *probes_free(Probes *p);
size_t probes_followers(const Probes *p);
/* Whether there was a prober at any time. */
bool probes_ever_followed(const Probes *p);
/* A probe of a node is due. */
void probes_due(Probes *p, uint64_t id, const Node *node, const struct pm_provider *provider, uint64_t timeout_ns, uint64_t now_ns);
