// SPDX-License-Identifier: BSD-3-Clause
// ClamAV's containers of signature files: .cvd, .cld and .cud.
//
// A header of 512 bytes, "ClamAV-VDB:" and fields between colons, padded with blanks; behind it a tar,
// packed with gzip or not, of the files and of one *.info that lists their sizes and SHA-256. Checked are:
//
//   .cvd        the MD5 of all behind the header, and ClamAV's RSA signature of that MD5
//   .cvd .cld   ClamAV's RSA signature (PSS, SHA-256) of the *.info
//   all         size and SHA-256 of each file as the *.info lists them
//
// A .cld is changed in place by updates, so that its header is that of another state; a .cud is the
// administrator's own and carries no signatures. The detached .cvd.sign of ClamAV 1.5 is not looked at.
// The keys are those that ClamAV's libclamav has built in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum clamav_container_kind { CLAMAV_CVD, CLAMAV_CLD, CLAMAV_CUD };

#define CLAMAV_MAX_CONTAINER_FILES 256
#define CLAMAV_MAX_UNPACKED (UINT64_C(2) << 30)

struct clamav_container_file {
	char name[101];
	const uint8_t *data; // in the container's memory
	size_t bytes;
};

struct clamav_container {
	uint8_t *tar; // unpacked
	size_t tar_bytes;
	size_t files_count; // without the *.info and what it does not list
	struct clamav_container_file files[CLAMAV_MAX_CONTAINER_FILES];
};

// Reads and checks one. Returns NULL, or what is wrong with it: then nothing of it is given. What is given
// lives until clamav_container_close.
const char *clamav_container_open(enum clamav_container_kind kind, const uint8_t *data, size_t n,
	struct clamav_container *out);
void clamav_container_close(struct clamav_container *container);
