// SPDX-License-Identifier: BSD-3-Clause
// Archives and office documents as attachments; part of mails.c.
#pragma once

#include "perf/dice.h"
#include "perf/mails.h"

// Fills in members and attachment, which has about so many bytes.
void mail_pack(struct mail *mail, size_t bytes, uint64_t seed, const struct mail_bytes *sign);
