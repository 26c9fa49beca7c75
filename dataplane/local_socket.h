// SPDX-License-Identifier: BSD-3-Clause
// Questions and answers between the programs of one gateway: a unix socket of type SOCK_SEQPACKET, one
// text a packet, and a descriptor beside it where one is wanted (SCM_RIGHTS). The server never waits
// for a client; a client that does not read is cut off.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOCAL_REQUEST_BYTES (1 << 18) // at most
#define LOCAL_ANSWER_BYTES (1 << 20)
// At once, most of which wait for what takes long; more wait in the socket's queue.
#define LOCAL_CLIENTS 64

struct local_server;

struct local_request {
	char *text; // NUL-terminated, may be written to; a NUL inside of it ends what counts
	size_t bytes;
	int fd;          // that came with it, or -1; the server closes it
	uid_t uid;       // of the asking process
	uint64_t client; // names it for local_server_answer
};

struct local_answer {
	char *text; // of malloc, which the server frees; NULL: there was no memory
	int fd;     // to go with it, or -1; the server closes it
	bool later; // local_server_answer will be called
};

// Fills in the answer, which is {NULL, -1, false} before.
typedef void (*local_answer_fn)(
	void *ctx, struct local_request *request, struct local_answer *answer);

// Listens at path, for the owner and group of the process. A socket that nobody listens at any more is
// taken over; a folder that is missing is made. Returns 0 or -errno (-EADDRINUSE: somebody answers).
int local_server_open(const char *path, local_answer_fn answer, void *ctx,
	struct local_server **out) __attribute__((warn_unused_result));
void local_server_close(struct local_server *server);
// Readable when local_server_serve has something to do.
int local_server_descriptor(const struct local_server *server);
// Accepts, reads and answers whatever is there without waiting.
void local_server_serve(struct local_server *server);
// The same of questions that is_urgent knows by their beginning: for an answer that takes long, to be called while it
// is made. Who waits for that answer is not heard before it.
void local_server_serve_urgent(
	struct local_server *server, bool (*is_urgent)(const char *beginning));
// Accepts, reads what is there and answers what is urgent. The rest is kept for local_server_serve, which the
// descriptor does not ask for any more. Returns whether there is such. May be called while an answer is made.
bool local_server_take(struct local_server *server,
	bool (*is_urgent)(const struct local_request *request)) __attribute__((warn_unused_result));
// Whether this client waits for an answer that comes later, and is still there.
bool local_server_is_waiting(const struct local_server *server, uint64_t id);
// The answer that was to come later; nothing happens when the client has gone meanwhile.
void local_server_answer(struct local_server *server, uint64_t id, struct local_answer *answer);

// Asks: sends text, and passed unless it is -1, which stays the caller's. The answer is freed by the
// caller; *received (NULL: not wanted) is a descriptor of the caller's, or -1. Waits for that many
// seconds to be let in, and as many for the answer. Returns 0 or -errno (-ETIMEDOUT).
int local_ask(const char *path, const char *text, int passed, unsigned int seconds, char **answer,
	int *received) __attribute__((warn_unused_result));

struct local_question {
	const char *text;
	int fd; // goes with it, and stays the caller's; -1: none
	unsigned int seconds;
};

// The same without a descriptor that comes back; two seconds to be let in. Once end is readable (-1: never) the answer is
// not waited for any more: -ECANCELED, and what was asked may be done.
int local_ask_until(const char *path, const struct local_question *question, int end, char **answer)
	__attribute__((warn_unused_result));

// The same, while the other side answers anything: sign is asked beside again and again, and when that had no answer for
// silence_s seconds, none is waited for any more: -ETIMEDOUT, and what was asked may be done later.
int local_ask_alive(const char *path, const struct local_question *question, const char *sign,
	unsigned int silence_s, char **answer) __attribute__((warn_unused_result));

// The same by a connection that stays, for one question after the other; two seconds to be let in. After an error it is
// to be closed: an answer that comes late would be taken for the next one's.
int local_connect(const char *path, int *out) __attribute__((warn_unused_result));
// Without waiting: -ETIMEDOUT where that would have to be. For local_send and local_receive.
int local_connect_now(const char *path, int *out) __attribute__((warn_unused_result));
int local_talk(const struct local_question *question, int fd, char **answer, int *received)
	__attribute__((warn_unused_result));
// The two halves of it, neither of which waits: the second is for when the connection is readable. Both return 0 or
// -errno, -EAGAIN when it is not so far.
int local_send(int fd, const char *text) __attribute__((warn_unused_result));
int local_receive(int fd, char **answer) __attribute__((warn_unused_result));
