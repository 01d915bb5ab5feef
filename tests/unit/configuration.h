/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the configuration share: a folder with main.conf and conf.d/, and providers as the loader sees them. */
#pragma once

#include "daemon/config/config.h"
#include "tests/unit/test.h"

#define SOURCE TEST_DATA "/../../"

#define STRATEGIES \
        "one of ROUND_ROBIN, WEIGHTED_ROUND_ROBIN, LEAST_CONNECTIONS, LEAST_RESPONSE_TIME, GEOGRAPHIC_PROXIMITY, " \
        "COST_OPTIMIZED, HEALTH_BASED, PREDICTIVE_ANALYTICS, HYBRID_OPTIMIZATION"

/* "generic" takes any options but those whose names begin with "bad". */
const struct pm_provider *find_provider(void *userdata, const char *name);
extern unsigned made; /* by its create(), and not destroyed yet */

int make_folder(void **state);
int remove_folder(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

char *read_source(const char *path); /* to be freed */
const char *in_folder(const char *name); /* until the next call */
void write_bytes(const char *name, const char *text, size_t n);
void write_file(const char *name, const char *text);
/* main.conf: what is in braces is put into a node, or behind the nodes in line 2, of an otherwise good service. */
void write_node(const char *text);
void write_service(const char *text);

/* Of main.conf, as config_load(); without any mistake. */
int load_config(Config **ret, ConfigErrors *errors);
Config *load_good(void);
/* It has mistakes, which are compared with "FILE:LINE: SETTING MESSAGE" lines, FILE without the folder. */
void expect_complaints(const char *const *expected, size_t n);
#define EXPECT(...) \
        expect_complaints((const char *const[]) { __VA_ARGS__ }, ELEMENTSOF(((const char *const[]) { __VA_ARGS__ })))
