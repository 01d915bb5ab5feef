/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an audit log: verify and show say what is wrong with it, and no file without a true chain passes. */
#include <fcntl.h>
#include <sys/mman.h>

#include "ctl/ctl.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the commands print is nobody's business here. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
        (void) argc;
        (void) argv;
        return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static int null = -1, err = -1;
        _cleanup_close_ int fd = memfd_create("audit", MFD_CLOEXEC);
        char path[64];
        Ctl c = { .out.file = stdout, .serial = -1 };

        if (null < 0) {
                null = open("/dev/null", O_WRONLY | O_CLOEXEC);
                err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        }
        if (size == 0 || fd < 0 || write(fd, data + 1, size - 1) != (ssize_t) size - 1)
                return 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        c.json = data[0] & 2;
        char *arguments[] = { data[0] & 1 ? (char *) "show" : (char *) "verify", path };
        _cleanup_json_ json_t *options = json_object();
        const Request r = { .command = command_find("audit"), .options = options, .arguments = arguments, .n_arguments = 2 };

        dup2(null, STDERR_FILENO);
        Exit e = run_audit(&c, &r);
        dup2(err, STDERR_FILENO);
        if (e != EXIT_DONE && e != EXIT_REFUSED && e != EXIT_USAGE)
                abort();
        return 0;
}
