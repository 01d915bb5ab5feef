/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is behind a name on the bus. The bus tells when asked, and it is asked once for each sender, without waiting: calls
 * that come before the answer are kept. One who leaves the bus is forgotten.
 */
#include "basic/hash.h"
#include "basic/log.h"
#include "daemon/dbus/private.h"

/* Calls that may wait for it to be known who sent them: of one sender, and of all. */
#define WAITING_PER_SENDER 256
#define WAITING_MAX 4096
#define GROUPS_MAX 256

typedef struct Waiting {
        sd_bus_message *message;
        Authorization authorization;
} Waiting;

typedef struct Sender {
        Bus *bus;
        char *name;         /* unique, ":1.42" */
        ApiPeer *peer;      /* NULL: not known yet */
        sd_bus_slot *query; /* the question on its way */
        Waiting *waiting;
        size_t n_waiting, allocated;
        unsigned generation;
        UT_hash_handle hh;
} Sender;

struct Senders {
        Sender *senders;
        size_t n_waiting;
        unsigned generation;
};

int senders_new(Senders **ret) {
        *ret = calloc(1, sizeof(Senders));
        return *ret ? 0 : -ENOMEM;
}

static void sender_free(Senders *s, Sender *x, Api *api) {
        HASH_DEL(s->senders, x);
        sd_bus_slot_unref(x->query);
        for (size_t i = 0; i < x->n_waiting; i++)
                sd_bus_message_unref(x->waiting[i].message);
        s->n_waiting -= x->n_waiting;
        api_peer_unref(api, x->peer);
        free(x->waiting);
        free(x->name);
        free(x);
}

void senders_clear(Bus *b) {
        Sender *x, *next = NULL;

        HASH_ITER(hh, b->senders->senders, x, next)
                sender_free(b->senders, x, b->api);
}

Senders *senders_free(Senders *s) {
        free(s);
        return NULL;
}

void senders_outdate(Bus *b) {
        b->senders->generation++;
}

/* ---- what the bus knows ---- */

typedef struct Credentials {
        uint32_t uid, pid;
        bool has_uid;
        gid_t groups[GROUPS_MAX];
        size_t n_groups;
} Credentials;

static int read_groups(sd_bus_message *m, Credentials *c) {
        const uint32_t *groups;
        size_t size;
        int r = sd_bus_message_read_array(m, 'u', (const void **) &groups, &size);

        if (r < 0)
                return r;
        /* One in more groups than that has too few of them here, never too many. */
        c->n_groups = MIN(size / sizeof(uint32_t), (size_t) GROUPS_MAX);
        for (size_t i = 0; i < c->n_groups; i++)
                c->groups[i] = groups[i];
        return 0;
}

/* The reply of GetConnectionCredentials. */
static int read_credentials(sd_bus_message *m, Credentials *ret) {
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;
                r = sd_bus_message_read_basic(m, 's', &key);
                if (r < 0)
                        return r;
                if (streq(key, "UnixUserID")) {
                        r = sd_bus_message_read(m, "v", "u", &ret->uid);
                        ret->has_uid = r >= 0;
                } else if (streq(key, "ProcessID"))
                        r = sd_bus_message_read(m, "v", "u", &ret->pid);
                else if (streq(key, "UnixGroupIDs")) {
                        r = sd_bus_message_enter_container(m, 'v', "au");
                        if (r >= 0)
                                r = read_groups(m, ret);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                } else
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : ret->has_uid ? 0 : -ENODATA;
}

static void fail_busy(Bus *b, sd_bus_message *m, const char *reason) {
        methods_fail(b, m, ERROR_BUSY, &(ApiErrorParameters) { .reason = reason });
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        Sender *x = userdata;
        Bus *b = x->bus;
        const char *reason = "the bus does not say who calls";
        Credentials c = {};

        x->query = sd_bus_slot_unref(x->query);
        if (!sd_bus_message_is_method_error(m, NULL) && read_credentials(m, &c) == 0)
                x->peer = api_peer_new(b->api, c.uid, (pid_t) c.pid, c.groups, c.n_groups, api_now_ns(), &reason);

        for (size_t i = 0; i < x->n_waiting; i++) {
                if (x->peer)
                        methods_serve(b, x->waiting[i].message, x->peer, x->waiting[i].authorization);
                else
                        fail_busy(b, x->waiting[i].message, reason);
                sd_bus_message_unref(x->waiting[i].message);
        }
        b->senders->n_waiting -= x->n_waiting;
        free(x->waiting);
        x->waiting = NULL;
        x->n_waiting = x->allocated = 0;
        if (!x->peer)
                sender_free(b->senders, x, b->api);
        return 1;
}

static int ask(Sender *x) {
        return sd_bus_call_method_async(x->bus->bus, &x->query, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetConnectionCredentials", on_credentials, x, "s", x->name);
}

/* ---- calls ---- */

static int add_sender(Bus *b, const char *name, Sender **ret) {
        Sender *x = calloc(1, sizeof(Sender));

        if (!x)
                return -ENOMEM;
        *x = (Sender) { .bus = b, .name = strdup(name), .generation = b->senders->generation };
        if (!x->name) {
                free(x);
                return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, b->senders->senders, x->name, strlen(x->name), x);
        *ret = x;
        return 0;
}

static int keep(Bus *b, Sender *x, sd_bus_message *m, Authorization authorization) {
        if (x->n_waiting == x->allocated) {
                size_t want = MAX(2 * x->allocated, (size_t) 4);
                Waiting *more = reallocarray(x->waiting, want, sizeof(Waiting));
                if (!more)
                        return -ENOMEM;
                x->waiting = more;
                x->allocated = want;
        }
        x->waiting[x->n_waiting++] = (Waiting) { sd_bus_message_ref(m), authorization };
        b->senders->n_waiting++;
        return 0;
}

int senders_admit(Bus *b, sd_bus_message *m, Authorization authorization) {
        const char *name = sd_bus_message_get_sender(m);
        Sender *x;
        int r = 0;

        if (!name)
                return 0;
        HASH_FIND_STR(b->senders->senders, name, x);
        if (x && x->peer && x->generation == b->senders->generation) {
                methods_serve(b, m, x->peer, authorization);
                return 1;
        }
        if (b->senders->n_waiting >= WAITING_MAX || (x && x->n_waiting >= WAITING_PER_SENDER)) {
                fail_busy(b, m, "too many calls before it is known who sends them");
                return 1;
        }
        if (!x)
                r = add_sender(b, name, &x);
        if (r == 0 && !x->query) {
                x->peer = api_peer_unref(b->api, x->peer);
                x->generation = b->senders->generation;
                r = ask(x);
        }
        if (r >= 0)
                r = keep(b, x, m, authorization);
        if (r < 0) {
                log_warning_errno(r, "Cannot find out who is %s", name);
                fail_busy(b, m, strerror(-r));
                if (x && x->n_waiting == 0)
                        sender_free(b->senders, x, b->api);
        }
        return 1;
}

static int on_name_gone(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        const char *name;
        Bus *b = userdata;
        Sender *x;

        if (sd_bus_message_read_basic(m, 's', &name) < 0)
                return 0;
        authority_forget(b, name);
        HASH_FIND_STR(b->senders->senders, name, x);
        if (x)
                sender_free(b->senders, x, b->api);
        return 0;
}

int senders_watch(Bus *b) {
        /* One match for all: a bus limits how many a connection may have. */
        return sd_bus_add_match_async(b->bus, NULL, "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                      "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''", on_name_gone, NULL, b);
}
