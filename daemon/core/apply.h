/* SPDX-License-Identifier: Apache-2.0 */
/* Making and unmaking services; see apply.c. */
#pragma once

#include "daemon/core/service.h"

Service *service_free(Service *s);
