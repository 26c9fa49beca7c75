// SPDX-License-Identifier: BSD-3-Clause
// Alerts in mail: parts of the type application/vnd.cordon.alert+json, each an envelope. And receipts, which
// are of a type of their own or plain text.
#pragma once

#include <stddef.h>

#define ALERT_PART_MAIL_BYTES (8u << 20) // of the mail around them
#define ALERT_PART_MOST 16               // in a mail; more are left out

typedef void (*alert_part_fn)(void *ctx, const void *envelope, size_t bytes);

// Shows each envelope: of a mail, or the whole text when it is no mail but an envelope itself. Returns how
// many there were; what is longer than a mail may be has none.
unsigned int alert_part_each(const void *data, size_t bytes, alert_part_fn each, void *ctx);
// The same of receipts.
unsigned int alert_part_receipts(const void *data, size_t bytes, alert_part_fn each, void *ctx);
