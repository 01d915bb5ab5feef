/* SPDX-License-Identifier: Apache-2.0 */
/* uthash, with the one of its functions that clang finds no fault with; our keys are short. */
#pragma once

#define HASH_FUNCTION HASH_FNV
#include <uthash.h>
