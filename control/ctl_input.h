// SPDX-License-Identifier: BSD-3-Clause
// A file that cordonctl looks into, as the messages it holds: what it is is told by its content.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_input;

// Opens a regular file, or standard input ("-"), whatever it is. is_mail: known to be a message, whatever it looks like (a file of a Maildir).
// Returns 0 or -errno.
int ctl_input_open(const char *path, bool is_mail, struct ctl_input **out) SCAN_MUST_USE;
void ctl_input_close(struct ctl_input *input);
// SCAN_MESSAGE for a message or a mailbox of them, SCAN_FILE for anything else.
enum scan_kind ctl_input_kind(const struct ctl_input *input);
// Goes to the first or next message. False after the last; anything but a mailbox holds exactly one.
bool ctl_input_next(struct ctl_input *input);
// The next bytes of the message, the input's own until it is asked again. 0 at its end.
size_t ctl_input_read(struct ctl_input *input, const uint8_t **out);
// True when reading has failed: what was read is not all there is.
bool ctl_input_has_failed(const struct ctl_input *input);
