/* SPDX-License-Identifier: Apache-2.0 */
/* audit: checks and shows the audit log, from its files alone. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "basic/instant.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "daemon/store/chain.h"

#define AUDIT_FOLDER "/var/lib/pointsman/audit"

/* ---- files ---- */

typedef struct Files {
        char **paths;
        size_t n;
} Files;

static void files_done(Files *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->paths[i]);
        free(f->paths);
}

static int files_add(Files *f, const char *folder, const char *name) {
        char **more = reallocarray(f->paths, f->n + 1, sizeof(char *));

        if (!more)
                return -ENOMEM;
        f->paths = more;
        if (asprintf(&f->paths[f->n], "%s%s%s", folder, *folder ? "/" : "", name) < 0)
                return -ENOMEM;
        f->n++;
        return 0;
}

/* The files of a folder, the oldest first. */
static int files_of_folder(Files *f, const char *folder) {
        struct dirent **names;
        int n = chain_list_old(AT_FDCWD, folder, &names), r = 0;
        _cleanup_free_ char *current = NULL;

        if (n < 0)
                return n;
        for (int i = 0; i < n && r == 0; i++)
                r = files_add(f, folder, names[i]->d_name);
        chain_free_list(names, n);
        if (r < 0 || asprintf(&current, "%s/" AUDIT_FILE, folder) < 0)
                return -ENOMEM;
        /* Between two files there is none for a moment, and the old ones are all there is. */
        return n > 0 && access(current, F_OK) < 0 && errno == ENOENT ? 0 : files_add(f, folder, AUDIT_FILE);
}

static Exit find_files(const Request *r, Files *ret) {
        int k = r->n_arguments > 1 ? 0 : files_of_folder(ret, AUDIT_FOLDER);

        if (k < 0)
                complain("%s: %s", AUDIT_FOLDER, strerror(-k));
        for (unsigned i = 1; i < r->n_arguments && k == 0; i++) {
                const char *path = r->arguments[i];
                struct stat st;
                bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
                k = folder ? files_of_folder(ret, path) : files_add(ret, "", path);
                if (k < 0)
                        complain("%s: %s", path, strerror(-k));
        }
        return k < 0 ? EXIT_USAGE : EXIT_DONE;
}

/* Calls back for each line, without its newline; whole: it has one. Stops when that does not return EXIT_DONE. */
typedef Exit (*LineVisitor)(void *userdata, const char *path, uint64_t number, char *line, size_t n, bool whole);

static Exit each_line(const Files *files, LineVisitor visit, void *userdata) {
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0;
        Exit e = EXIT_DONE;

        for (size_t i = 0; i < files->n && e == EXIT_DONE; i++) {
                _cleanup_fclose_ FILE *f = fopen(files->paths[i], "re");
                uint64_t number = 0;
                ssize_t n = 0;
                while (f && e == EXIT_DONE && (n = getline(&line, &allocated, f)) > 0) {
                        bool whole = line[n - 1] == '\n';
                        if (whole)
                                line[--n] = 0;
                        e = visit(userdata, files->paths[i], ++number, line, (size_t) n, whole);
                }
                if (!f || ferror(f)) {
                        complain("%s: %s", files->paths[i], strerror(errno));
                        return EXIT_USAGE;
                }
        }
        return e;
}

/* ---- verify ---- */

typedef struct Verification {
        Ctl *c;
        AuditMark mark;
        uint64_t first;
        uint64_t records, files;
        const char *incomplete; /* the file whose last line is */
} Verification;

static Exit broken(Verification *v, const char *path, uint64_t number, const char *format, ...) _printf_(4, 5);
static Exit broken(Verification *v, const char *path, uint64_t number, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&reason, format, ap) < 0)
                reason = NULL;
        va_end(ap);
        if (v->c->json) {
                _cleanup_json_ json_t *o = json_pack("{s:b, s:s, s:I, s:s?}", "whole", 0, "file", path, "line",
                                                     (json_int_t) number, "reason", reason);
                ctl_print_json(v->c, o, NULL);
        } else
                fprintf(v->c->out.file, "%s:%llu: %s\n", path, (unsigned long long) number, reason ?: "");
        return EXIT_REFUSED;
}

/* On standard error, so that it does not spoil --json. */
static void note(const char *path, uint64_t number, const json_t *record) {
        const char *kind = json_text_at(record, "kind");

        if (streq(kind, "recovered"))
                complain("%s:%llu: here a crash tore a line (%lld bytes, kept in this record); the chain goes on", path,
                         (unsigned long long) number, (long long) json_integer_value(json_at(record, "bytes")));
        else if (streq(kind, "lost"))
                complain("%s:%llu: could not be recorded: %lld management actions, %lld decisions, %lld refusals "
                         "beyond a user's share",
                         path, (unsigned long long) number,
                         (long long) json_integer_value(json_at(record, "management")),
                         (long long) json_integer_value(json_at(record, "decisions")),
                         (long long) json_integer_value(json_at(record, "refusals")));
}

/* The first line of a file says where the one before ended. */
static Exit begin_file(Verification *v, const char *path, const json_t *record, uint64_t serial) {
        const char *previous = json_text_at(record, "previous");

        if (!streq(json_text_at(record, "kind"), "file") || strlen(previous) != CHAIN_HASH_SIZE)
                return broken(v, path, 1,
                              "the file does not begin as it should: its first line is missing, or not the first");
        if (v->files++ > 0)
                return streq(previous, v->mark.hash.digits)
                             ? EXIT_DONE
                             : broken(v, path, 1,
                                      "record %llu does not follow record %llu, the last of the file before: something "
                                      "is missing between them",
                                      (unsigned long long) serial, (unsigned long long) v->mark.serial);
        v->first = serial;
        v->mark.serial = serial - 1;
        memcpy(v->mark.hash.digits, previous, CHAIN_HASH_SIZE);
        if (serial == 1)
                return streq(previous, chain_origin.digits)
                             ? EXIT_DONE
                             : broken(v, path, 1, "the first record of all claims one before it");
        complain("%s: begins with record %llu; what was before is in files that were not given, or that rotation has "
                 "removed",
                 path, (unsigned long long) serial);
        return EXIT_DONE;
}

static Exit verify_line(void *userdata, const char *path, uint64_t number, char *line, size_t n, bool whole) {
        Verification *v = userdata;
        ChainHash stated, hash;
        size_t text;

        if (v->incomplete)
                return broken(v, v->incomplete, 0, "the last line is not complete, and another file follows");
        if (!whole) {
                complain("%s:%llu: not complete: it is just being written, or was torn by a crash. The daemon sets a "
                         "torn line aside when it starts",
                         path, (unsigned long long) number);
                v->incomplete = path;
                return EXIT_DONE;
        }
        _cleanup_json_ json_t *record = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
        json_int_t serial = json_integer_value(json_at(record, "serial"));
        if (chain_split(line, n, &text, &stated) < 0 || serial <= 0)
                return broken(v, path, number, "this is not a record");
        if (number == 1) {
                Exit e = begin_file(v, path, record, (uint64_t) serial);
                if (e != EXIT_DONE)
                        return e;
        }
        if ((uint64_t) serial != v->mark.serial + 1)
                return broken(
                        v, path, number,
                        "record %llu stands where %llu should be: records are missing, added, or in another order",
                        (unsigned long long) serial, (unsigned long long) v->mark.serial + 1);
        chain_hash(&v->mark.hash, line, text, &hash);
        if (!streq(hash.digits, stated.digits))
                return broken(v, path, number, "record %llu was changed, or does not belong behind the one before",
                              (unsigned long long) serial);
        v->mark = (AuditMark) { (uint64_t) serial, hash };
        v->records++;
        note(path, number, record);
        return EXIT_DONE;
}

static Exit verify(Ctl *c, const Files *files) {
        Verification v = { .c = c };

        if (chain_init() < 0) {
                complain("libgcrypt does not work");
                return EXIT_USAGE;
        }
        Exit e = each_line(files, verify_line, &v);
        if (e != EXIT_DONE)
                return e;
        if (c->json) {
                _cleanup_json_ json_t *o =
                        json_pack("{s:b, s:I, s:I, s:I, s:I, s:s}", "whole", 1, "records", (json_int_t) v.records,
                                  "files", (json_int_t) v.files, "first", (json_int_t) v.first, "last",
                                  (json_int_t) v.mark.serial, "hash", v.mark.hash.digits);
                ctl_print_json(c, o, NULL);
        } else if (v.records == 0)
                fputs("There are no records.\n", c->out.file);
        else
                fprintf(c->out.file,
                        "Records %llu to %llu in %llu files are whole and in order.\nThe last one's hash is %s\n",
                        (unsigned long long) v.first, (unsigned long long) v.mark.serial, (unsigned long long) v.files,
                        v.mark.hash.digits);
        return EXIT_DONE;
}

/* ---- show ---- */

typedef struct Filter {
        Ctl *c;
        uint64_t since_ns;
        const char *method;
        bool any_user;
        uid_t uid;
} Filter;

static bool is_wanted(const Filter *f, const json_t *record) {
        const json_t *uid = json_at(record, "who.uid");
        uint64_t at_ns;

        if (f->since_ns > 0 && (instant_from_string(json_text_at(record, "time"), &at_ns) < 0 || at_ns < f->since_ns))
                return false;
        if (f->method && !streq(f->method, json_text_at(record, "method")))
                return false;
        return f->any_user || (json_is_integer(uid) && json_integer_value(uid) == (json_int_t) f->uid);
}

static void print_part(FILE *f, const char *before, const char *text, const char *after) {
        _cleanup_free_ char *clean = text_copy(text);

        if (*text)
                fprintf(f, "%s%s%s", before, clean ?: "", after);
}

static void print_who(FILE *f, const json_t *record) {
        const json_t *uid = json_at(record, "who.uid");
        const struct passwd *user = json_is_integer(uid) ? getpwuid((uid_t) json_integer_value(uid)) : NULL;

        if (!uid)
                return;
        if (user)
                fprintf(f, " %s", user->pw_name);
        else
                fprintf(f, " uid %lld", (long long) json_integer_value(uid));
        fprintf(f, "[%lld]", (long long) json_integer_value(json_at(record, "who.pid")));
        print_part(f, " (", json_text_at(record, "who.unit"), ")");
}

/* What is not in front of the line already. */
static void print_rest(FILE *f, const json_t *record) {
        static const char *const said[] = { "serial", "time", "kind", "method",  "who",
                                            "result", "hash", "type", "message", "via" };
        const char *name;
        json_t *value;

        json_object_foreach((json_t *) record, name, value) {
                bool known = false;
                for (size_t i = 0; i < ELEMENTSOF(said); i++)
                        known = known || streq(name, said[i]);
                if (known)
                        continue;
                _cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
                print_part(f, " ", name, "=");
                print_part(f, "", text ?: "", "");
        }
}

static Exit show_line(void *userdata, const char *path, uint64_t number, char *line, size_t n, bool whole _unused_) {
        Filter *filter = userdata;
        FILE *f = filter->c->out.file;
        _cleanup_json_ json_t *record = json_loadb(line, n, 0, NULL);

        if (!json_is_object(record)) {
                complain("%s:%llu: this is not a record; see pointsmanctl audit verify", path,
                         (unsigned long long) number);
                return EXIT_DONE;
        }
        if (!is_wanted(filter, record))
                return EXIT_DONE;
        if (filter->c->json) {
                ctl_print_json(filter->c, record, NULL);
                return EXIT_DONE;
        }
        const char *subject = json_text_at(record, "method");
        if (!*subject)
                subject = json_text_at(record, "type");
        print_part(f, "", json_text_at(record, "time"), "");
        fprintf(f, " %lld", (long long) json_integer_value(json_at(record, "serial")));
        print_who(f, record);
        print_part(f, " ", *subject ? subject : json_text_at(record, "kind"), ":");
        print_part(f, " ", json_text_at(record, "result"), "");
        print_part(f, " ", json_text_at(record, "message"), "");
        print_rest(f, record);
        fputc('\n', f);
        return ferror(f) ? EXIT_USAGE : EXIT_DONE;
}

static Exit read_filter(Ctl *c, const Request *r, Filter *ret) {
        const char *since = request_option(r, "since"), *user = request_option(r, "user");
        char *end;

        *ret = (Filter) { .c = c, .method = request_option(r, "method"), .any_user = !user };
        if (since && instant_from_string(since, &ret->since_ns) < 0)
                return usage(r->command, "--since %s: a time is wanted, such as 2026-11-01T00:00:00Z", since);
        if (!user)
                return EXIT_DONE;
        const struct passwd *p = getpwnam(user);
        unsigned long uid = strtoul(user, &end, 10);
        if (!p && (end == user || *end || uid > UINT32_MAX))
                return usage(r->command, "--user %s: there is no such user", user);
        ret->uid = p ? p->pw_uid : (uid_t) uid;
        return EXIT_DONE;
}

Exit run_audit(Ctl *c, const Request *r) {
        _cleanup_(files_done) Files files = {};
        bool showing = streq(r->arguments[0], "show");
        Filter filter;

        if (!showing && !streq(r->arguments[0], "verify"))
                return usage(r->command, "\"%s\" is neither verify nor show", r->arguments[0]);
        Exit e = showing ? read_filter(c, r, &filter) : EXIT_DONE;
        if (e == EXIT_DONE)
                e = find_files(r, &files);
        if (e != EXIT_DONE)
                return e;
        return showing ? each_line(&files, show_line, &filter) : verify(c, &files);
}
