/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api/peer.h"

#include <errno.h>
#include <grp.h>
#include <systemd/sd-login.h>

#include "basic/hash.h"
#include "basic/macro.h"

static const char *const role_table[] = { "viewer", "client", "operator", "admin", "prober" };
const EnumNames role_names = { "Role", role_table, _ROLE_MAX };
const char *const role_actions[_ROLE_MAX] = {
        [ROLE_OPERATOR] = "org.pointsman.Pointsman1.operate", [ROLE_ADMIN] = "org.pointsman.Pointsman1.administer",
};

/* So many idle users are remembered, so that a user cannot refill its bucket by connecting anew. */
#define USERS_KEPT 4096

struct User {
        uid_t uid;
        uint32_t connections, subscriptions;
        uint64_t tokens; /* in requests × NSEC_PER_SEC, so that nothing is lost in refilling */
        uint64_t refilled_ns;
        uint64_t refusals_ns; /* refusals are paid for up to then */
        UT_hash_handle hh;
};

typedef struct Groups {
        gid_t *gids;
        size_t n;
        bool everybody;
} Groups;

struct Users {
        User *users;
        const DaemonSettings *settings;
        Groups groups[_ROLE_MAX];
        uint32_t connections, subscriptions;
};

static void groups_done(Groups *g) {
        free(g->gids);
        *g = (Groups) {};
}

/* A group that does not exist lets nobody in; the configuration warns of it. */
static int groups_resolve(Groups *g, char **names) {
        size_t n = 0;

        groups_done(g);
        while (names && names[n])
                n++;
        g->gids = calloc(n + 1, sizeof(gid_t));
        if (!g->gids)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (streq(names[i], "*")) {
                        g->everybody = true;
                        continue;
                }
                struct group *gr = getgrnam(names[i]);
                if (gr)
                        g->gids[g->n++] = gr->gr_gid;
        }
        return 0;
}

static int resolve(Users *u) {
        const DaemonSettings *s = u->settings;
        char **const names[] = {
                [ROLE_VIEWER] = s->viewer_groups, [ROLE_CLIENT] = s->client_groups, [ROLE_OPERATOR] = s->operator_groups,
                [ROLE_ADMIN] = s->admin_groups, [ROLE_PROBER] = s->prober_groups,
        };

        for (Role r = 0; r < _ROLE_MAX; r++)
                if (groups_resolve(&u->groups[r], names[r]) < 0)
                        return -ENOMEM;
        return 0;
}

int users_new(Users **ret, const DaemonSettings *settings) {
        Users *u = calloc(1, sizeof(Users));

        if (!u)
                return -ENOMEM;
        u->settings = settings;
        if (resolve(u) < 0) {
                users_free(u);
                return -ENOMEM;
        }
        *ret = u;
        return 0;
}

Users *users_free(Users *u) {
        User *x, *next = NULL;

        if (!u)
                return NULL;
        HASH_ITER(hh, u->users, x, next) {
                HASH_DEL(u->users, x);
                free(x);
        }
        for (Role r = 0; r < _ROLE_MAX; r++)
                groups_done(&u->groups[r]);
        free(u);
        return NULL;
}

void users_reconfigure(Users *u, const DaemonSettings *settings) {
        u->settings = settings;
        resolve(u);
}

static bool in_groups(const Groups *g, const gid_t *groups, size_t n) {
        if (g->everybody)
                return true;
        for (size_t i = 0; i < g->n; i++)
                for (size_t k = 0; k < n; k++)
                        if (g->gids[i] == groups[k])
                                return true;
        return false;
}

static unsigned roles_of(const Users *u, const gid_t *groups, size_t n, bool privileged) {
        if (privileged)
                return (1U << _ROLE_MAX) - 1;
        unsigned roles = in_groups(&u->groups[ROLE_PROBER], groups, n) ? 1U << ROLE_PROBER : 0;
        for (Role r = ROLE_ADMIN + 1; r-- > ROLE_VIEWER;)
                if (in_groups(&u->groups[r], groups, n))
                        return roles | ((1U << (r + 1)) - 1);
        return roles;
}

/* Forgets users without connections whose bucket is full again: they are as good as new. */
static void forget_idle(Users *u, uint64_t now_ns) {
        uint64_t full_ns = (uint64_t) u->settings->requests_burst * NSEC_PER_SEC / MAX(u->settings->requests_per_second, 1U);
        User *x, *next = NULL;

        HASH_ITER(hh, u->users, x, next)
                if (x->connections == 0 && now_ns - x->refilled_ns >= full_ns) {
                        HASH_DEL(u->users, x);
                        free(x);
                }
}

static User *get_user(Users *u, uid_t uid, uint64_t now_ns) {
        User *x;

        HASH_FIND(hh, u->users, &uid, sizeof(uid), x);
        if (x)
                return x;
        if (HASH_COUNT(u->users) >= USERS_KEPT)
                forget_idle(u, now_ns);
        x = calloc(1, sizeof(User));
        if (!x)
                return NULL;
        x->uid = uid;
        x->tokens = u->settings->requests_burst * NSEC_PER_SEC;
        x->refilled_ns = now_ns;
        HASH_ADD(hh, u->users, uid, sizeof(uid), x);
        return x;
}

ApiPeer *peer_new(Users *u, uid_t uid, pid_t pid, const gid_t *groups, size_t n_groups, uint64_t now_ns, const char **ret_reason) {
        bool privileged = uid == 0 || uid == geteuid();
        User *x = get_user(u, uid, now_ns);
        ApiPeer *p = x ? calloc(1, sizeof(ApiPeer)) : NULL;

        if (!p) {
                *ret_reason = "out of memory";
                return NULL;
        }
        if (u->connections >= u->settings->connections_max)
                *ret_reason = "too many connections";
        else if (!privileged && x->connections >= u->settings->connections_per_user)
                *ret_reason = "too many connections of this user";
        else {
                *p = (ApiPeer) { .refs = 1, .user = x, .uid = uid, .pid = pid, .roles = roles_of(u, groups, n_groups, privileged),
                                 .privileged = privileged };
                u->connections++;
                x->connections++;
                return p;
        }
        free(p);
        return NULL;
}

ApiPeer *peer_unref(Users *u, ApiPeer *p) {
        if (!p || --p->refs > 0)
                return NULL;
        p->user->connections--;
        u->connections--;
        free(p->unit);
        free(p);
        return NULL;
}

const char *peer_unit(ApiPeer *p) {
        if (!p->unit_known) {
                p->unit_known = true;
                if (p->pid <= 0 || sd_pid_get_unit(p->pid, &p->unit) < 0)
                        p->unit = NULL;
        }
        return p->unit;
}

#define REFUSAL_NS (10 * NSEC_PER_SEC)
#define REFUSALS_AT_ONCE 10

bool peer_take_refusal(ApiPeer *p, uint64_t now_ns) {
        User *x = p->user;

        x->refusals_ns = MAX(x->refusals_ns, now_ns);
        if (x->refusals_ns + REFUSAL_NS > now_ns + REFUSALS_AT_ONCE * REFUSAL_NS)
                return false;
        x->refusals_ns += REFUSAL_NS;
        return true;
}

uint64_t peer_take_token(Users *u, ApiPeer *p, uint64_t now_ns) {
        uint64_t rate = u->settings->requests_per_second, burst = u->settings->requests_burst * NSEC_PER_SEC;
        User *x = p->user;

        if (p->privileged || rate == 0)
                return 0;
        if (now_ns > x->refilled_ns) {
                /* Beyond the time that fills the bucket from empty there is nothing to gain, and the product might overflow. */
                uint64_t dt = MIN(now_ns - x->refilled_ns, burst / rate + 1);
                x->tokens = MIN(burst, x->tokens + dt * rate);
                x->refilled_ns = now_ns;
        }
        if (x->tokens < NSEC_PER_SEC)
                return (NSEC_PER_SEC - x->tokens + rate - 1) / rate;
        x->tokens -= NSEC_PER_SEC;
        return 0;
}

bool peer_add_subscription(Users *u, ApiPeer *p, int n) {
        if (n > 0 && (u->subscriptions >= u->settings->subscriptions_max ||
                      (!p->privileged && p->user->subscriptions >= u->settings->subscriptions_per_user)))
                return false;
        u->subscriptions += (uint32_t) n;
        p->user->subscriptions += (uint32_t) n;
        return true;
}

size_t users_connections(const Users *u) {
        return u->connections;
}
