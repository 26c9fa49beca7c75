// SPDX-License-Identifier: BSD-3-Clause
// Scanning of kept mail on a thread of its own, with the rules that are in force.
#pragma once

#include "control/control_options.h"
#include "control/rebuild.h"
#include "control/store.h"
#include "scan/scan.h"

#include <stdbool.h>

#define RELEASE_KEY_BYTES 128

struct release_scanner;

struct release_verdict {
	enum verdict verdict;
	const char *reason; // what the policy goes by: not always what the verdict does
	enum scan_finding decisive;
	enum seal_mode mode;        // of the strictest seal that covers it
	json_t *seals;              // virus ids of all that do
	bool has_attachments;       // asked only when clean, under a seal that lets others through
	struct rebuild_plan *plan;  // what makes it deliverable: the result was scanned; NULL: none
	enum release_policy policy; // of what is infected or suspect
	char refusal
		[256]; // why it could not be disinfected, though that is the policy; "" otherwise
	json_t *signatures;          // that hit
	json_t *screened;            // of these, what screening found: screens_hits_describe
	char key[RELEASE_KEY_BYTES]; // of rules and seals that it is good for
	struct store_message message;
};

// Called on the main loop; what verdict points to lives during the call.
typedef void (*release_verdict_fn)(void *ctx, const struct release_verdict *verdict);

struct release_ways {
	release_verdict_fn done;
	void (*ready)(void *ctx); // an image that was being opened: it is time to renew
	void *ctx;
};

// options must outlive it.
int release_scanner_new(const struct control_options *options, const struct release_ways *ways,
	struct release_scanner **out) __attribute__((warn_unused_result));
void release_scanner_free(struct release_scanner *scanner);
// Takes up the image when it is another one than last time, and the seals as seals_text gives them.
// Returns 0 or -errno: then the old ones stay, and there may be none. -EINPROGRESS: a thread opens the image, and ready
// follows; or, where images come often, mail is on its way, which is judged before anything newer is taken up, and done
// follows.
int release_scanner_renew(struct release_scanner *scanner, const char *image, const char *seals)
	__attribute__((warn_unused_result));
// The image and the seals of this generation are what it works with now.
bool release_scanner_is_current(
	const struct release_scanner *scanner, const char *image, uint64_t seals_generation);
// It judges by an image that has been replaced meanwhile, since others come faster than they can be opened or judged by.
bool release_scanner_is_behind(const struct release_scanner *scanner);
// Whether decisions that it has made hold: it is current, or behind, and the seals are the same.
bool release_scanner_holds(
	const struct release_scanner *scanner, const char *image, uint64_t seals_generation);
// What a decision made now is good for; "" when there are no rules.
const char *release_scanner_key(const struct release_scanner *scanner);
// Takes the message. Returns 0, -EAGAIN when enough are on their way, or -ENOENT when there are no rules.
int release_scanner_push(struct release_scanner *scanner, struct store_message *message)
	__attribute__((warn_unused_result));
size_t release_scanner_count(const struct release_scanner *scanner);
