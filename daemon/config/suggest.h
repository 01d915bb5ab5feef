/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may have meant by an unknown name. */
#pragma once

#include "daemon/core/setting.h"

/* "did you mean failover_threshold?", or if nothing is near "allowed here: …". Returns buffer. */
const char *suggest(const SettingTable *t, const char *group, const char *name, char buffer[SETTING_TEXT_MAX]);
