/* SPDX-License-Identifier: Apache-2.0 */
/* What a long-running program gives up by itself, so that it holds nothing to spare even where no unit of systemd has seen to it. */
#pragma once

/* Every capability, root's too, and every way to a new one, for this process and all that it starts. The user stays the same.
 * Negative errno: something is left. */
int privileges_drop(void);
