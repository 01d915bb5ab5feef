/* SPDX-License-Identifier: Apache-2.0 */
/* top: the services, the nodes and the latest events, drawn anew each second. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>

#include "ctl/ctl.h"
#include "ctl/views.h"

#define INTERVAL_MS 1000
#define EVENTS_MAX 64

typedef struct Top {
        Ctl *c;
        pointsman *stream; /* of events; NULL: not connected */
        json_t *reply;     /* the last status; NULL: none */
        json_t *before;    /* the one before, for rates */
        double reply_ms, before_ms;
        json_t *events;    /* the latest last */
        int error;         /* why there is no fresh status */
        size_t scroll;     /* nodes */
} Top;

static volatile sig_atomic_t ended, stopped;

static void on_signal(int number) {
        if (number == SIGTSTP)
                stopped = 1;
        else if (number != SIGWINCH)
                ended = 1;
}

/* ---- the terminal ---- */

static struct termios termios_before;

static void screen_enter(void) {
        struct termios t = termios_before;

        t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
        fputs("\033[?1049h\033[?25l\033[?7l", stdout); /* the alternate screen, without cursor and wrapping */
        fflush(stdout);
}

static void screen_leave(void) {
        fputs("\033[?7h\033[?25h\033[?1049l", stdout);
        fflush(stdout);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &termios_before);
}

/* As much of the text as there are lines, each overwriting what was there: no flicker. */
static void screen_draw(const char *text, unsigned lines) {
        unsigned i = 0;

        fputs("\033[H", stdout);
        for (; i < lines && *text; i++) {
                size_t n = strcspn(text, "\n");
                /* Erased first: behind a full line the cursor still stands on its last character. */
                printf("%s\033[2K%.*s", i > 0 ? "\r\n" : "", (int) n, text);
                text += n + (text[n] == '\n');
        }
        if (i < lines)
                fputs("\r\n\033[J", stdout);
        fflush(stdout);
}

/* ---- what there is to see ---- */

static const json_t *find(const json_t *rows, const char *key, const char *name) {
        json_t *row;
        size_t i;

        json_array_foreach((json_t *) rows, i, row)
                if (streq(json_text_at(row, key), name))
                        return row;
        return NULL;
}

/* Gives each row how much a count of its has grown a second. */
static void add_rates(json_t *rows, const json_t *before, const char *key, const char *count, double seconds) {
        json_t *row;
        size_t i;

        json_array_foreach(rows, i, row) {
                const json_t *old = find(before, key, json_text_at(row, key));
                double grown = json_number_value(json_at(row, count)) - json_number_value(json_at(old, count));
                if (old && grown >= 0)
                        json_object_set_new(row, "perSecond", json_real(grown / seconds));
                add_rates(json_object_get(row, "nodes"), json_at(old, "nodes"), "node", "calls", seconds);
        }
}

static void refresh(Top *t) {
        json_t *reply = NULL;

        t->error = ctl_try(t->c, "GetSystemStatus", NULL, &reply);
        if (t->error < 0) {
                if (t->error != -EREMOTEIO)
                        t->c->client = pointsman_close(t->c->client);
                return;
        }
        json_decref(t->before);
        t->before = t->reply;
        t->before_ms = t->reply_ms;
        t->reply = reply;
        t->reply_ms = ctl_now_ms();
        if (t->before)
                add_rates(json_object_get(t->reply, "services"), json_at(t->before, "services"), "serviceName", "decisions",
                          (t->reply_ms - t->before_ms) / 1e3);
}

/* Follows the events, first those that have just been. Not the decisions: they come by the thousand, and making an event of each is
 * work for the daemon that it has only if somebody asks. */
static void connect_stream(Top *t) {
        json_int_t serial = json_integer_value(json_at(t->reply, "status.eventSerial"));

        if (t->stream || t->error < 0)
                return;
        _cleanup_json_ json_t *types = json_array(),
                              *parameters = json_pack("{s:O, s:I}", "types", types, "since", MAX(serial - EVENTS_MAX, (json_int_t) 0));
        for (int i = 0; i < event_type_names.n; i++)
                if (i != EVENT_ROUTING_DECISION_MADE)
                        json_array_append_new(types, json_string(event_type_names.names[i]));
        _cleanup_free_ char *text = json_dumps(parameters, JSON_COMPACT);
        json_array_clear(t->events);
        if (text && pointsman_connect(t->c->socket, &t->stream) >= 0 && pointsman_follow(t->stream, "Subscribe", text) < 0)
                t->stream = pointsman_close(t->stream);
}

static void read_events(Top *t) {
        for (int k = 0; t->stream && k >= 0;) {
                _cleanup_free_ char *text = NULL;
                k = pointsman_next(t->stream, 0, &text);
                _cleanup_json_ json_t *reply = k >= 0 ? json_loads(text, 0, NULL) : NULL;
                json_t *event = json_object_get(reply, "event");
                if (event) {
                        json_object_set(event, "about", json_object_get(event, "node") ?: json_object_get(event, "serviceName"));
                        json_array_append(t->events, event);
                }
                if (json_array_size(t->events) > EVENTS_MAX)
                        json_array_remove(t->events, 0);
                if (k < 0 && k != -EAGAIN)
                        t->stream = pointsman_close(t->stream);
        }
}

/* ---- drawing ---- */

static json_t *slice(const json_t *rows, size_t from, size_t n) {
        json_t *some = json_array();

        for (size_t i = from; i < from + n && i < json_array_size(rows); i++)
                json_array_append(some, json_array_get(rows, i));
        return some;
}

static const Column event_columns[] = {
        { "EVENT", "time", FORMAT_TIME, 0 },
        { "SEVERITY", "severity", FORMAT_WORD, 1 },
        { "ABOUT", "about", FORMAT_TEXT, 2 },
        { "MESSAGE", "message", FORMAT_PROSE, 0 },
};

/* Rows for three tables: services and nodes as many as there are, if the lines suffice; events what is left. */
static void draw_tables(Top *t, Terminal *out, unsigned lines) {
        static const Column service_top[] = {
                { "SERVICE", "serviceName", FORMAT_TEXT, 0 }, { "USABLE", "nodes", FORMAT_USABLE, 0 },
                { "CALLS/S", "perSecond", FORMAT_RATE, 0 }, { "SUCCESS", "successRate", FORMAT_PERCENT, 1 },
                { "BUDGET", "budgetState", FORMAT_WORD, 2 }, { "SPENT/HOUR", "spendHour", FORMAT_MONEY, 2 },
                { "CAP/HOUR", "maxCostPerHour", FORMAT_MONEY, 4 }, { "STRATEGY", "strategy", FORMAT_TEXT, 5 },
                { "TIER", "costTier", FORMAT_WORD, 3 }, { "MEANWHILE", "optimizationStrategy", FORMAT_TEXT, 6 },
        };
        static const Column node_top[] = {
                { "NODE", "node", FORMAT_TEXT, 0 }, { "HEALTH", "health", FORMAT_WORD, 0 }, { "SCORE", "healthScore", FORMAT_SCORE, 1 },
                { "CIRCUIT", "circuit", FORMAT_WORD, 1 }, { "CALLS/S", "perSecond", FORMAT_RATE, 1 },
                { "SHARE", "share", FORMAT_PERCENT, 4 }, { "SUCCESS", "successRate", FORMAT_PERCENT, 1 },
                { "P50", "latencyP50Ms", FORMAT_LATENCY, 3 }, { "P95", "latencyP95Ms", FORMAT_LATENCY, 2 },
                { "P99", "latencyP99Ms", FORMAT_LATENCY, 6 }, { "IN FLIGHT", "inFlight", FORMAT_COUNT, 5 },
                { "STATE", "administrativeState", FORMAT_WORD, 5 }, { "COOL-DOWN", "cooldownMs", FORMAT_DURATION, 6 },
        };
        const json_t *services = json_at(t->reply, "services");
        _cleanup_json_ json_t *nodes = collect_nodes(services, NULL, false), *shown = NULL, *visible = NULL, *latest = NULL;
        size_t n_services = MIN(json_array_size(services), (size_t) lines / 3), n_nodes = json_array_size(nodes);
        /* Two headings and two blank lines. */
        size_t room = lines > n_services + 4 ? lines - n_services - 4 : 0;

        n_nodes = MIN(n_nodes, room);
        t->scroll = MIN(t->scroll, json_array_size(nodes) - n_nodes);
        shown = slice(services, 0, n_services);
        visible = slice(nodes, t->scroll, n_nodes);
        print_table(out, shown, service_top, ELEMENTSOF(service_top));
        fputc('\n', out->file);
        print_table(out, visible, node_top, ELEMENTSOF(node_top));

        size_t all = json_array_size(t->events), n_events = room > n_nodes + 1 ? MIN(room - n_nodes - 1, all) : 0;
        if (n_events == 0)
                return;
        latest = slice(t->events, all - n_events, n_events);
        fputc('\n', out->file);
        print_table(out, latest, event_columns, ELEMENTSOF(event_columns));
}

static void draw(Top *t) {
        unsigned columns, lines;
        char *text = NULL;
        size_t size;

        terminal_size(&columns, &lines);
        Terminal out = { .file = open_memstream(&text, &size), .color = t->c->out.color, .width = columns, .cut = true };
        if (!out.file)
                return;
        if (t->reply)
                print_headline(&out, json_at(t->reply, "status"));
        if (t->error < 0)
                fprintf(out.file, "No answer: %s. Trying again.", t->error == -EREMOTEIO ? pointsman_error_message(t->c->client)
                                                                                        : strerror(-t->error));
        fputc('\n', out.file);
        if (t->reply && lines > 3)
                draw_tables(t, &out, lines - 3);
        if (fclose(out.file) == 0)
                screen_draw(text, lines);
        free(text);
}

/* ---- the loop ---- */

/* False: to end. */
static bool read_keys(Top *t) {
        char keys[64];
        ssize_t n = read(STDIN_FILENO, keys, sizeof(keys) - 1);

        if (n <= 0)
                return n < 0 && errno == EINTR;
        keys[n] = 0;
        if (strstr(keys, "\033[A") || strchr(keys, 'k'))
                t->scroll -= t->scroll > 0;
        else if (strstr(keys, "\033[B") || strchr(keys, 'j'))
                t->scroll++;
        return !strchr(keys, 'q');
}

static void loop(Top *t) {
        double due = 0;

        while (!ended) {
                if (stopped) {
                        stopped = 0;
                        screen_leave();
                        raise(SIGSTOP);
                        screen_enter();
                }
                double now = ctl_now_ms();
                if (now >= due) {
                        refresh(t);
                        connect_stream(t);
                        read_events(t);
                        due = now + INTERVAL_MS;
                }
                draw(t);

                struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
                if (poll(&keys, 1, (int) MAX(due - ctl_now_ms(), 0.0) + 1) > 0 && !read_keys(t))
                        return;
        }
}

Exit run_top(Ctl *c, const Request *r) {
        const struct sigaction action = { .sa_handler = on_signal };
        Top t = { .c = c };

        if (c->json || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &termios_before) < 0)
                return usage(r->command, "top wants a terminal; see also: pointsmanctl --json status");
        Exit e = ctl_connect(c);
        if (e != EXIT_DONE)
                return e;
        for (size_t i = 0; i < 5; i++)
                sigaction((int[]) { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP }[i], &action, NULL);
        t.events = json_array();
        screen_enter();
        loop(&t);
        screen_leave();
        pointsman_close(t.stream);
        json_decref(t.reply);
        json_decref(t.before);
        json_decref(t.events);
        return EXIT_DONE;
}
