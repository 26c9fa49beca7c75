// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a capture file: it is refused with a text or read to an end, and records stay within
// their limits. The first byte chooses a link type for the rest as one frame instead, when it is odd and below
// 23, so that it begins no kind of file.
#include "dataplane/capture_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void read_link(const uint8_t *data, size_t n)
{
	static const int types[] = {0, 9, 12, 50, 105, 108, 113, 127, 228, 229, 276};
	uint8_t *copy = malloc(n);
	uint32_t offset = 0;
	uint16_t type = 0;

	require(copy != NULL);
	memcpy(copy, data, n);
	if (capture_link_parse(types[data[0] / 2 % (sizeof(types) / sizeof(types[0]))], copy + 1,
		    (uint32_t)n - 1, &offset, &type))
		require(offset <= n - 1);
	free(copy);
}

static void read_file(const uint8_t *data, size_t n)
{
	char path[64];
	char error[CAPTURE_ERROR_BYTES] = "";
	struct capture_reader *reader;
	struct capture_record record;
	int fd = memfd_create("fuzz_capture", MFD_CLOEXEC);
	int result;

	require(fd >= 0);
	require(write(fd, data, n) == (ssize_t)n);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = capture_open(path, &reader, error);
	require(result <= 0 && (result == 0) == (error[0] == '\0'));
	if (result == 0) {
		while ((result = capture_next(reader, &record, error)) == 1)
			require(record.bytes <= CAPTURE_MAX_FRAME + 14);
		require(result == 0 || error[0] != '\0');
		capture_close(reader);
	}
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 1 && data[0] < 23 && data[0] % 2 == 1)
		read_link(data, n);
	else
		read_file(data, n);
	return 0;
}
