/* SPDX-License-Identifier: Apache-2.0 */
#include "basic/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "basic/macro.h"

typedef struct __user_cap_header_struct Header;
typedef struct __user_cap_data_struct Capabilities;

/* Only who holds CAP_SETPCAP can, and who does not has no use for what is in it: see PR_SET_NO_NEW_PRIVS. */
static int empty_bounding_set(void) {
        for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
                if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
                        return -errno;
        return 0;
}

int privileges_drop(void) {
        Header header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        Capabilities held[_LINUX_CAPABILITY_U32S_3] = {}, none[_LINUX_CAPABILITY_U32S_3] = {};
        bool any = false;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        int r = empty_bounding_set();
        if (r < 0)
                return r;
        if (syscall(SYS_capget, &header, held) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(held); i++)
                any = any || held[i].permitted || held[i].inheritable;
        /* Not asked for without need: our own units do not allow the call. Ambient capabilities go with the permitted ones. */
        return any && syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}
