// SPDX-License-Identifier: BSD-3-Clause
// Objects that are unpacked when they are whole: kept while they pass, deferred when they end, worked on
// when the message has ended. Private to scan*.c.
#pragma once

#include "scan/scan_object.h"

#include <stddef.h>
#include <stdint.h>

// What unpacks the object as it passes, of which the first bytes are known.
enum unpack_kind scan_whole_kind(const struct scan *scan, struct scan_object *object);
// The object's first bytes are known, and what unpacks it as it passes.
// Whether its name or type in the mail, or its name in an archive, has it opened by a reader of PDF.
bool scan_whole_is_called_pdf(const struct scan *scan, const struct scan_object *object);

// What the object's first bytes tell. All who ask have the same ones: they are looked at once.
const struct filetype *scan_whole_type(struct scan_object *object, const uint8_t *data, size_t n);

void scan_whole_detect(struct scan *scan, struct scan_object *object, enum unpack_kind kind);
// Its bytes, from the first on.
void scan_whole_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
// What unpacks it as it passes has taken `used` of the last n bytes. Where the archive has come to its end, others are
// looked for behind it.
void scan_whole_look_behind(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n, size_t used);
// A member of a zip, or a stream of a PDF, could not be unpacked as it passed. True: it will be when that is whole.
bool scan_whole_takes_rest(struct scan_object *object);
// It is a PDF that tells that it is encrypted. True: it will be decrypted, or called so, when it is whole.
bool scan_whole_takes_encrypted(struct scan_object *object);
// The part that such a member already is, of those that have not been found yet; NULL: none.
struct scan_part *scan_whole_listed(
	struct scan *scan, struct scan_object *object, const char *name);
// Whether what comes out of it as it passes, mostly comes once more when it is whole.
// Whether its member is a MIME entity: what S/MIME signs.
bool scan_whole_holds_entity(const struct scan_object *object);
bool scan_whole_is_other(const struct scan_object *object);
// Whether an archive that is stored in it stands there in pieces.
bool scan_whole_is_interrupted(const struct scan_object *object);
// It has ended. True: it was put off, and is not the caller's any more.
bool scan_whole_defer(struct scan *scan, struct scan_object *object);
// Gives up what was put off of a part and inside of it.
void scan_whole_drop(struct scan *scan, uint32_t part);
// Unpacks all that was put off. What ends meanwhile is unpacked at once, so that little is kept.
void scan_whole_work(struct scan *scan);
// Gives back what was worked on elsewhere.
void scan_whole_free(struct scan *scan);
