// SPDX-License-Identifier: BSD-3-Clause
// ClamAV's RSA signatures of its databases, with the public keys that libclamav has built in.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// In the header of a .cvd: the 16 bytes of the MD5 themselves, raised to the private key.
bool clamav_verify_md5(const uint8_t *md5, const char *signature);
// In the *.info of a container: RSASSA-PSS with SHA-256.
bool clamav_verify_sha256(const uint8_t *sha256, const char *signature);
