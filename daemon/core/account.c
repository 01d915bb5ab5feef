/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/account.h"

#include <stdlib.h>

#include "daemon/core/router-private.h"

/* So many are told of a refusal at once, and the others by ticks, lest a report take milliseconds. */
#define TOLD_AT_ONCE 64

static int compare(const void *a, const void *b) {
        const NodeSettings *x = (*(Node *const *) a)->settings, *y = (*(Node *const *) b)->settings;
        int k = strcmp(x->provider_name ?: "", y->provider_name ?: "");

        return k != 0 ? k : strcmp(x->credential ?: "", y->credential ?: "");
}

/* Who names no credential shares none. */
uint32_t accounts_make(Account *accounts, Node **nodes, uint32_t n) {
        uint32_t made = 1;

        qsort(nodes, n, sizeof(*nodes), compare);
        for (uint32_t i = 0, end; i < n; i = end) {
                for (end = i + 1; end < n && nodes[i]->settings->credential && compare(&nodes[i], &nodes[end]) == 0;)
                        end++;
                if (end - i > 1)
                        accounts[made] = (Account) {
                                .members = nodes + i,
                                .n = end - i,
                                .timer.kind = TIMER_ACCOUNT,
                        };
                for (uint32_t k = i; k < end; k++) {
                        node_hot(nodes[k])->account = end - i > 1 ? made : 0;
                        node_hot(nodes[k])->refusals = 0;
                }
                made += end - i > 1;
        }
        return made;
}

static void open_locked(Router *r, Node *n, bool probe, uint64_t now_ns) {
        circuit_open(r, n, probe ? "a probe was refused" : "a call was refused", PM_AUTHENTICATION_FAILURE, now_ns);
}

void account_refusal_heard(Router *r, Node *n, uint64_t now_ns) {
        const Account *a = &r->accounts[node_hot(n)->account];

        node_hot(n)->refusals = a->refusals;
        if (!node_hot(n)->breaker.locked)
                open_locked(r, n, a->probe, now_ns);
}

static void tell(Router *r, Account *a, unsigned max, uint64_t now_ns) {
        for (unsigned i = 0; i < max && a->told < a->n; i++) {
                Node *n = a->members[a->told++];

                node_hear(r, n->service, n->index, now_ns);
        }
        if (a->told < a->n)
                timer_arm(&r->timers, &a->timer, now_ns);
        else
                timer_disarm(&r->timers, &a->timer);
}

void account_refused(Router *r, Node *n, bool probe, uint64_t now_ns) {
        Account *a = &r->accounts[node_hot(n)->account];

        open_locked(r, n, probe, now_ns);
        if (a->n == 0)
                return;
        node_hot(n)->refusals = ++a->refusals;
        a->probe = probe;
        a->told = 0;
        tell(r, a, TOLD_AT_ONCE, now_ns);
}

void account_timeout(Router *r, Account *a, uint64_t now_ns) {
        tell(r, a, 1, now_ns);
}

void account_cool(Router *r, Node *n, uint64_t until_ns) {
        Account *a = &r->accounts[node_hot(n)->account];
        uint64_t *place = a->n > 0 ? &a->cooldown_ns : &node_hot(n)->cooldown_ns;

        *place = MAX(*place, until_ns);
}

void accounts_settle(Router *r, uint64_t now_ns) {
        for (uint32_t i = 1; i < r->n_accounts; i++) {
                Account *a = &r->accounts[i];

                a->told = 0;
                tell(r, a, a->n, now_ns);
        }
}
