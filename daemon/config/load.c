/* SPDX-License-Identifier: Apache-2.0 */
/* From files to a Config: which files there are, in which order, and what is wrong with the whole. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "basic/macro.h"
#include "daemon/config/document.h"

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort: the same order in every locale */
}

static int is_configuration(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return e->d_name[0] != '.' && n > 5 && streq(e->d_name + n - 5, ".conf");
}

static const char *why_unreadable(int error) {
        switch (error) {
        case -EISDIR:
                return "is a folder; must be a file";
        case -EFBIG:
                return "is too large; must be at most 1 MiB";
        case -EMEDIUMTYPE:
                return "is a device, pipe or socket; must be a file";
        default:
                return NULL;
        }
}

static int add_document(Loader *l, const char *path) {
        Document *more = realloc(l->documents, (l->n_documents + 1) * sizeof(Document));
        if (!more)
                return -ENOMEM;
        l->documents = more;

        int r = document_open(l, path, more + l->n_documents);
        if (r < 0 && r != -ENOMEM) {
                const char *why = why_unreadable(r);
                if (why)
                        loader_complain(l, path, 0, "", "%s", why);
                else
                        loader_complain(l, path, 0, "", "cannot be read: %s", strerror(-r));
        }
        if (r < 0)
                return r;
        l->n_documents++;
        return 0;
}

static int add_folder(Loader *l, const char *path) {
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, is_configuration, compare_names), r = 0;

        if (n < 0 && errno != ENOENT)
                loader_complain(l, path, 0, "", "cannot be read: %s", strerror(errno));
        if (n > CONFIG_FILES_MAX)
                loader_complain(l, path, 0, "", "has %d files; must have at most %d", n, CONFIG_FILES_MAX);
        for (int i = 0; i < n; i++) {
                char file[PATH_MAX + NAME_MAX + 2];

                snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
                if (r != -ENOMEM && i < CONFIG_FILES_MAX)
                        r = add_document(l, file);
                free(entries[i]);
        }
        free(entries);
        return r == -ENOMEM ? r : 0;
}

static int add_documents(Loader *l, const char *path) {
        char folder[PATH_MAX];
        const char *slash = strrchr(path, '/');

        int r = add_document(l, path);
        if (r < 0)
                return r;
        /* The file was opened, so its path is not too long; the folder's may be. */
        int n = snprintf(folder, sizeof(folder), "%.*sconf.d", slash ? (int) (slash + 1 - path) : 0, path);
        if (n >= (int) sizeof(folder)) {
                loader_complain(l, path, 0, "", "has a path too long for conf.d beside it");
                return -ENAMETOOLONG;
        }
        return add_folder(l, folder);
}

typedef struct Context {
        Loader *loader;
        const char *service;
} Context;

/* The complaints of service_settings_check() find their lines here. */
static void complain_about_service(void *userdata, const char *field, const char *message) {
        const Context *c = userdata;
        char path[SETTING_PATH_MAX];
        size_t n = strlen(field);

        /* A node that is wrong as a whole is said as "nodes.x.". */
        if (n > 0 && field[n - 1] == '.')
                n--;
        snprintf(path, sizeof(path), "services.%s%s%.*s", c->service, n > 0 ? "." : "", (int) n, field);
        loader_complain_about(c->loader, path, message, false);
}

static int check_services(Loader *l) {
        const Settings *settings = &l->config->settings;

        for (size_t i = 0; i < settings->n_services; i++) {
                Context c = { l, settings->services[i].name };
                int r = service_settings_check(settings->services + i, SPELLING_FILE, complain_about_service, &c);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void check_limits(Loader *l) {
        const DaemonSettings *d = &l->config->daemon;
        const Settings *settings = &l->config->settings;
        char path[SETTING_PATH_MAX], message[128];
        size_t nodes = 0;

        if (settings->n_services > d->router.services) {
                snprintf(message, sizeof(message), "is %u; there are %zu services", d->router.services,
                         settings->n_services);
                loader_complain_about(l, "limits.services", message, false);
        }
        for (size_t i = 0; i < settings->n_services; i++) {
                const ServiceSettings *s = settings->services + i;

                nodes += s->n_nodes;
                if (s->n_nodes <= d->router.nodes_per_service)
                        continue;
                snprintf(path, sizeof(path), "services.%s.nodes", s->name);
                snprintf(message, sizeof(message), "has %zu nodes; limits.nodes_per_service allows %u", s->n_nodes,
                         d->router.nodes_per_service);
                loader_complain_about(l, path, message, false);
        }
        if (nodes > d->router.nodes) {
                snprintf(message, sizeof(message), "is %u; there are %zu nodes in all", d->router.nodes, nodes);
                loader_complain_about(l, "limits.nodes", message, false);
        }
}

static int complete_services(Loader *l, ConfigFindProvider find, void *userdata) {
        char path[SETTING_PATH_MAX], message[192];

        for (size_t i = 0; i < l->config->settings.n_services; i++) {
                ServiceSettings *s = l->config->settings.services + i;
                Context c = { l, s->name };
                int r = service_settings_complete(s, find, userdata, SPELLING_FILE, complain_about_service, &c);

                if (r < 0)
                        return r;
                for (size_t k = 0; find && k < s->n_nodes; k++) {
                        const NodeSettings *n = s->nodes + k;

                        if (n->provider || !n->provider_name)
                                continue;
                        snprintf(path, sizeof(path), "services.%s.nodes.%s.provider", s->name, n->id);
                        snprintf(message, sizeof(message),
                                 "is \"%.64s\", which is not loaded; the node is not used until it is",
                                 n->provider_name);
                        loader_complain_about(l, path, message, true);
                }
        }
        return 0;
}

static int load(Loader *l, const char *path, ConfigFindProvider find, void *userdata) {
        int r = config_new(&l->config);

        if (r >= 0)
                r = add_documents(l, path);
        for (size_t i = 0; r >= 0 && i < l->n_documents; i++)
                r = document_apply(l, l->documents + i);
        if (r >= 0)
                r = check_services(l);
        if (r < 0)
                return r;
        check_limits(l);
        r = complete_services(l, find, userdata);
        return r < 0 ? r : l->failed ? -ENOMEM : l->mistakes > 0 ? -EINVAL : 0;
}

static size_t rank(const Loader *l, const ConfigError *e) {
        size_t i = 0;

        while (i < l->n_documents && !streq(l->documents[i].path, e->file))
                i++;
        return i;
}

/* In the order in which a person goes through the files. Insertion keeps what is equal as it came. */
static void sort_errors(const Loader *l) {
        ConfigErrors *e = l->errors;

        for (size_t i = 1; i < e->n; i++) {
                ConfigError moved = e->errors[i];
                size_t k = i, file = rank(l, &moved);

                for (; k > 0; k--) {
                        size_t other = rank(l, e->errors + k - 1);

                        if (other < file || (other == file && e->errors[k - 1].line <= moved.line))
                                break;
                        e->errors[k] = e->errors[k - 1];
                }
                e->errors[k] = moved;
        }
}

int config_load(const char *path, ConfigFindProvider find, void *userdata, Config **ret, ConfigErrors *errors) {
        *errors = (ConfigErrors) {};
        Loader l = { .errors = errors };
        int r = load(&l, path, find, userdata);

        sort_errors(&l);
        for (size_t i = 0; i < l.n_documents; i++)
                document_done(l.documents + i);
        free(l.documents);
        if (r < 0)
                config_free(l.config);
        else
                *ret = l.config;
        return r;
}
