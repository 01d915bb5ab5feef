/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that nobody changes, removes or reorders unnoticed. Each is a JSON object whose last member is its hash:
 *
 *     {"serial":2,…,"hash":"<64 hexadecimal digits>"}
 *
 * The hash is the SHA-256 of the hash of the line before (as its 64 digits; 64 zeros before the first line) followed by
 * the line's own text up to the comma in front of "hash". See docs/audit.md.
 */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_HASH_SIZE 64

typedef struct ChainHash {
        char digits[CHAIN_HASH_SIZE + 1];
} ChainHash;

/* Where the chain stands: the last line. */
typedef struct AuditMark {
        uint64_t serial; /* 0: none yet */
        ChainHash hash;
} AuditMark;

/* What stands before the first line. */
extern const ChainHash chain_origin;

/* What a line has behind its text, with its newline. */
#define CHAIN_TAIL_SIZE (sizeof(",\"hash\":\"\"}\n") - 1 + CHAIN_HASH_SIZE)

/* Once, before the others and before any thread is started. -ENOSYS: the library for it does not work. */
int chain_init(void);

/* The hash of the line with that text (the object without its closing brace). */
void chain_hash(const ChainHash *previous, const char *text, size_t n, ChainHash *ret);
/* Writes the tail: CHAIN_TAIL_SIZE bytes, no NUL. */
void chain_write_tail(const ChainHash *hash, char *to);
/* Splits a line (without its newline) into the length of its text and its hash. -EBADMSG: it is none. */
int chain_split(const char *line, size_t n, size_t *ret_text, ChainHash *ret_hash);

/* ---- the files of a chain ---- */

/* The one that is written to. */
#define AUDIT_FILE "audit.jsonl"
/* Those before it, named audit-SERIAL.jsonl, the oldest first. Returns how many, or a negative errno. */
int chain_list_old(int dir_fd, const char *folder, struct dirent ***ret);
void chain_free_list(struct dirent **names, int n);
