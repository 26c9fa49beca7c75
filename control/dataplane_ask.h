// SPDX-License-Identifier: BSD-3-Clause
// Questions to the dataplane, by one connection that stays and in their order: nobody waits for it, however long it takes.
// A question whose time is over is answered so, and stays on its way: what the dataplane has got of it, it does, in the
// order in which it was asked, and its late answer is passed over. What a connection that breaks has left is asked once
// more by the next one, so that what is asked may be done twice.
#pragma once

#include <glib.h>

#include <stdbool.h>

struct dataplane_ask;

// err: 0, or -errno (-ETIMEDOUT, -ECANCELED: dataplane_ask_end); text: the answer, as long as the call lasts. Called by
// the context, never before dataplane_ask has returned; it may ask on.
typedef void (*dataplane_answer_fn)(void *ctx, int err, const char *text);

// path outlives it. context: that of the one thread which asks; NULL: the default one.
int dataplane_ask_new(const char *path, GMainContext *context, struct dataplane_ask **out)
	__attribute__((warn_unused_result));
void dataplane_ask(struct dataplane_ask *line, const char *text, unsigned int seconds,
	dataplane_answer_fn answer, void *ctx);
// The same of what nobody misses for long: it is not sent, and -ETIMEDOUT, as long as an answer is overdue, so that a
// dataplane that hangs has room for what matters, and has not to answer all that when it goes on.
void dataplane_ask_lightly(struct dataplane_ask *line, const char *text, unsigned int seconds,
	dataplane_answer_fn answer, void *ctx);
// Lets the dataplane have the processor first: waits until there is an answer, or for so long, or not at all while one is
// overdue. The answer is told as always.
void dataplane_ask_step_aside(const struct dataplane_ask *line, unsigned int ms);
// Whether somebody waits for an answer.
bool dataplane_ask_is_busy(const struct dataplane_ask *line);
// Who waits is told at once that there will be no answer. What is asked from now on is sent, and nobody is told.
void dataplane_ask_end(struct dataplane_ask *line);
// After dataplane_ask_end.
void dataplane_ask_free(struct dataplane_ask *line);
