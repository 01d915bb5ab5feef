/* SPDX-License-Identifier: Apache-2.0 */
/* The example of docs/plugins.md, built here: nothing that is built may lie in docs/, which is packed as a whole. */
#include "docs/acme.c" /* NOLINT(bugprone-suspicious-include) */
