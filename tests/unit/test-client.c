/* SPDX-License-Identifier: Apache-2.0 */
/* libpointsman against a peer that follows a script, also one that no daemon would follow. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "basic/macro.h"
#include "lib/errors.h"
#include "lib/frames.h"
#include "pointsman/pointsman.h"
#include "tests/unit/test.h"

/* What a peer does with its one connection, after which it hangs up. A peer asserts nothing: it is another thread. */
typedef void (*Script)(int fd);

typedef struct Peer {
        char folder[32], path[64];
        int fd;
        Script script;
        pthread_t thread;
        pointsman *client;
} Peer;

static void *peer_main(void *userdata) {
        Peer *peer = userdata;
        int fd = accept(peer->fd, NULL, NULL);

        if (fd >= 0) {
                peer->script(fd);
                close(fd);
        }
        return NULL;
}

static void peer_start(Peer *peer, Script script) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        *peer = (Peer) { .folder = "/tmp/test-client-XXXXXX", .script = script };
        assert_non_null(mkdtemp(peer->folder));
        snprintf(peer->path, sizeof(peer->path), "%s/socket", peer->folder);
        strcpy(sa.sun_path, peer->path);
        peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(bind(peer->fd, (struct sockaddr *) &sa, sizeof(sa)), errno);
        assert_return_code(listen(peer->fd, 1), errno);
        assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
        assert_int_equal(pointsman_connect(peer->path, &peer->client), 0);
}

static void peer_stop(Peer *peer) {
        pointsman_close(peer->client);
        pthread_join(peer->thread, NULL);
        close(peer->fd);
        unlink(peer->path);
        rmdir(peer->folder);
}

/* Reads one frame; false: the client has hung up. */
static bool get(int fd, char *buffer, size_t size) {
        for (size_t n = 0; n < size; n++) {
                if (read(fd, buffer + n, 1) != 1)
                        return false;
                if (!buffer[n])
                        return true;
        }
        return false;
}

static void put(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = send(fd, data, n, MSG_NOSIGNAL);
                if (k <= 0)
                        return;
                data += k;
                n -= (size_t) k;
        }
}

static void put_frame(int fd, const char *text) {
        put(fd, text, strlen(text) + 1);
}

/* Until the client hangs up. */
static void linger(int fd) {
        char buffer[65536];
        while (read(fd, buffer, sizeof(buffer)) > 0)
                ;
}

static void echo_script(int fd) {
        char buffer[4096], reply[8192];

        while (get(fd, buffer, sizeof(buffer))) {
                snprintf(reply, sizeof(reply), "{\"parameters\":{\"got\":%s}}", buffer);
                put_frame(fd, reply);
        }
}

static void a_call_is_one_frame_each_way(void **state) {
        char *reply;
        Peer peer;

        peer_start(&peer, echo_script);
        assert_int_equal(pointsman_call(peer.client, "GetHealth", NULL, &reply), 0);
        assert_string_equal(reply, "{\"got\":{\"method\":\"org.pointsman.routing.GetHealth\"}}");
        free(reply);
        assert_int_equal(pointsman_call(peer.client, "org.varlink.service.GetInfo", "{\"a\":[1,{}]}", &reply), 0);
        assert_string_equal(reply, "{\"got\":{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"a\":[1,{}]}}}");
        free(reply);
        peer_stop(&peer);
}

static void one_answer_script(int fd) {
        char buffer[4096], reply[8192];

        get(fd, buffer, sizeof(buffer));
        snprintf(reply, sizeof(reply), "{\"parameters\":{\"got\":%s}}", buffer);
        get(fd, buffer, sizeof(buffer));
        put_frame(fd, reply);
        linger(fd);
}

static void oneway_is_marked_and_not_waited_for(void **state) {
        char *reply;
        Peer peer;

        peer_start(&peer, one_answer_script);
        assert_int_equal(pointsman_send(peer.client, "Report", "{}"), 0);
        assert_int_equal(pointsman_call(peer.client, "GetHealth", NULL, &reply), 0);
        assert_string_equal(reply, "{\"got\":{\"method\":\"org.pointsman.routing.Report\",\"parameters\":{},\"oneway\":true}}");
        free(reply);
        peer_stop(&peer);
}

static void a_request_must_be_an_object_and_nothing_more(void **state) {
        static const char *const bad[] = {
                "", "null", "[]", "{", "{}{}", "{},\"oneway\":true", "{\"a\":}", "\"x\"", "{\"a\":\"\xff\"}",
        };
        char *reply = NULL, method[400];
        Peer peer;

        peer_start(&peer, echo_script);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(pointsman_call(peer.client, "Route", bad[i], &reply), -EINVAL);
        assert_int_equal(pointsman_call(peer.client, "", NULL, &reply), -EINVAL);
        memset(method, 'a', sizeof(method) - 1);
        method[sizeof(method) - 1] = 0;
        assert_int_equal(pointsman_call(peer.client, method, NULL, &reply), -EINVAL);
        assert_null(reply);
        /* None of them has hurt the connection. */
        assert_int_equal(pointsman_call(peer.client, "Route", "{}", &reply), 0);
        free(reply);
        peer_stop(&peer);
}

static void error_script(int fd) {
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put_frame(fd, "{\"parameters\":{\"serviceName\":\"caf\\u00e9\"},\"error\":\"org.pointsman.routing.NoSuchService\"}");
        get(fd, buffer, sizeof(buffer));
        put_frame(fd, "{\"error\":\"x.Y\"}");
        get(fd, buffer, sizeof(buffer));
        put_frame(fd, "{}");
}

static void an_error_has_a_name_and_a_sentence(void **state) {
        char *reply = NULL;
        Peer peer;

        peer_start(&peer, error_script);
        assert_string_equal(pointsman_error_message(peer.client), "");
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EREMOTEIO);
        assert_string_equal(pointsman_error_name(peer.client), "org.pointsman.routing.NoSuchService");
        assert_string_equal(pointsman_error_message(peer.client), "there is no service \"caf\xc3\xa9\"");
        assert_string_equal(pointsman_error_parameters(peer.client), "{\"serviceName\":\"caf\\u00e9\"}");
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EREMOTEIO);
        assert_string_equal(pointsman_error_message(peer.client), "the daemon answered x.Y");
        assert_null(reply);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), 0);
        assert_string_equal(reply, "{}");
        assert_string_equal(pointsman_error_name(peer.client), "");
        free(reply);
        peer_stop(&peer);
}

static void errors_read_as_sentences(void **state) {
        static const struct { const char *name, *parameters, *sentence; } cases[] = {
                { "org.pointsman.routing.BudgetExhausted",
                  "{\"limit\":\"maxCostPerHour\",\"serviceName\":\"maps\",\"resetsInMs\":5400000}",
                  "the budget of service \"maps\" is used up (maxCostPerHour); it resets in 90 min" },
                { "org.pointsman.routing.RateLimited", "{\"retryAfterMs\":50}", "too many requests; try again in 50 ms" },
                { "org.pointsman.routing.RateLimited", "{\"retryAfterMs\":0}", "too many requests" },
                { "org.pointsman.routing.RateLimited", "{\"retryAfterMs\":[1]}", "too many requests" },
                { "org.pointsman.routing.NoUsableNode", "{\"serviceName\":\"a\",\"retryAfterMs\":1500,\"reason\":\"all are open\"}",
                  "all are open; try again in 1.5 s" },
                { "org.pointsman.routing.NoUsableNode", "{\"serviceName\":\"a\"}", "no node of service \"a\" can be used" },
                { "org.pointsman.routing.BudgetExhausted", "{\"serviceName\":[],\"limit\":7,\"resetsInMs\":1.5}",
                  "the budget of service \"?\" is used up (7); it resets in 1.5" },
                { "org.varlink.service.InvalidParameter", "{\"parameter\":\"units\",\"reason\":\"from 0 to 1000000\"}",
                  "parameter \"units\": from 0 to 1000000" },
                { "org.varlink.service.InvalidParameter", "{\"parameter\":\"units\"}", "parameter \"units\" is missing or not allowed" },
                { "org.varlink.service.PermissionDenied", "{\"reason\":\"wants the role admin\"}",
                  "you are not allowed to do this: wants the role admin" },
                { "org.varlink.service.MethodNotFound", "{\"method\":\"a.B\"}", "the daemon has no method \"a.B\"" },
                { "a.B", "{\"c\":1}", "the daemon answered a.B {\"c\":1}" },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = error_sentence(cases[i].name, cases[i].parameters);
                assert_string_equal(s, cases[i].sentence);
        }
}

#define LARGE (3 * 1024 * 1024)

static void large_script(int fd) {
        static const char head[] = "{\"parameters\":{\"x\":\"", tail[] = "\"}}";
        char buffer[4096], *x = malloc(LARGE);

        memset(x, 'x', LARGE);
        get(fd, buffer, sizeof(buffer));
        put(fd, head, sizeof(head) - 1);
        put(fd, x, LARGE);
        put(fd, tail, sizeof(tail));
        free(x);
        get(fd, buffer, sizeof(buffer));
        /* A byte at a time. */
        for (const char *p = "{\"parameters\":{\"slow\":true}}"; ; p++) {
                put(fd, p, 1);
                if (!*p)
                        break;
        }
        linger(fd);
}

static void replies_come_in_any_size_and_any_pieces(void **state) {
        char *reply;
        Peer peer;

        peer_start(&peer, large_script);
        assert_int_equal(pointsman_call(peer.client, "GetSnapshot", NULL, &reply), 0);
        assert_int_equal(strlen(reply), LARGE + 8);
        assert_int_equal(strspn(reply + 6, "x"), LARGE);
        free(reply);
        assert_int_equal(pointsman_call(peer.client, "GetSnapshot", NULL, &reply), 0);
        assert_string_equal(reply, "{\"slow\":true}");
        free(reply);
        peer_stop(&peer);
}

static void endless_script(int fd) {
        char x[65536];

        memset(x, ' ', sizeof(x));
        for (size_t n = 0; n < FRAME_SIZE_MAX + 2 * sizeof(x); n += sizeof(x))
                put(fd, x, sizeof(x));
        linger(fd);
}

static void a_reply_without_end_is_refused(void **state) {
        char *reply = NULL;
        Peer peer;

        peer_start(&peer, endless_script);
        assert_int_equal(pointsman_call(peer.client, "GetSnapshot", NULL, &reply), -EMSGSIZE);
        assert_int_equal(pointsman_call(peer.client, "GetSnapshot", NULL, &reply), -ENOTCONN);
        assert_int_equal(pointsman_send(peer.client, "GetSnapshot", NULL), -ENOTCONN);
        assert_null(reply);
        peer_stop(&peer);
}

static const char *garbage;

static void garbage_script(int fd) {
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put_frame(fd, garbage);
        linger(fd);
}

static void garbage_is_a_protocol_error(void **state) {
        static const char *const bad[] = {
                "", "null", "[]", "hello", "{", "{}}", "{\"parameters\":3}", "{\"parameters\":[]}", "{\"error\":{}}", "{\"continues\":1}",
                "{\"parameters\":{}", "{\"parameters\":{},}", "{\"parameters\":{\"a\":\"\xff\"}}", "{\"parameters\":{},\"continues\":true}",
                "\x16\x03\x01\x02", "{\"error\":\"x.Y\",\"continues\":true}",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *reply = NULL;
                Peer peer;

                garbage = bad[i];
                peer_start(&peer, garbage_script);
                assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EPROTO);
                assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -ENOTCONN);
                assert_null(reply);
                peer_stop(&peer);
        }
}

static void two_answers_script(int fd) {
        static const char two[] = "{}\0{}";
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put(fd, two, sizeof(two));
        linger(fd);
}

static void two_answers_to_one_question_are_one_too_many(void **state) {
        char *reply = NULL;
        Peer peer;

        peer_start(&peer, two_answers_script);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EPROTO);
        assert_null(reply);
        peer_stop(&peer);
}

static void half_script(int fd) {
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put(fd, "{\"parameters\":{", 15);
}

static void silent_script(int fd) {
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put(fd, "{\"parameters\":{", 15);
        linger(fd);
}

static uint64_t now_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void half_a_reply_is_a_reset_or_a_timeout(void **state) {
        char *reply = NULL;
        Peer peer;

        peer_start(&peer, half_script);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -ECONNRESET);
        peer_stop(&peer);

        peer_start(&peer, silent_script);
        pointsman_set_timeout(peer.client, 50);
        uint64_t before = now_ms();
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -ETIMEDOUT);
        assert_true(now_ms() - before >= 49);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -ENOTCONN);
        assert_null(reply);
        peer_stop(&peer);
}

static void turned_away_script(int fd) {
        put_frame(fd, "{\"error\":\"org.pointsman.routing.Busy\",\"parameters\":{\"reason\":\"too many connections\"}}");
}

static void gone_script(int fd) {
}

/* SIGPIPE keeps its default action here, so that a send without MSG_NOSIGNAL would end the test. */
static void a_daemon_that_hangs_up_ends_nobody(void **state) {
        char *reply = NULL;
        Peer peer;

        signal(SIGPIPE, SIG_DFL);
        peer_start(&peer, turned_away_script);
        pthread_join(peer.thread, NULL);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EREMOTEIO);
        assert_string_equal(pointsman_error_message(peer.client), "the daemon is busy: too many connections");
        assert_int_equal(pthread_create(&peer.thread, NULL, peer_main, &peer), 0);
        pointsman *other;
        assert_int_equal(pointsman_connect(peer.path, &other), 0);
        pointsman_close(other);
        peer_stop(&peer);

        peer_start(&peer, gone_script);
        pthread_join(peer.thread, NULL);
        assert_int_equal(pointsman_send(peer.client, "Report", NULL), -EPIPE);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -ENOTCONN);
        assert_null(reply);
        assert_int_equal(pthread_create(&peer.thread, NULL, peer_main, &peer), 0);
        assert_int_equal(pointsman_connect(peer.path, &other), 0);
        pointsman_close(other);
        peer_stop(&peer);
}

static void stream_script(int fd) {
        static const char three[] = "{\"parameters\":{\"event\":2},\"continues\":true}\0{\"parameters\":{\"event\":3}}";
        char buffer[4096];

        get(fd, buffer, sizeof(buffer));
        put_frame(fd, "{\"continues\":true,\"parameters\":{\"event\":1}}");
        /* What a follower has to say goes over another connection, so nothing comes until the test wants more. */
        recv(fd, buffer, 1, 0);
        put(fd, three, sizeof(three));
        get(fd, buffer, sizeof(buffer));
        get(fd, buffer, sizeof(buffer));
        put_frame(fd, "{\"error\":\"org.varlink.service.PermissionDenied\"}");
        linger(fd);
}

static void a_stream_ends_and_leaves_a_connection(void **state) {
        char *reply = NULL;
        Peer peer;

        peer_start(&peer, stream_script);
        assert_int_equal(pointsman_next(peer.client, -1, &reply), -ENODATA);
        assert_int_equal(pointsman_follow(peer.client, "Subscribe", NULL), 0);
        assert_int_equal(pointsman_call(peer.client, "Route", NULL, &reply), -EBUSY);
        assert_int_equal(pointsman_send(peer.client, "Route", NULL), -EBUSY);
        assert_int_equal(pointsman_next(peer.client, -1, &reply), 0);
        assert_string_equal(reply, "{\"event\":1}");
        free(TAKE(reply));
        assert_int_equal(pointsman_next(peer.client, 0, &reply), -EAGAIN);
        assert_int_equal(pointsman_next(peer.client, 10, &reply), -EAGAIN);

        assert_int_equal(send(pointsman_fd(peer.client), "x", 1, 0), 1);
        struct pollfd p = { .fd = pointsman_fd(peer.client), .events = POLLIN };
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_int_equal(pointsman_next(peer.client, 5000, &reply), 0);
        assert_string_equal(reply, "{\"event\":2}");
        free(TAKE(reply));
        assert_int_equal(pointsman_next(peer.client, 5000, &reply), 0);
        assert_string_equal(reply, "{\"event\":3}");
        free(TAKE(reply));
        assert_int_equal(pointsman_next(peer.client, -1, &reply), -ENODATA);

        assert_int_equal(pointsman_send(peer.client, "Report", NULL), 0);
        assert_int_equal(pointsman_follow(peer.client, "FollowProbes", NULL), 0);
        assert_int_equal(pointsman_next(peer.client, 5000, &reply), -EREMOTEIO);
        assert_string_equal(pointsman_error_message(peer.client), "you are not allowed to do this");
        assert_int_equal(pointsman_next(peer.client, -1, &reply), -ENODATA);
        assert_null(reply);
        peer_stop(&peer);
}

static volatile int frames_whole, frames_broken;
static pthread_barrier_t reads_now;

static void slow_reader_script(int fd) {
        size_t size = 1024 * 1024;
        char *buffer = malloc(size);

        pthread_barrier_wait(&reads_now);
        while (get(fd, buffer, size)) {
                JsonReader r;
                JsonValue v;
                json_open(&r, buffer, strlen(buffer));
                if (json_read(&r, &v) < 0 || json_skip(&r, &v) < 0 || json_close(&r) < 0)
                        frames_broken++;
                else if (!strstr(buffer, "oneway"))
                        put_frame(fd, "{}");
                else
                        frames_whole++;
        }
        free(buffer);
}

static void a_full_buffer_loses_and_splits_nothing(void **state) {
        char *parameters = malloc(600 * 1024 + 16), *reply;
        int sent = 0, k;
        Peer peer;

        frames_whole = frames_broken = 0;
        pthread_barrier_init(&reads_now, NULL, 2);
        peer_start(&peer, slow_reader_script);
        strcpy(parameters, "{\"x\":\"");
        memset(parameters + 6, 'x', 600 * 1024);
        strcpy(parameters + 6 + 600 * 1024, "\"}");
        while ((k = pointsman_send(peer.client, "Report", parameters)) == 0)
                assert_true(++sent < 1000);
        assert_int_equal(k, -EAGAIN);
        assert_true(sent > 0);
        assert_int_equal(pointsman_flush(peer.client), -EAGAIN);

        pthread_barrier_wait(&reads_now);
        assert_int_equal(pointsman_call(peer.client, "GetHealth", NULL, &reply), 0);
        free(reply);
        assert_int_equal(pointsman_flush(peer.client), 0);
        pointsman_close(TAKE(peer.client));
        peer_stop(&peer);
        assert_int_equal(frames_whole, sent);
        assert_int_equal(frames_broken, 0);
        pthread_barrier_destroy(&reads_now);
        free(parameters);
}

static char asked[4][70000];

static void decision_script(int fd) {
        get(fd, asked[0], sizeof(asked[0]));
        put_frame(fd, "{\"parameters\":{\"decision\":{\"id\":\"d-1\",\"node\":\"maps/here\",\"url\":\"https://x\\/\",\"reason\":\"so\","
                      "\"estimatedCost\":0.005,\"confidence\":0.97,\"fallbacks\":[\"maps/mapbox\"],\"retryAfterMs\":3,\"degraded\":true,"
                      "\"candidates\":[{\"node\":\"no\"}]}}}");
        get(fd, asked[1], sizeof(asked[1]));
        get(fd, asked[2], sizeof(asked[2]));
        put_frame(fd, "{\"parameters\":{\"verdict\":\"network_issue\",\"decision\":{\"id\":\"d-2\",\"node\":\"maps/mapbox\",\"url\":\"u\"}}}");
        get(fd, asked[3], sizeof(asked[3]));
        put_frame(fd, "{\"parameters\":{\"decision\":{\"id\":\"d-2\",\"node\":\"maps/mapbox\",\"url\":7}}}");
        linger(fd);
}

static void decisions_in_c_types(void **state) {
        struct pointsman_decision d;
        Peer peer;

        peer_start(&peer, decision_script);
        assert_int_equal(pointsman_route(peer.client, "ma\"ps", "geocode", &d), 0);
        assert_string_equal(asked[0], "{\"method\":\"org.pointsman.routing.Route\",\"parameters\":"
                                      "{\"serviceName\":\"ma\\\"ps\",\"operation\":\"geocode\"}}");
        assert_string_equal(d.id, "d-1");
        assert_string_equal(d.node, "maps/here");
        assert_string_equal(d.url, "https://x/");
        assert_true(fabs(d.estimated_cost - 0.005) < 1e-12);
        assert_true(fabs(d.confidence - 0.97) < 1e-12);
        assert_true(d.degraded);
        assert_int_equal(d.retry_after_ms, 3);

        assert_int_equal(pointsman_report(peer.client, "d-1", 0, NULL, NULL, -1), -EINVAL);
        assert_int_equal(pointsman_report(peer.client, "d-1", 200, "timeout", NULL, -1), -EINVAL);
        char *body = malloc(100001);
        memset(body, 'b', 100000);
        body[100000] = 0;
        assert_int_equal(pointsman_report(peer.client, "d-1", 503, NULL, body, 12.25), 0);
        free(body);
        assert_int_equal(pointsman_fallback(peer.client, "d-1", 0, "timeout", NULL, -1, &d), 0);
        assert_string_equal(d.node, "maps/mapbox");
        assert_false(d.degraded);
        assert_non_null(strstr(asked[1], "{\"decision\":\"d-1\",\"httpStatus\":503,\"body\":\"bbb"));
        assert_non_null(strstr(asked[1], "bbb\",\"bodyTruncated\":true,\"latencyMs\":12.25},\"oneway\":true}"));
        assert_true(strlen(asked[1]) < 66000);
        assert_string_equal(asked[2], "{\"method\":\"org.pointsman.routing.CostAwareFallback\",\"parameters\":"
                                      "{\"decision\":\"d-1\",\"error\":\"timeout\"}}");

        /* An answer that makes no sense changes nothing, and the connection is as good as before. */
        struct pointsman_decision before = d;
        assert_int_equal(pointsman_route(peer.client, "maps", NULL, &d), -EPROTO);
        assert_memory_equal(&before, &d, sizeof(d));
        peer_stop(&peer);
}

static void nobody_listens(void **state) {
        char folder[] = "/tmp/test-client-XXXXXX", path[64], longer[200];
        pointsman *p = NULL;

        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/socket", folder);
        assert_int_equal(pointsman_connect(path, &p), -ENOENT);
        setenv("POINTSMAN_SOCKET", path, 1);
        assert_int_equal(pointsman_connect(NULL, &p), -ENOENT);
        unsetenv("POINTSMAN_SOCKET");

        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        strcpy(sa.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_return_code(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), errno);
        close(fd);
        assert_int_equal(pointsman_connect(path, &p), -ECONNREFUSED);

        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = 0;
        assert_int_equal(pointsman_connect(longer, &p), -ENAMETOOLONG);
        assert_null(p);
        assert_null(pointsman_close(NULL));
        unlink(path);
        rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_is_one_frame_each_way),
                cmocka_unit_test(oneway_is_marked_and_not_waited_for),
                cmocka_unit_test(a_request_must_be_an_object_and_nothing_more),
                cmocka_unit_test(an_error_has_a_name_and_a_sentence),
                cmocka_unit_test(errors_read_as_sentences),
                cmocka_unit_test(replies_come_in_any_size_and_any_pieces),
                cmocka_unit_test(a_reply_without_end_is_refused),
                cmocka_unit_test(garbage_is_a_protocol_error),
                cmocka_unit_test(two_answers_to_one_question_are_one_too_many),
                cmocka_unit_test(half_a_reply_is_a_reset_or_a_timeout),
                cmocka_unit_test(a_daemon_that_hangs_up_ends_nobody),
                cmocka_unit_test(a_stream_ends_and_leaves_a_connection),
                cmocka_unit_test(a_full_buffer_loses_and_splits_nothing),
                cmocka_unit_test(decisions_in_c_types),
                cmocka_unit_test(nobody_listens),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
