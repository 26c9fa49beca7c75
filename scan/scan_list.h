// SPDX-License-Identifier: BSD-3-Clause
// What of a message's parts is listed, and in which order. Private to scan*.c.
#pragma once

struct scan;

// Parts are found as bytes pass: those of two readings, or of archives in them, in an order that depends
// on how the bytes came. Now, at the message's end, they get an order and numbers that do not: after each
// part what is in it. Parts of other readings in which nothing was found are left out; matches follow.
void scan_list(struct scan *scan);
// Lists the first parts in scan->small, which is not in use, as they are by now; which of them is where.
void scan_list_known(struct scan *scan);
