// SPDX-License-Identifier: BSD-3-Clause
// The text form of metrics that Prometheus reads (exposition format 0.0.4): names in base units, counters
// end in _total.
#pragma once

#include <glib.h>
#include <jansson.h>

#include <stdint.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

// The two lines before the samples of a metric.
void metrics_head(GString *text, const char *name, enum metric_kind kind, const char *help);
// One sample; label NULL: it has none. The label's value may be any text.
void metrics_sample(
	GString *text, const char *name, const char *label, const char *label_value, double value);
// Both of a metric that has one sample.
void metrics_one(
	GString *text, const char *name, enum metric_kind kind, const char *help, double value);

// Those of a gateway: of its answer to "status", and of its dataplane's to "stats" (NULL: it is away).
// The caller frees the text.
char *metrics_gateway(const json_t *status, const json_t *stats);
