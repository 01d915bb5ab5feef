/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a probe, as the parameters of ReportProbe. */
#pragma once

#include "basic/json.h"
#include "prober/transfer.h"

void report_write(JsonWriter *w, const char *probe_id, const TransferResult *result);
/* The request was never made. */
void report_write_not_sent(JsonWriter *w, const char *probe_id);
