// SPDX-License-Identifier: BSD-3-Clause
// What signatures that ask for a container are told: the type of the archive that a member lies in, and of
// what that lies in. An archive that begins inside of other data lies in what these are. Private to scan*.c.
#pragma once

#include "scan/scan_object.h"

// What unpacks the object is known: its members lie in an archive of that type.
void container_begin(struct scan_object *object, enum unpack_kind kind);
// A zip may turn out to be a document.
void container_see_member(struct scan_object *object, const char *name);
// The object's own container is known: those around it are its parent's. parent NULL: there is none.
void container_note_outer(struct scan_object *object, const struct scan_object *parent);
