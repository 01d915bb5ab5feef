/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/store/chain.h"

#include <errno.h>
#include <gcrypt.h>
#include <string.h>

#include "basic/macro.h"

#define TAIL ",\"hash\":\""
#define TAIL_END "\"}\n"

const ChainHash chain_origin = { "0000000000000000000000000000000000000000000000000000000000000000" };

int chain_init(void) {
        /* libsystemd may have been there before us. */
        if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
                if (!gcry_check_version(GCRYPT_VERSION))
                        return -ENOSYS;
                gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
                gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
        }
        return gcry_md_test_algo(GCRY_MD_SHA256) ? -ENOSYS : 0;
}

void chain_hash(const ChainHash *previous, const char *text, size_t n, ChainHash *ret) {
        static const char digits[] = "0123456789abcdef";
        unsigned char digest[CHAIN_HASH_SIZE / 2];
        const gcry_buffer_t parts[] = {
                { .data = (void *) previous->digits, .len = CHAIN_HASH_SIZE },
                { .data = (void *) text, .len = n },
        };

        gcry_md_hash_buffers(GCRY_MD_SHA256, 0, digest, parts, ELEMENTSOF(parts));
        for (size_t i = 0; i < sizeof(digest); i++) {
                ret->digits[2 * i] = digits[digest[i] >> 4];
                ret->digits[2 * i + 1] = digits[digest[i] & 15];
        }
        ret->digits[CHAIN_HASH_SIZE] = 0;
}

void chain_write_tail(const ChainHash *hash, char *to) {
        memcpy(to, TAIL, strlen(TAIL));
        memcpy(to + strlen(TAIL), hash->digits, CHAIN_HASH_SIZE);
        memcpy(to + strlen(TAIL) + CHAIN_HASH_SIZE, TAIL_END, strlen(TAIL_END));
}

int chain_split(const char *line, size_t n, size_t *ret_text, ChainHash *ret_hash) {
        const size_t size = CHAIN_TAIL_SIZE - 1;

        if (n < size + 1 || line[0] != '{' || memchr(line, 0, n))
                return -EBADMSG;
        const char *tail = line + n - size, *hash = tail + strlen(TAIL);
        if (memcmp(tail, TAIL, strlen(TAIL)) != 0 || memcmp(hash + CHAIN_HASH_SIZE, "\"}", 2) != 0)
                return -EBADMSG;
        for (size_t i = 0; i < CHAIN_HASH_SIZE; i++)
                if (!((hash[i] >= '0' && hash[i] <= '9') || (hash[i] >= 'a' && hash[i] <= 'f')))
                        return -EBADMSG;
        memcpy(ret_hash->digits, hash, CHAIN_HASH_SIZE);
        ret_hash->digits[CHAIN_HASH_SIZE] = 0;
        *ret_text = n - size;
        return 0;
}

/* ---- the files of a chain ---- */

static int is_old(const struct dirent *d) {
        size_t n = strlen(d->d_name);

        return strncmp(d->d_name, "audit-", 6) == 0 && n > 6 && streq(d->d_name + n - 6, ".jsonl");
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

int chain_list_old(int dir_fd, const char *folder, struct dirent ***ret) {
        int n = scandirat(dir_fd, folder, ret, is_old, compare_names);

        return n < 0 ? -errno : n;
}

void chain_free_list(struct dirent **names, int n) {
        while (n-- > 0)
                free(names[n]);
        free(names);
}
