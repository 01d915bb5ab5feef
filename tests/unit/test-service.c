/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager is told what there is to tell, and is waited for in no case. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/service.h"
#include "tests/unit/test.h"

typedef struct Fixture {
        char folder[32];
        int fd; /* the manager's end */
        sd_event *event;
} Fixture;

/* name: of a socket in the folder, or "@" for one that is in no file system. */
static int listen_as(Fixture *x, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[64];

        snprintf(path, sizeof(path), "%s%s/%s", name[0] == '@' ? "@" : "", x->folder, name);
        memcpy(address.sun_path, path, strlen(path));
        if (path[0] == '@')
                address.sun_path[0] = 0;
        x->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path) + (path[0] == '/'));
        return x->fd < 0 || bind(x->fd, (struct sockaddr *) &address, size) < 0 ? -1 : setenv("NOTIFY_SOCKET", path, 1);
}

static int set_up(void **state) {
        Fixture *x = calloc(1, sizeof(Fixture));

        if (!x)
                return -1;
        *state = x;
        strcpy(x->folder, "/tmp/test-service.XXXXXX");
        return mkdtemp(x->folder) && listen_as(x, "notify") == 0 && sd_event_new(&x->event) >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
        Fixture *x = *state;
        char path[64];

        snprintf(path, sizeof(path), "%s/notify", x->folder);
        unlink(path);
        rmdir(x->folder);
        close(x->fd);
        sd_event_unref(x->event);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        free(x);
        return 0;
}

/* What the manager reads; NULL: nothing. */
static const char *heard(const Fixture *x) {
        static char text[4096];
        ssize_t n = recv(x->fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return NULL;
        text[n] = 0;
        return text;
}

static void fill(void) {
        int r;

        while ((r = service_notify("STATUS=more")) == 0)
                ;
        assert_int_equal(r, -EAGAIN);
}

static void told_word_by_word(void **state) {
        Fixture *x = *state;

        assert_int_equal(service_notifyf("STATUS=%d of %d\nX=1", 1, 2), 0);
        assert_string_equal(heard(x), "STATUS=1 of 2\nX=1");
        close(x->fd);
        assert_int_equal(listen_as(x, "@notify"), 0);
        assert_int_equal(service_notify("READY=1"), 0);
        assert_string_equal(heard(x), "READY=1");
}

static void nobody_to_tell(void **state _unused_) {
        unsetenv("NOTIFY_SOCKET");
        assert_int_equal(service_notify("READY=1"), 0);
        setenv("NOTIFY_SOCKET", "", 1);
        assert_int_equal(service_notify("READY=1"), 0);
        setenv("NOTIFY_SOCKET", "relative", 1);
        assert_int_equal(service_notify("READY=1"), -EINVAL);
        setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
        assert_int_equal(service_notify("READY=1"), -ENOENT);
}

/* That the service is ready is told as soon as the manager listens again. */
static void ready_comes_late(void **state) {
        Fixture *x = *state;
        const char *text;

        assert_int_equal(service_attach(x->event), 0);
        fill();
        service_ready();
        assert_true(sd_event_run(x->event, 300000) > 0); /* tried again, in vain */
        while ((text = heard(x)))
                assert_string_equal(text, "STATUS=more");
        assert_true(sd_event_run(x->event, 10000000) > 0);
        assert_string_equal(heard(x), "READY=1");
        assert_int_equal(sd_event_run(x->event, 300000), 0); /* once is enough */
}

static void the_watchdog_is_fed(void **state) {
        Fixture *x = *state;
        char pid[16];

        snprintf(pid, sizeof(pid), "%d", (int) getpid());
        setenv("WATCHDOG_PID", pid, 1);
        setenv("WATCHDOG_USEC", "30000", 1);
        assert_int_equal(service_attach(x->event), 0);
        for (int i = 0; i < 3; i++) {
                assert_true(sd_event_run(x->event, 10000000) > 0);
                assert_string_equal(heard(x), "WATCHDOG=1");
        }
        fill();
        for (int i = 0; i < 3; i++)
                assert_true(sd_event_run(x->event, 10000000) > 0);
        while (heard(x))
                ;
        assert_true(sd_event_run(x->event, 10000000) > 0);
        assert_string_equal(heard(x), "WATCHDOG=1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(told_word_by_word, set_up, tear_down),
                cmocka_unit_test_setup_teardown(nobody_to_tell, set_up, tear_down),
                cmocka_unit_test_setup_teardown(ready_comes_late, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_watchdog_is_fed, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
