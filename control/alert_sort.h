// SPDX-License-Identifier: BSD-3-Clause
// Envelopes that have come together, from several places, in the order in which they were issued: gateways take
// no sequence below one that they have taken. Nothing is verified here; who lies about the order of his own
// alerts has them refused.
#pragma once

#include <glib.h>

// lines: of GBytes, an envelope each. What is no alert goes last.
void alert_sort(GPtrArray *lines);
