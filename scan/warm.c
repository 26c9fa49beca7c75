// SPDX-License-Identifier: BSD-3-Clause
#include "scan/warm.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u // or less than there are in one: touched twice then

// All pages at once where the kernel can (5.14), else one after the other.
void warm_memory(void *memory, size_t bytes)
{
	const size_t skipped = -(uintptr_t)memory % PAGE_BYTES;
	uint8_t *pages = (uint8_t *)memory + skipped;

	if (bytes <= skipped)
		return;
	bytes -= skipped;
#ifdef MADV_POPULATE_WRITE
	if (madvise(pages, bytes, MADV_POPULATE_WRITE) == 0)
		return;
#endif
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile uint8_t *)(pages + at) = 0;
}
