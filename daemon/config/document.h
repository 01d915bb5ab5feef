/* SPDX-License-Identifier: Apache-2.0 */
/* One configuration file, and the loading that it is part of. Inside daemon/config only. */
#pragma once

#include <libconfig.h>

#include "basic/macro.h"

#include "daemon/config/config.h"

#define SETTING_PATH_MAX 512

typedef struct Document {
        char *path;
        config_t tree;
        size_t n_services; /* how many there were before this file: only those can be met again */
} Document;

typedef struct Loader {
        Config *config; /* what the files have said so far */
        ConfigErrors *errors;
        Document *documents;
        size_t n_documents;
        size_t mistakes;  /* errors that are not warnings, also those beyond CONFIG_ERRORS_MAX */
        bool incomplete;  /* a file could only be read in part: what is missing may stand in the rest */
        bool failed;      /* out of memory while complaining */
} Loader;

/* Reads and parses. Mistakes in the syntax are complained about and leave what stands before them. Errors: config_text_read()'s. */
int document_open(Loader *l, const char *path, Document *ret);
void document_done(Document *d);
/* Puts what the file says over what is in l->config already. -ENOMEM is the only error. */
int document_apply(Loader *l, Document *d);

_printf_(5, 6) void loader_complain(Loader *l, const char *file, unsigned line, const char *setting,
                                    const char *format, ...);
/* About a setting by path: finds the file and line that said it last, or the group that it is missing from. */
void loader_complain_about(Loader *l, const char *path, const char *message, bool warning);
