/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>

#include "basic/macro.h"

/* Longer names get a number like any other, but it is not kept. */
#define NAME_MAX_KEPT 1000
#define SLOTS_MIN 256

typedef struct Entry {
        uint32_t number;
        uint8_t kind;
        bool gone;
        char name[];
} Entry;

/* Two tables of the same entries with open addressing. Never more than half full. */
struct Indexes {
        char *path;
        Entry **by_name, **by_number;
        size_t n_slots, n_kinds[_INDEX_KIND_MAX];
        bool changed;
};

static const char *const kind_words[_INDEX_KIND_MAX] = { "service", "node", "scenario", "provider" };

/* ---- the tables ---- */

/* FNV-1a. */
static uint64_t hash_of(const char *name) {
        uint64_t h = UINT64_C(14695981039346656037);

        for (const char *p = name; *p; p++)
                h = (h ^ (uint8_t) *p) * UINT64_C(1099511628211);
        return h;
}

static uint32_t first_choice(const char *name) {
        return (uint32_t) (hash_of(name) % (INDEX_MAX - INDEX_NAMES_MAX)) + 1;
}

static size_t n_entries(const Indexes *x) {
        size_t n = 0;

        for (IndexKind kind = 0; kind < _INDEX_KIND_MAX; kind++)
                n += x->n_kinds[kind];
        return n;
}

/* Where the entry is, or where it would be. */
static Entry **slot_by_name(const Indexes *x, IndexKind kind, const char *name) {
        for (size_t i = hash_of(name) + kind;; i++) {
                Entry **slot = &x->by_name[i & (x->n_slots - 1)];
                if (!*slot || ((*slot)->kind == kind && streq((*slot)->name, name)))
                        return slot;
        }
}

static Entry **slot_by_number(const Indexes *x, IndexKind kind, uint32_t number) {
        for (size_t i = (size_t) number * 31 + kind;; i++) {
                Entry **slot = &x->by_number[i & (x->n_slots - 1)];
                if (!*slot || ((*slot)->kind == kind && (*slot)->number == number))
                        return slot;
        }
}

static void put(Indexes *x, Entry *e) {
        *slot_by_name(x, e->kind, e->name) = e;
        *slot_by_number(x, e->kind, e->number) = e;
        x->n_kinds[e->kind]++;
}

/* Makes new tables with room for n entries, without those of the kind that are gone (_INDEX_KIND_MAX: with all). */
static int rebuild(Indexes *x, size_t n, IndexKind without) {
        Indexes new = { .path = x->path, .n_slots = SLOTS_MIN, .changed = x->changed };

        while (new.n_slots < n * 2)
                new.n_slots *= 2;
        new.by_name = calloc(new.n_slots, sizeof(Entry *));
        new.by_number = calloc(new.n_slots, sizeof(Entry *));
        if (!new.by_name || !new.by_number) {
                free(new.by_name);
                free(new.by_number);
                return -ENOMEM;
        }
        for (size_t i = 0; i < x->n_slots; i++) {
                Entry *e = x->by_name[i];
                if (!e)
                        continue;
                if (e->gone && e->kind == without)
                        free(e);
                else
                        put(&new, e);
        }
        free(x->by_name);
        free(x->by_number);
        *x = new;
        return 0;
}

static int add(Indexes *x, IndexKind kind, const char *name, uint32_t number, Entry **ret) {
        size_t size = strlen(name) + 1, n = n_entries(x) + 1;

        int k = n * 2 > x->n_slots ? rebuild(x, n, _INDEX_KIND_MAX) : 0;
        if (k < 0)
                return k;
        Entry *e = malloc(sizeof(Entry) + size);
        if (!e)
                return -ENOMEM;
        *e = (Entry) { .number = number, .kind = (uint8_t) kind, .gone = true };
        memcpy(e->name, name, size);
        put(x, e);
        *ret = e;
        return 0;
}

/* ---- the file: a line for each name ---- */

static bool is_kept(const Entry *e) {
        size_t n = 0;

        for (; e->name[n]; n++)
                if ((unsigned char) e->name[n] < ' ')
                        return false;
        return n > 0 && n <= NAME_MAX_KEPT;
}

/* -EBADMSG: it is no line of ours. */
static int read_line(Indexes *x, char *line) {
        char *kind = strsep(&line, " "), *number = strsep(&line, " "), *end;
        int k = 0;
        Entry *e;

        while (k < _INDEX_KIND_MAX && !streq(kind, kind_words[k]))
                k++;
        if (k == _INDEX_KIND_MAX || !number || !line || !*line || x->n_kinds[k] >= INDEX_NAMES_MAX)
                return -EBADMSG;
        unsigned long v = strtoul(number, &end, 10);
        if (*number < '1' || *number > '9' || *end || v > INDEX_MAX)
                return -EBADMSG;
        if (*slot_by_name(x, (IndexKind) k, line) || *slot_by_number(x, (IndexKind) k, (uint32_t) v))
                return -EBADMSG;
        return add(x, (IndexKind) k, line, (uint32_t) v, &e);
}

static int read_file(Indexes *x, FILE *f) {
        char line[NAME_MAX_KEPT + 64];
        int damaged = INDEXES_WHOLE;

        while (fgets(line, sizeof(line), f)) {
                char *end = strchr(line, '\n');
                if (end)
                        *end = 0;
                int k = end ? read_line(x, line) : -EBADMSG;
                if (k == -ENOMEM)
                        return k;
                if (k < 0)
                        damaged = INDEXES_DAMAGED;
        }
        return ferror(f) ? -EIO : damaged;
}

static int write_entries(const Indexes *x, FILE *f) {
        for (size_t i = 0; i < x->n_slots; i++) {
                const Entry *e = x->by_name[i];
                if (e && is_kept(e))
                        fprintf(f, "%s %u %s\n", kind_words[e->kind], e->number, e->name);
        }
        if (fflush(f) != 0 || fsync(fileno(f)) < 0)
                return -errno;
        return ferror(f) ? -EIO : 0;
}

static int write_beside(const Indexes *x, const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        _cleanup_fclose_ FILE *f = fdopen(fd, "w");
        if (!f) {
                close(fd);
                return -ENOMEM;
        }
        return write_entries(x, f);
}

int indexes_save(Indexes *x) {
        char beside[PATH_MAX];

        if (!x->changed || !x->path)
                return 0;
        if ((size_t) snprintf(beside, sizeof(beside), "%s.new", x->path) >= sizeof(beside))
                return -ENAMETOOLONG;
        int k = write_beside(x, beside);
        if (k == 0 && rename(beside, x->path) < 0)
                k = -errno;
        if (k < 0) {
                unlink(beside);
                return k;
        }
        x->changed = false;
        return 1;
}

/* ---- life ---- */

static int start(Indexes *x, const char *path) {
        int k = rebuild(x, 0, _INDEX_KIND_MAX);

        if (k < 0 || !path)
                return k;
        x->path = strdup(path);
        if (!x->path)
                return -ENOMEM;
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        if (!f)
                return errno == ENOENT ? INDEXES_WHOLE : -errno;
        return read_file(x, f);
}

int indexes_new(Indexes **ret, const char *path) {
        Indexes *x = calloc(1, sizeof(Indexes));

        if (!x)
                return -ENOMEM;
        int k = start(x, path);
        if (k < 0) {
                indexes_free(x);
                return k;
        }
        *ret = x;
        return k;
}

Indexes *indexes_free(Indexes *x) {
        if (!x)
                return NULL;
        for (size_t i = 0; i < x->n_slots; i++)
                free(x->by_name[i]);
        free(x->by_name);
        free(x->by_number);
        free(x->path);
        free(x);
        return NULL;
}

/* ---- assigning ---- */

static void mark_gone(Indexes *x, IndexKind kind) {
        for (size_t i = 0; i < x->n_slots; i++)
                if (x->by_name[i] && x->by_name[i]->kind == kind)
                        x->by_name[i]->gone = true;
}

static int forget_gone(Indexes *x, IndexKind kind) {
        size_t before = x->n_kinds[kind];

        int k = rebuild(x, n_entries(x), kind);
        if (k == 0 && x->n_kinds[kind] < before)
                x->changed = true;
        return k;
}

static int add_new(Indexes *x, IndexKind kind, const char *name, Entry **ret) {
        uint32_t number = first_choice(name);

        if (x->n_kinds[kind] >= INDEX_NAMES_MAX) {
                int k = forget_gone(x, kind);
                if (k < 0)
                        return k;
                if (x->n_kinds[kind] >= INDEX_NAMES_MAX)
                        return -E2BIG;
        }
        while (*slot_by_number(x, kind, number))
                number++; /* there are INDEX_NAMES_MAX behind the last first choice */
        int k = add(x, kind, name, number, ret);
        if (k == 0 && is_kept(*ret))
                x->changed = true;
        return k;
}

/* 0: the number is in *ret; 1: it has none, and may not get one. */
static int assign_one(Indexes *x, IndexKind kind, const char *name, bool may_add, uint32_t *ret) {
        _cleanup_free_ char *twin = NULL;
        Entry *e;

        for (unsigned i = 2; (e = *slot_by_name(x, kind, twin ?: name)) && !e->gone; i++) {
                /* Two rows of one name, which no honest daemon sends, are still two rows. */
                free(TAKE(twin));
                if (asprintf(&twin, "%s\n%u", name, i) < 0) {
                        twin = NULL;
                        return -ENOMEM;
                }
        }
        if (!e) {
                if (!may_add)
                        return 1;
                int k = add_new(x, kind, twin ?: name, &e);
                if (k < 0)
                        return k;
        }
        e->gone = false;
        *ret = e->number;
        return 0;
}

int indexes_assign(Indexes *x, IndexKind kind, const char *const *names, size_t n, uint32_t *ret) {
        size_t n_new = 0;

        if (n > INDEX_NAMES_MAX)
                return -E2BIG;
        mark_gone(x, kind);
        /* Known names come first, lest one of them be forgotten to make room for a new one. */
        for (size_t i = 0; i < n; i++) {
                ret[i] = 0;
                int k = assign_one(x, kind, names[i], false, &ret[i]);
                if (k < 0)
                        return k;
                n_new += (size_t) k;
        }
        for (size_t i = 0; i < n && n_new > 0; i++) {
                int k = ret[i] == 0 ? assign_one(x, kind, names[i], true, &ret[i]) : 0;
                if (k < 0)
                        return k;
        }
        return kind == INDEX_SCENARIO && x->n_kinds[kind] > n ? forget_gone(x, kind) : 0;
}
