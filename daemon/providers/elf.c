/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <link.h>

#include "basic/macro.h"
#include "daemon/providers/elf.h"

static int read_at(int fd, void *to, size_t n, uint64_t at) {
        ssize_t k = pread(fd, to, n, (off_t) at);

        return k < 0 ? -errno : (size_t) k < n ? -ENODATA : 0;
}

int elf_check_whole(int fd, uint64_t size) {
        ElfW(Ehdr) e;
        ElfW(Phdr) p;
        int k;

        k = read_at(fd, &e, sizeof(e), 0);
        if (k < 0)
                return k == -ENODATA ? -ENOEXEC : k;
        if (memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_type != ET_DYN || e.e_phentsize != sizeof(p))
                return -ENOEXEC;
        for (unsigned i = 0; i < e.e_phnum; i++) {
                k = read_at(fd, &p, sizeof(p), e.e_phoff + i * sizeof(p));
                if (k < 0)
                        return k;
                if (p.p_type == PT_LOAD && (p.p_offset > size || p.p_filesz > size - p.p_offset))
                        return -ENODATA;
        }
        return 0;
}
