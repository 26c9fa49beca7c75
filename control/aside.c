// SPDX-License-Identifier: BSD-3-Clause
#include "control/aside.h"

#include "control/durable.h"
#include "control/urgent.h"

struct opening {
	const char *path;
	struct ruleset **out;
	int err;
};

static void open_rules(void *ctx)
{
	struct opening *job = ctx;

	job->err = ruleset_open(job->path, job->out);
}

int aside_open_rules(const char *path, struct ruleset **out)
{
	struct opening job = {.path = path, .out = out};

	urgent_wait(open_rules, &job);
	return job.err;
}

struct renaming {
	const char *from;
	const char *to;
	int err;
};

static void rename_file(void *ctx)
{
	struct renaming *job = ctx;

	job->err = durable_rename(job->from, job->to);
}

int aside_rename(const char *from, const char *to)
{
	struct renaming job = {.from = from, .to = to};

	urgent_wait(rename_file, &job);
	return job.err;
}
