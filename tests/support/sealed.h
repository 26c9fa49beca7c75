// SPDX-License-Identifier: BSD-3-Clause
// A world (support/world.h) with seals: what the tests of the divert begin and end with.
#pragma once

#include "dataplane/seal.h"
#include "tests/support/world.h"

#include <stdbool.h>
#include <stdint.h>

#define SEALED_EVIL "the-quick-evil-fox-of-the-test"
// The same text in hexadecimal.
#define SEALED_RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define SEALED_MAIL "Subject: x\r\n\r\nhello\r\n.\r\n"
#define SEALED_TEXT "Subject: x\r\n\r\nhello\r\n"

// The one world of the test program.
extern struct world world;

// Makes it, with rules that know SEALED_EVIL. Every third seed's is of IPv6.
void sealed_begin(uint64_t seed);
// The same, and so many messages of a connection are taken in.
void sealed_begin_limited(uint64_t seed, uint32_t max_held);
// Connects and says EHLO.
void sealed_connect(void);
// One seal of the inbound direction is in force; the caller may narrow its scope.
struct seal *sealed_on(enum seal_mode mode);
void sealed_off(void);
// QUIT, the end of the connection, and nothing was said twice.
void sealed_quit(void);
// Nothing was wrong with what the peers saw, and ends the world.
void sealed_finish(void);
// For world_run: the client's connection is over.
bool sealed_is_over(struct world *at, uint32_t value);
// Message i in the spool is text.
void sealed_expect_held(uint32_t i, const char *text);
