// SPDX-License-Identifier: BSD-3-Clause
// The list that is to be in force: an image of all that is on or, of a large list, the image that there is and a layer
// of what has changed since (scan/screen.h). It lies beside the rules' image and goes to the dataplane.
//
// At each moment the files are a list that was in force, or that is durable and about to be: an image takes the place of
// another by being renamed, when layers of both are there. What the store says of the image (screen_store_image) is
// compared with it; where they are not of each other, all is made anew.
//
// Belongs to one thread, but for screens_image_merge.
#pragma once

#include "control/control_options.h"
#include "control/screen_store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screens_image;

// Bytes of malloc, NULL: none.
struct screens_bytes {
	void *data;
	size_t bytes;
};

// What is on.
struct screens_made {
	struct screens_bytes whole; // an image of it; neither this nor a layer: nothing is on
	struct screens_bytes layer; // or of what has changed since the image that there is
	uint64_t changes;           // so many, 0: none, or there is no layer
	int64_t last_change;        // that is in it
	bool is_small;              // layers are not worth while
};

// An image of all that is on that was made beside the others, which took its time.
struct screens_merged;

// options and store outlive it. Returns 0 or -ENOMEM.
int screens_image_new(const struct control_options *options, struct screen_store *store,
	struct screens_image **out) __attribute__((warn_unused_result));
void screens_image_free(struct screens_image *image);

// In a transaction, before one of its own in which it is made, and another in which it is noted: what changes meanwhile is
// written down, also where the image that there is is not known. Returns 0 or -EIO.
int screens_image_watch(struct screens_image *image) __attribute__((warn_unused_result));
// Makes what is on, as the store has it in the transaction that is open. Returns 0, -EIO, or as screen_build with a
// text in why.
int screens_image_make(struct screens_image *image, struct screens_made *made, char *why,
	size_t why_bytes) __attribute__((warn_unused_result));
// Writes down what was made, in a transaction. Returns 0 or -EIO.
int screens_image_note(struct screens_image *image, const struct screens_made *made)
	__attribute__((warn_unused_result));
// Puts what was made and noted beside the rules' image; its layer is taken. Returns 0 or -errno.
int screens_image_keep(struct screens_image *image, struct screens_made *made)
	__attribute__((warn_unused_result));
// A sealed memfd of what was kept: the layer alone or, with is_whole, what is below it, too. Returns it or -errno.
int screens_image_seal(const struct screens_image *image, const struct screens_made *made,
	bool is_whole) __attribute__((warn_unused_result));
void screens_made_free(struct screens_made *made);
// When there is time: the image that was kept is opened, so that layers can be made for it.
void screens_image_settle(struct screens_image *image);

// Makes an image of all that is on, on any thread, by a store of its own at that path. Returns 0, -EALREADY: the image
// that there is has all, or there is none; -ECANCELED: it is ending; or as screens_image_make.
int screens_image_merge(const struct control_options *options, const char *path,
	const atomic_bool *is_ending, struct screens_merged **out)
	__attribute__((warn_unused_result));
// The same with the list that is coming (screen_store_come), by a store of the thread's own, for the transaction in which
// that goes on. Returns 0, -ECANCELED likewise, or as screens_image_make.
struct screens_coming_setup {
	const struct control_options *options;
	struct screen_store *store;
	const atomic_bool *is_ending;
};
int screens_image_merge_coming(const struct screens_coming_setup *setup,
	struct screens_merged **out, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// In a transaction: it is noted, and the next layers are made for it. Takes it. Returns 0, -EIO, or -ESTALE: another image
// came in between, it is of no use; that goes before screens_image_make.
int screens_image_adopt(struct screens_image *image, struct screens_merged *merged)
	__attribute__((warn_unused_result));
// The transaction came to nothing.
void screens_image_disown(struct screens_image *image);
void screens_merged_free(struct screens_merged *merged);

// Whether a list lies beside the rules' image.
bool screens_image_has_file(const struct control_options *options);
