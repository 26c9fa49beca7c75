// SPDX-License-Identifier: BSD-3-Clause
// What a message is said to consist of, when it was read in several ways.
#pragma once

struct scan;

// Takes those parts of other readings than the first off the list in which nothing was found, and what
// was unpacked from them; the rest is numbered anew. After the last part has ended.
void scan_drop_readings(struct scan *scan);
