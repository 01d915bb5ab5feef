/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "basic/macro.h"
#include "daemon/core/provider.h"
#include "daemon/providers/elf.h"
#include "daemon/providers/providers.h"

#define SUFFIX ".so"

typedef struct Plugin {
        ProviderInfo info; /* its strings are the plugin's own, or one of these */
        char *name, *path, *error;
        void *handle;
} Plugin;

struct Providers {
        Plugin *plugins;
        size_t n;
};

DEFINE_CLEANUP(Providers *, providers_free);

static void plugin_done(Plugin *p) {
        if (p->handle)
                dlclose(p->handle);
        free(p->name);
        free(p->path);
        free(p->error);
}

Providers *providers_free(Providers *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n; i++)
                plugin_done(&p->plugins[i]);
        free(p->plugins);
        free(p);
        return NULL;
}

/* ---- one plugin ---- */

/* Only who may change the daemon itself may change what it runs. Returns what is wrong, in words, or NULL. */
static const char *check_file(int fd) {
        struct stat st;
        int k;

        if (fstat(fd, &st) < 0)
                return strerror(errno);
        if (!S_ISREG(st.st_mode))
                return "it is not a regular file; put the plugin itself here";
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return "it belongs neither to root nor to the daemon's user; run chown root on it";
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return "others than its owner may write to it; run chmod go-w on it";
        k = elf_check_whole(fd, (uint64_t) st.st_size);
        if (k == -ENOEXEC)
                return "it is not a shared object; build it as one, or move the file elsewhere";
        if (k == -ENODATA)
                return "it is cut short; install it again";
        return k < 0 ? strerror(-k) : NULL;
}

/* Opens the file once, so that what was checked is what is loaded. */
static int open_plugin(int dir, const char *file, int *ret_fd, const char **ret_complaint) {
        _cleanup_close_ int fd = -1;

        /* Without O_NONBLOCK a FIFO would hold us up. */
        fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 && errno == ELOOP) {
                *ret_complaint = "it is a symbolic link; put the plugin itself here";
                return 0;
        }
        if (fd < 0)
                return -errno;
        *ret_complaint = check_file(fd);
        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* The symbol, if it is data and as large as every version of the ABI makes it. */
static const struct pm_provider *find_symbol(void *handle, size_t *ret_size) {
        const void *p = dlsym(handle, PM_PROVIDER_SYMBOL);
        const ElfW(Sym) *symbol = NULL;
        Dl_info info;

        if (!p || !dladdr1(p, &info, (void **) &symbol, RTLD_DL_SYMENT) || !symbol)
                return NULL;
        if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size < offsetof(struct pm_provider, name))
                return NULL;
        *ret_size = symbol->st_size;
        return p;
}

/*
 * A path to an open file that was never used before. The dynamic loader takes a name that it knows for the object
 * that it knows it of, while the number may stand for another file by now. So every load spells the path in a way of
 * its own: "/" or "/." for each bit of a counter.
 */
#define LINK_MAX (sizeof("/proc/self/fd//") + 2 * 32 + 3 * sizeof(int))

static void make_link(int fd, char link[LINK_MAX]) {
        static atomic_uint counter;
        char *p = stpcpy(link, "/proc/self/fd");

        for (unsigned n = atomic_fetch_add(&counter, 1); n > 0; n >>= 1)
                p = stpcpy(p, n & 1 ? "/." : "/");
        snprintf(p, (size_t) (link + LINK_MAX - p), "/%d", fd);
}

static int load(Plugin *p, int fd, const char *name) {
        const struct pm_provider *provider;
        char link[LINK_MAX];
        size_t size;

        make_link(fd, link);
        p->handle = dlopen(link, RTLD_NOW | RTLD_LOCAL);
        if (!p->handle) {
                const char *e = dlerror();
                /* The plugin's path is told apart from the error; the link tells nobody anything. */
                if (e && strncmp(e, link, strlen(link)) == 0)
                        e += strlen(link) + strspn(e + strlen(link), ": ");
                return asprintf(&p->error, "it cannot be loaded (%s); build it for this system", e ? e : "no reason");
        }

        provider = find_symbol(p->handle, &size);
        if (!provider)
                return asprintf(&p->error, "it exports no data called " PM_PROVIDER_SYMBOL "; declare that with "
                                "PM_PROVIDER_EXPORT, or move the file elsewhere if it is no provider plugin");
        p->info.abi = (int) provider->abi;
        if (provider->abi != PM_PROVIDER_ABI || provider->size != sizeof(*provider) || size < sizeof(*provider))
                return asprintf(&p->error, "it is built for version %u of the plugin ABI with a size of %u bytes, this "
                                "daemon for version %d with %zu; rebuild it against this pointsman's provider.h",
                                provider->abi, provider->size, PM_PROVIDER_ABI, sizeof(*provider));
        p->error = provider_check(provider, name);
        if (p->error)
                return 0;
        p->info.provider = provider;
        return 0;
}

static int plugin_load(Providers *all, int dir, const char *directory, const char *file) {
        Plugin *p = &all->plugins[all->n++];
        const char *complaint = NULL;
        _cleanup_close_ int fd = -1;
        int k;

        p->name = strndup(file, strlen(file) - strlen(SUFFIX));
        if (!p->name || asprintf(&p->path, "%s/%s", directory, file) < 0)
                return -ENOMEM;

        k = open_plugin(dir, file, &fd, &complaint);
        if (k < 0)
                k = asprintf(&p->error, "it cannot be read: %s", strerror(-k));
        else if (complaint) {
                p->error = strdup(complaint);
                k = p->error ? 0 : -ENOMEM;
        } else
                k = load(p, fd, p->name);
        if (k < 0)
                return -ENOMEM;

        p->info.path = p->path;
        p->info.error = p->error;
        p->info.name = p->info.provider ? p->info.provider->name : p->name;
        p->info.title = p->info.provider ? p->info.provider->title : "";
        p->info.version = p->info.provider ? p->info.provider->version : "";
        return 0;
}

/* ---- all of them ---- */

static int is_plugin(const struct dirent *d) {
        size_t n = strlen(d->d_name);

        return d->d_name[0] != '.' && n > strlen(SUFFIX) && streq(d->d_name + n - strlen(SUFFIX), SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

int providers_load(const char *directory, Providers **ret) {
        _cleanup_(providers_freep) Providers *p = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir = -1;
        struct dirent **entries = NULL;
        int n, k = 0;

        dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        path = realpath(directory, NULL);
        if (!path)
                return -errno;
        n = scandirat(dir, ".", &entries, is_plugin, by_name);
        if (n < 0)
                return -errno;

        p = calloc(1, sizeof(*p));
        if (p)
                p->plugins = calloc((size_t) n + 1, sizeof(*p->plugins));
        if (!p || !p->plugins)
                k = -ENOMEM;
        for (int i = 0; i < n; i++) {
                if (k == 0)
                        k = plugin_load(p, dir, path, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        if (k < 0)
                return k;
        *ret = TAKE(p);
        return 0;
}

size_t providers_n(const Providers *p) {
        return p->n;
}

const ProviderInfo *providers_get(const Providers *p, size_t i) {
        return &p->plugins[i].info;
}

const struct pm_provider *providers_find(const Providers *p, const char *name) {
        for (size_t i = 0; i < p->n; i++)
                if (p->plugins[i].info.provider && streq(p->plugins[i].info.name, name))
                        return p->plugins[i].info.provider;
        return NULL;
}

const struct pm_operation *provider_operation(const struct pm_provider *p, const char *name) {
        if (p)
                for (const struct pm_operation *o = p->operations; o->name; o++)
                        if (streq(o->name, name))
                                return o;
        return NULL;
}
