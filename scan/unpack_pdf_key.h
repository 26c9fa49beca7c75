// SPDX-License-Identifier: BSD-3-Clause
// The key of an encrypted PDF that anybody can read: the one of the empty user password.
#pragma once

#include "scan/unpack_crypt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Looks in all of the file. False: it takes a password, or is encrypted in a way that is not known.
bool pdf_key_find(const uint8_t *data, size_t n, struct crypt_key *key);
