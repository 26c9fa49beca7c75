// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish_parcel.h"

#include "control/ending.h"
#include "control/memory_file.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWAP_SECONDS 30

static int copy_all(int from, int to, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = sendfile(to, from, NULL, bytes);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes -= (size_t)n;
	}
	return 0;
}

static int copy_file(const char *path, int to)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	int err;

	if (file < 0)
		return -errno;
	err = fstat(file, &status) == 0 ? copy_all(file, to, (size_t)status.st_size) : -errno;
	(void)close(file);
	return err;
}

// A memfd that nobody can change any more, with the contents of one file, or of two. Returns it, or
// -errno.
static int seal_image(const char *path, const char *delta)
{
	int memory = memory_file_new("rules");
	int err;

	if (memory < 0)
		return memory;
	err = copy_file(path, memory);
	if (err == 0 && delta != NULL)
		err = copy_file(delta, memory);
	return memory_file_seal(memory, err);
}

int publish_parcel_send(const struct control_options *options, const struct publish_parcel *parcel,
	struct publish_result *result, char *error, size_t error_bytes)
{
	const char *what = parcel->path;
	char *answer = NULL;
	char reason[128];
	json_t *root;
	const char *refusal;
	int fd = seal_image(parcel->path, parcel->delta);
	int err = fd < 0 ? fd : 0;

	if (err == 0) {
		what = "the dataplane cannot be asked";
		err = local_ask_until(options->dataplane,
			&(struct local_question){parcel->command, fd, SWAP_SECONDS},
			ending_descriptor(), &answer);
		(void)close(fd);
	}
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: %s", what,
			strerror_r(-err, reason, sizeof(reason)));
		return err;
	}
	root = json_loads(answer, 0, NULL);
	refusal = json_string_value(json_object_get(root, "error"));
	if (!json_is_true(json_object_get(root, "ok"))) {
		(void)snprintf(error, error_bytes, "the dataplane refused them: %s",
			refusal != NULL ? refusal : "no reason given");
		err = -EBADMSG;
	} else {
		(void)snprintf(result->version, sizeof(result->version), "%s",
			json_string_value(json_object_get(root, "ruleset")));
		result->signatures =
			(unsigned int)json_integer_value(json_object_get(root, "signatures"));
	}
	json_decref(root);
	free(answer);
	return err;
}
