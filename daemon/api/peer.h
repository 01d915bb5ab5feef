/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end: its user, what that user may do, and how much of everything it has taken. */
#pragma once

#include <sys/types.h>

#include "daemon/config/config.h"

/* Each includes the ones before, except the prober's, which is apart. */
typedef enum Role { ROLE_VIEWER, ROLE_CLIENT, ROLE_OPERATOR, ROLE_ADMIN, ROLE_PROBER, _ROLE_MAX } Role;
extern const EnumNames role_names;
/* What polkit calls the permission to act in a role, where polkit is asked for it; NULL: the groups alone decide. */
extern const char *const role_actions[_ROLE_MAX];

/* What all connections of one user share. */
typedef struct User User;

typedef struct ApiPeer {
        unsigned refs; /* by its connection, and by calls of it that are answered later */
        User *user;
        uid_t uid;
        pid_t pid;
        unsigned roles;  /* a bit for each */
        bool privileged; /* root and the daemon's own user: no limits a user */
        char *unit;      /* see peer_unit() */
        bool unit_known;
} ApiPeer;

typedef struct Users Users;

int users_new(Users **ret, const DaemonSettings *settings);
Users *users_free(Users *u);
void users_reconfigure(Users *u, const DaemonSettings *settings);

/* NULL: over a limit or out of memory, *ret_reason says which. */
ApiPeer *peer_new(Users *u, uid_t uid, pid_t pid, const gid_t *groups, size_t n_groups, uint64_t now_ns, const char **ret_reason);
static inline ApiPeer *peer_ref(ApiPeer *p) {
        p->refs++;
        return p;
}
ApiPeer *peer_unref(Users *u, ApiPeer *p);

static inline bool peer_has_role(const ApiPeer *p, Role role) {
        return p->roles >> role & 1;
}

/* Takes a request from the user's token bucket; 0: go on, else how long to wait. */
uint64_t peer_take_token(Users *u, ApiPeer *p, uint64_t now_ns);

/* The systemd unit of its process, as it was when this was first asked; NULL: none, or the process is gone. */
const char *peer_unit(ApiPeer *p);

/* Whether one more refusal of this user's calls is worth a record: a few at once, then one in ten seconds. */
bool peer_take_refusal(ApiPeer *p, uint64_t now_ns);

/* Counts a subscription of the user (+1, -1); false: over the limit. */
bool peer_add_subscription(Users *u, ApiPeer *p, int n);

size_t users_connections(const Users *u);
