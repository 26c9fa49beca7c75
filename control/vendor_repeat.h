// SPDX-License-Identifier: BSD-3-Clause
// Patience, for ways that keep what they are given until the gateway fetches it, as a mail server or a broker
// does: an alert goes to a gateway at once, and again only after pauses of its own, which grow.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vendor_repeat;

struct vendor_repeat *vendor_repeat_new(unsigned int first_s);
void vendor_repeat_free(struct vendor_repeat *repeat);
// Whether it goes now, which is remembered. *times: how often it has gone before.
bool vendor_repeat_may(struct vendor_repeat *repeat, const char *gateway, const char *digest,
	int64_t now_us, unsigned int *times);
// It has not gone after all.
void vendor_repeat_forget(struct vendor_repeat *repeat, const char *gateway, const char *digest);
