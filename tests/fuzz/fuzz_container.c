// SPDX-License-Identifier: BSD-3-Clause
// ClamAV's containers: the first byte chooses the kind. Nothing that only ClamAV could have signed is
// taken from here, and what is given lies within the container's memory.
#include "scan/clamav_container.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct clamav_container container;
	enum clamav_container_kind kind;

	if (n == 0)
		return 0;
	kind = (enum clamav_container_kind)(data[0] % 3);
	if (clamav_container_open(kind, data + 1, n - 1, &container) != NULL) {
		if (container.files_count != 0)
			abort();
		return 0;
	}
	for (size_t i = 0; i < container.files_count; i++) {
		const struct clamav_container_file *file = &container.files[i];

		if (file->data < container.tar ||
			file->bytes > container.tar_bytes - (size_t)(file->data - container.tar) ||
			strlen(file->name) > 100)
			abort();
	}
	clamav_container_close(&container);
	return 0;
}
