/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes with the same provider and credential share an account, and the fate of the credential. What the vendor says
 * about an account is noted once, however many nodes there are, and each node hears of it before it is next looked at.
 */
#pragma once

#include "daemon/core/service.h"

typedef struct Account {
        Node **members;
        uint32_t n;
        uint64_t cooldown_ns; /* leave all of them alone until */
        uint32_t refusals;    /* how often the credential was refused */
        bool probe;           /* the last time, to a probe */
        Timer timer;          /* while there are members to be told of it */
        uint32_t told;        /* members[0..told) were */
} Account;

/* The table of accounts for these nodes, which it sorts and borrows. [0] is for nodes that share with nobody, so there is
 * room needed for 1 + accounts_max(n); returns how many there are. */
uint32_t accounts_make(Account *accounts, Node **nodes, uint32_t n);
static inline uint32_t accounts_max(uint32_t n_nodes) {
        return n_nodes / 2;
}
