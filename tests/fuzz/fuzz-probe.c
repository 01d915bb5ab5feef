/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the daemon's socket brings as a probe, the prober refuses it or can make a request of it. */
#include <errno.h>

#include "basic/macro.h"
#include "prober/probe.h"
#include "prober/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *reply = strndup((const char *) data, size);
        _cleanup_(probe_freep) Probe *p = NULL;

        if (!reply)
                return 0;
        int r = probe_parse(reply, &p);
        if (r < 0) {
                if (r != -EBADMSG || (p && !p->id))
                        abort();
                return 0;
        }
        if (!p->id || !p->method || !p->url || p->timeout_ns == 0 || p->timeout_ns > PROBE_TIMEOUT_MAX_NS ||
            p->n_headers > PROBE_HEADERS_MAX)
                abort();
        Request *request = NULL;
        const char *why = NULL;
        r = request_new(p, probe_wants_credential(p) ? "s&cret" : NULL, &request, &why);
        if (r >= 0 ? !request : r == -EINVAL && !why)
                abort();
        request_free(request);
        return 0;
}
