// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection as a stream of libetpan's. The library has one of its own, which waits by select(), and so ends a
// process that has 1,024 descriptors or more; which is patient anew with each byte; and which tries the addresses of a
// name one after the other, each for as long as it waits for a reply.
#pragma once

#include <libetpan/libetpan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// As dial does. seconds: for the connection (a minute at most), and then for each wait. Returns NULL, and in why
// what was wrong, for people; mailstream_close ends it.
mailstream *deliver_stream_connect(
	const char *host, uint16_t port, unsigned int seconds, char *why, size_t why_bytes);

// What is read from now on may take the connection's seconds, all of it together; a write begins them anew, too.
void deliver_stream_await(mailstream *stream);
// Whether what is being said must be said to its end and answered. As long as not, which is so at first, nothing is waited
// for any more when the process ends (ending.h).
void deliver_stream_commit(mailstream *stream, bool is_committed);
