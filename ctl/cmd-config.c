/* SPDX-License-Identifier: Apache-2.0 */
/* check-config: the same check as that of the daemon, without one. */
#include "config.h"

#include <errno.h>

#include "ctl/ctl.h"
#include "daemon/config/config.h"
#include "daemon/providers/providers.h"

static const struct pm_provider *find_provider(void *userdata, const char *name) {
        return userdata ? providers_find(userdata, name) : NULL;
}

static void print_error(Ctl *c, const ConfigError *e) {
        if (c->json) {
                _cleanup_json_ json_t *line = json_pack("{s:s?, s:i, s:s?, s:s?}", "file", e->file, "line", (int) e->line, "setting",
                                                        e->setting, "message", e->message);
                if (line)
                        ctl_print_json(c, line, NULL);
                return;
        }
        _cleanup_free_ char *text = NULL, *clean = NULL;
        char line[16] = "";
        if (e->line > 0)
                snprintf(line, sizeof(line), ":%u", e->line);
        if (asprintf(&text, "%s%s: %s%s%s", e->file ?: "", line, e->setting ?: "", e->setting && *e->setting ? ": " : "",
                     e->message ?: "") < 0)
                return;
        clean = text_copy(text);
        fprintf(c->out.file, "%s\n", clean ?: "");
}

Exit run_check_config(Ctl *c, const Request *r) {
        const char *path = r->n_arguments > 0 ? r->arguments[0] : SYSCONFDIR "/pointsman/pointsman.conf";
        const char *folder = request_option(r, "provider-dir") ?: PROVIDER_DIR;
        ConfigErrors errors = {};
        Providers *providers = NULL;
        Config *config = NULL;

        int k = providers_load(folder, &providers);
        if (k < 0)
                complain("%s: %s; what is specific to a provider is not checked", folder, strerror(-k));
        k = config_load(path, find_provider, providers, &config, &errors);
        for (size_t i = 0; i < errors.n; i++)
                print_error(c, &errors.errors[i]);
        if (k < 0 && errors.n == 0)
                complain("%s: %s", path, strerror(-k));
        if (k >= 0 && !c->json)
                fprintf(c->out.file, "%s: %s\n", path, errors.n > 0 ? "valid, with warnings" : "valid");

        config_free(config);
        config_errors_done(&errors);
        providers_free(providers);
        return k < 0 ? EXIT_REFUSED : EXIT_DONE;
}
