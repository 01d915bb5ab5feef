/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file are settings or complaints, never a crash, an exit or a minute of work. */
#include <errno.h>
#include <sys/mman.h>

#include "basic/macro.h"
#include "daemon/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig leaks the string in which a syntax error lies. */
const char *__lsan_default_suppressions(void) {
        return "leak:libconfig";
}

static void count_change(void *userdata, const char *path, const char *before, const char *after) {
        (void) path;
        (void) before;
        (void) after;
        ++*(int *) userdata;
}

/* What was accepted must stay the same through a copy, and pass the checks that it has passed. */
static void check(const Settings *s) {
        for (size_t i = 0; i < s->n_services; i++) {
                ServiceSettings copy;
                int n = 0;

                if (service_settings_copy(s->services + i, &copy) < 0)
                        abort();
                Settings one = { s->services + i, 1 }, other = { &copy, 1 };
                if (settings_diff(&one, &other, count_change, &n) != 0 || n != 0 ||
                    service_settings_check(&copy, SPELLING_FILE, NULL, NULL) != 0)
                        abort();
                service_settings_done(&copy);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("config", MFD_CLOEXEC);
        ConfigErrors errors;
        Config *c = NULL;
        char path[64];

        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                return 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        int r = config_load(path, NULL, NULL, &c, &errors);
        if (r == 0)
                check(&c->settings);
        else if (r != -EINVAL || errors.n == 0)
                abort();
        config_free(c);
        config_errors_done(&errors);
        return 0;
}
