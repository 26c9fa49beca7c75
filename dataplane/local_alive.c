// SPDX-License-Identifier: BSD-3-Clause
// An answer that may take long, of a process that may have stopped.
#include "dataplane/local_socket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS_PER_S 1000

struct watch {
	const char *path;
	const char *sign;
	unsigned int silence_s;
	int end;    // readable: there is no sign of life
	int answer; // readable: none is needed any more
};

static void *look(void *ctx)
{
	const struct watch *watch = ctx;
	const struct local_question status = {watch->sign, -1, watch->silence_s};
	struct pollfd polled = {.fd = watch->answer, .events = POLLIN};
	int err = 0;

	while (err != -ETIMEDOUT && poll(&polled, 1, (int)watch->silence_s * MS_PER_S / 2) == 0) {
		char *told = NULL;

		err = local_ask_until(watch->path, &status, watch->answer, &told);
		free(told);
	}
	if (err == -ETIMEDOUT)
		(void)eventfd_write(watch->end, 1);
	return NULL;
}

static int ask_watched(struct watch *watch, const struct local_question *question, char **answer)
{
	pthread_t thread;
	int err = -pthread_create(&thread, NULL, look, watch);

	if (err != 0)
		return err;
	err = local_ask_until(watch->path, question, watch->end, answer);
	(void)eventfd_write(watch->answer, 1);
	(void)pthread_join(thread, NULL);
	return err == -ECANCELED ? -ETIMEDOUT : err;
}

int local_ask_alive(const char *path, const struct local_question *question, const char *sign,
	unsigned int silence_s, char **answer)
{
	struct watch watch = {
		path, sign, silence_s, eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
	int err = watch.end >= 0 && watch.answer >= 0 ? 0 : -errno;

	if (err == 0)
		err = ask_watched(&watch, question, answer);
	if (watch.end >= 0)
		(void)close(watch.end);
	if (watch.answer >= 0)
		(void)close(watch.answer);
	return err;
}
