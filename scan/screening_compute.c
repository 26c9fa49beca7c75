// SPDX-License-Identifier: BSD-3-Clause
// Digests of several objects at once.
#include "scan/md5_lanes.h"
#include "scan/scan.h"
#include "scan/screening.h"
#include "scan/sha256_lanes.h"

#include <string.h>

void screening_compute(
	struct screening_waiting *waiting, size_t count, uint8_t digests[][2][DIGEST_MAX_BYTES])
{
	struct sha256_job sha256s[SCREENING_WAITING];
	struct md5_job md5s[SCREENING_WAITING];
	size_t sha256s_count = 0;
	size_t md5s_count = 0;

	for (size_t i = 0; i < count; i++) {
		memset(digests[i], 0, sizeof(digests[i]));
		if ((waiting[i].wanted & DIGEST_MD5) != 0)
			md5s[md5s_count++] = (struct md5_job){&waiting[i].copy, digests[i][0]};
		if ((waiting[i].wanted & DIGEST_SHA256) != 0)
			sha256s[sha256s_count++] =
				(struct sha256_job){&waiting[i].copy, digests[i][1]};
	}
	if (md5s_count > 0)
		md5_lanes(md5s, md5s_count);
	if (sha256s_count > 0)
		sha256_lanes(sha256s, sha256s_count);
}
