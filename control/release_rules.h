// SPDX-License-Identifier: BSD-3-Clause
// The rules that kept mail is scanned by. An image is read from end to end when it is opened, which a thread does.
#pragma once

#include "scan/scan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

// Large, and the same under many seals.
struct release_rules {
	atomic_uint users;
	struct ruleset *ruleset;
	struct scanner *scanner; // of the scanning thread
};

// One user less; NULL: nothing.
void release_rules_put(struct release_rules *rules);

// Of an image and what lies beside it.
struct release_stats {
	struct stat image;
	struct stat delta;
	struct stat screen;
	struct stat screen_layer;
};

// Returns 0 or -errno.
int release_stats_take(const char *path, struct release_stats *out)
	__attribute__((warn_unused_result));
bool release_stats_are_same(const struct release_stats *a, const struct release_stats *b);

struct release_opener;

// ready: on the main loop, when a thread is done with an image, good or not. NULL: no memory.
struct release_opener *release_opener_new(void (*ready)(void *ctx), void *ctx)
	__attribute__((warn_unused_result));
void release_opener_free(struct release_opener *opener);
struct release_wanted {
	const char *image;
	struct release_stats stats; // of its files
	uint64_t seals;             // the generation in force
	uint64_t now_ns;            // monotonic
};

// The rules of these files, for one user. Returns 0; -EINPROGRESS: they are being made, and it is to be asked again when
// ready; or -errno, with which the thread has ended.
int release_opener_take(struct release_opener *opener, const struct release_wanted *wanted,
	struct release_rules **out) __attribute__((warn_unused_result));
// Whether release_opener_take would not wait now.
bool release_opener_is_ready(struct release_opener *opener, const struct release_wanted *wanted);
// Images come faster than they can be judged by: RELEASE_OFTEN began to be opened within RELEASE_OFTEN_NS.
bool release_opener_is_often(const struct release_opener *opener, uint64_t now_ns);
// Then, the last one that was opened and had been replaced by then. Only where the seals are still those that were in force with it:
// an update that ends one is in a later image. Returns 0, once for each, or -ENOENT.
int release_opener_take_late(struct release_opener *opener, const struct release_wanted *wanted,
	struct release_rules **out) __attribute__((warn_unused_result));

#define RELEASE_OFTEN 8u
#define RELEASE_OFTEN_NS (UINT64_C(30) * 1000000000)
