// SPDX-License-Identifier: BSD-3-Clause
// The memory that bodies may take while they come, shared by all who send some. Where it is full, who sends from the address
// that has the most gives way to one that has less: whoever holds all of it back, slowly or with many connections, keeps
// nobody else out.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct web_bodies;

// most: bytes in all.
struct web_bodies *web_bodies_new(size_t most);
void web_bodies_free(struct web_bodies *bodies);
// Counts bytes more of owner, a pointer that is its own as long as it is not removed. Returns false when there is no room;
// then rival is who has to be removed before it is tried again, NULL: nobody.
bool web_bodies_add(struct web_bodies *bodies, void *owner, const char *address, size_t bytes,
	void **rival) __attribute__((warn_unused_result));
// Its body is whole, and in use: it gives way no more.
void web_bodies_keep(struct web_bodies *bodies, const void *owner);
// Does nothing a second time.
void web_bodies_remove(struct web_bodies *bodies, const void *owner);
