/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon last said, asked for again when somebody looks and it is older than a second. A call takes no
 * longer than a fixed time, and a daemon that does not answer is left alone for a while, so that nobody who polls
 * waits for it each time.
 *
 * Times are of the clock that feed_clock_ns() reads: it never goes back, and counts on while the host is suspended.
 */
#pragma once

#include "snmp/snapshot.h"

typedef struct Feed Feed;

typedef enum FeedId {
        FEED_SNAPSHOT,  /* scalars, services, nodes, scenarios */
        FEED_PROVIDERS, /* asked for more rarely: plugins are loaded once */
        _FEED_MAX,
} FeedId;

uint64_t feed_clock_ns(void);

/* socket: NULL for the library's default. indexes must outlive the feed. */
int feed_new(Feed **ret, const char *socket, Indexes *indexes);
Feed *feed_free(Feed *f);

/* 1: there is a new snapshot, and pointers into the one before are void; 0: there is none yet, or it is too early to
 * ask again; negative: the daemon was asked and gave no usable answer, see feed_error(). */
int feed_refresh(Feed *f, FeedId id, uint64_t now_ns);
/* A sentence about the last failure. */
const char *feed_error(const Feed *f);
/* Something was changed: the next refresh asks the daemon, however early. */
void feed_expire(Feed *f);

const Snapshot *feed_snapshot(const Feed *f, FeedId id); /* the last that is known; NULL: none */
bool feed_is_fresh(const Feed *f);                       /* the last refresh of FEED_SNAPSHOT went well */
uint64_t feed_age_ns(const Feed *f, uint64_t now_ns);    /* of FEED_SNAPSHOT; NSEC_INFINITY: there is none */

/* Changes a node's administrative state. -EREMOTEIO: the daemon refused, see feed_error(). */
int feed_set_node_state(Feed *f, const char *node, AdministrativeState state);
