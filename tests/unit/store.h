/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's tests have in common: a folder, a store in it, calls to put, sums to check. */
#pragma once

#include <stdbool.h>

#include "daemon/store/store.h"
#include "tests/unit/test.h"

#define NOW (UINT64_C(1767225600) * NSEC_PER_SEC) /* 2026-01-01 */

typedef struct Fixture {
        char base[32];
        char folder[64];
        Store *store;
        char ledger[96]; /* path of the database */
        char slow[64];   /* of the file that tells the disk what to do: see tests/harness/slow-disk.c */
} Fixture;

int store_set_up(void **state);
int store_tear_down(void **state);
/* As after a restart: everything that was put is written first. */
void store_reopen(Fixture *f);
void store_open(Fixture *f);
extern const StoreLimits store_limits;

/* A call of a cent that went well, at that time, of maps/a; the tests change what matters to them. */
StoreCall call_at(uint64_t utc_ns);
/* Puts it and waits until it is committed. */
void put_and_wait(Fixture *f, const StoreCall *call);

/* Until that generation is committed; negative: the store is in trouble. Fails after ten seconds. */
int store_wait(Store *s, uint64_t generation);

/* One sum over all that the question covers; no group: all zero. */
StoreSum sum_between(Fixture *f, uint64_t from_utc_ns, uint64_t to_utc_ns);
/* "hang", the number of an error, or NULL: the disk is well. */
void store_disk(Fixture *f, const char *what);
int store_status(Fixture *f, StoreStatus *ret);

/* Polls the store's descriptor and dispatches until the condition holds; fails after ten seconds. */
void wait_until(Fixture *f, bool (*condition)(Fixture *f, void *userdata), void *userdata);
