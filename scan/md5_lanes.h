// SPDX-License-Identifier: BSD-3-Clause
// MD5 of several captures at once (RFC 1321). Each step of one waits for the step before, and a processor
// does those of others meanwhile: three take hardly longer than one.
#pragma once

#include "scan/capture.h"

#include <stddef.h>
#include <stdint.h>

#define MD5_LANES 3
#define MD5_BLOCK_BYTES 64
#define MD5_DIGEST_BYTES 16

struct md5_job {
	const struct capture *copy;
	uint8_t *digest; // MD5_DIGEST_BYTES
};

void md5_lanes(const struct md5_job *jobs, size_t count);
