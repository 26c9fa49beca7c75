// SPDX-License-Identifier: BSD-3-Clause
// What the name of a member says about who opens it, and what it begins with. Private to scan*.c and its tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether a file of this name may be shown or run as a page: by a browser, a mail reader, a host of scripts, or by
// whatever there is for a name that says nothing. in_office: it lies in a document of an office program, whose own
// XML is no page.
bool page_name_may_open(const char *name, bool in_office);

// Whether what begins so is XML of an office program's own: its first element is none of a page. Such a program opens as
// pages what its list of types calls so, whatever the name is.
bool page_is_document(const uint8_t *data, size_t n);
