/* SPDX-License-Identifier: Apache-2.0 */
/*
 * polkit (org.freedesktop.PolicyKit1) decides who may act as operator or admin. It is asked without waiting, and nothing of the call is
 * touched before it has said yes. Where the bus knows no polkit, a caller gets what its groups give it on the Unix socket, so
 * that nobody gains by bringing polkit down; a polkit that is there and does not say yes is a no.
 */
#include "basic/log.h"
#include "daemon/dbus/private.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define AUTHORITY_PATH "/org/freedesktop/PolicyKit1/Authority"
#define AUTHORITY_INTERFACE POLKIT ".Authority"
#define ALLOW_USER_INTERACTION 1U

/* Questions under way: of one sender, and of all. */
#define CHECKS_PER_SENDER 16
#define CHECKS_MAX 256
/* How long polkit may take; and a person at the keyboard, where the caller lets polkit ask one. */
#define ANSWER_MAX_US UINT64_C(10000000)
#define PERSON_MAX_US UINT64_C(120000000)

struct Check {
        Bus *bus;
        Check *next;
        sd_bus_message *call;
        sd_bus_slot *question;
        char id[16]; /* by which the question can be taken back */
};

static void check_free(Check *c) {
        Check **p = &c->bus->checks;

        while (*p && *p != c)
                p = &(*p)->next;
        if (*p)
                *p = c->next;
        sd_bus_slot_unref(c->question);
        sd_bus_message_unref(c->call);
        free(c);
}

/* Takes the question back, so that no dialogue stays on a screen for nothing. */
static void cancel(const Check *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(c->bus->bus, &m, POLKIT, AUTHORITY_PATH, AUTHORITY_INTERFACE, "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->id);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                bus_send(c->bus, m);
}

/* ---- answers ---- */

static bool is_absent(const sd_bus_error *e) {
        return sd_bus_error_has_names(e, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                      "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked");
}

static Authorization denied(const char *reason) {
        return (Authorization) { AUTHORIZATION_DENIED, reason };
}

/* Callers can bring this about as often as they like, so it is logged when it begins. */
static void log_broken(Bus *b, const char *why) {
        if (!b->authority_broken)
                log_warning("polkit does not decide who may manage, so that only root may: %s", why);
        b->authority_broken = true;
}

static Authorization read_answer(Bus *b, sd_bus_message *m) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int granted, challenge;

        if (e && is_absent(e))
                return (Authorization) { .verdict = AUTHORIZATION_NOBODY };
        if (e) {
                log_broken(b, e->message ?: e->name);
                return denied(sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT) ? "polkit does not answer" :
                              "polkit cannot decide");
        }
        int r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(m, "bb", &granted, &challenge);
        if (r < 0) {
                log_broken(b, "its answer makes no sense");
                return denied("polkit cannot decide");
        }
        b->authority_broken = false;
        if (granted)
                return (Authorization) { .verdict = AUTHORIZATION_GRANTED };
        return denied(challenge ? "polkit wants a password, and could not ask for one" : "polkit refuses");
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        Check *c = userdata;
        Bus *b = c->bus;

        Authorization answer = read_answer(b, m);
        if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY))
                cancel(c);
        call = TAKE(c->call);
        check_free(c);
        senders_admit(b, call, answer);
        return 1;
}

/* ---- questions ---- */

static int ask(Check *c, const char *method, const char *action) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        bool person = sd_bus_message_get_allow_interactive_authorization(c->call) > 0;

        int r = sd_bus_message_new_method_call(c->bus->bus, &m, POLKIT, AUTHORITY_PATH, AUTHORITY_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", sd_bus_message_get_sender(c->call),
                                          action, 1, "method", method, person ? ALLOW_USER_INTERACTION : 0, c->id);
        return r < 0 ? r : sd_bus_call_async(c->bus->bus, &c->question, m, on_answer, c, person ? PERSON_MAX_US : ANSWER_MAX_US);
}

const char *authority_ask(Bus *b, sd_bus_message *call, const char *method, const char *action) {
        const char *sender = sd_bus_message_get_sender(call);
        size_t all = 0, own = 0;

        for (const Check *c = b->checks; c; c = c->next) {
                all++;
                own += streq(sd_bus_message_get_sender(c->call), sender);
        }
        if (own >= CHECKS_PER_SENDER || all >= CHECKS_MAX)
                return "too many calls wait for polkit";

        Check *c = calloc(1, sizeof(Check));
        if (!c)
                return "out of memory";
        *c = (Check) { .bus = b, .next = b->checks, .call = sd_bus_message_ref(call) };
        snprintf(c->id, sizeof(c->id), "%u", ++b->last_check);
        b->checks = c;
        int r = ask(c, method, action);
        if (r >= 0)
                return NULL;
        check_free(c);
        return strerror(-r);
}

void authority_forget(Bus *b, const char *sender) {
        Check *next;

        for (Check *c = b->checks; c; c = next) {
                next = c->next;
                if (streq(sd_bus_message_get_sender(c->call), sender)) {
                        cancel(c);
                        check_free(c);
                }
        }
}

void authority_clear(Bus *b) {
        while (b->checks)
                check_free(b->checks);
}
