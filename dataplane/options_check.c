// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *options_rules_reason(int err, char *text, size_t bytes)
{
	if (err == -EBADMSG)
		return "not a rules image, or damaged: cordonctl compile makes one";
	if (err == -ENOTSUP)
		return "made by another version of Cordon or for another type of processor: run "
		       "cordonctl compile again, here";
	if (err == -ENOLINK)
		return "a delta, which needs the image that it was made for";
	if (err == -ESTALE)
		return "a delta of another image than is in force";
	return strerror_r(-err, text, bytes);
}

static bool is_writable(const char *path)
{
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

// The folder of path, in out; false when it is longer than that.
static bool find_folder(const char *path, char out[OPTIONS_WORD_BYTES])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	if (n >= OPTIONS_WORD_BYTES)
		return false;
	(void)snprintf(out, OPTIONS_WORD_BYTES, "%.*s", (int)n, path);
	if (n == 0)
		(void)snprintf(out, OPTIONS_WORD_BYTES, "%s", slash == NULL ? "." : "/");
	return true;
}

// A folder that something can be made in. With makes_it it may be missing itself, once.
static int check_folder(const char *path, bool makes_it)
{
	char folder[OPTIONS_WORD_BYTES];
	struct stat status;

	if (!find_folder(path, folder))
		return -ENAMETOOLONG;
	if (stat(folder, &status) != 0)
		return errno == ENOENT && makes_it ? check_folder(folder, false) : -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return is_writable(folder) ? 0 : -errno;
}

static int check_events(const char *path)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return 0;
	if (stat(path, &status) != 0)
		return errno == ENOENT ? check_folder(path, false) : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return is_writable(path) ? 0 : -errno;
}

static int check_command(const char *path)
{
	struct stat status;

	if (path[0] == '\0')
		return 0;
	if (stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	return check_folder(path, true);
}

static bool complain(
	const char *name, const char *key, const char *path, const char *reason, FILE *errors)
{
	(void)fprintf(errors, "%s: %s: %s: %s\n", name, key, path, reason);
	return true;
}

int options_check_files(const struct options *options, const char *name, FILE *errors)
{
	struct ruleset *ruleset = NULL;
	char text[128];
	bool bad = false;
	int err = ruleset_open(options->rules, &ruleset);

	ruleset_close(ruleset);
	if (err != 0)
		bad = complain(name, "rules", options->rules,
			options_rules_reason(err, text, sizeof(text)), errors);
	err = check_events(options->events);
	if (err != 0)
		bad = complain(name, "events", options->events,
			strerror_r(-err, text, sizeof(text)), errors);
	err = check_command(options->command);
	if (err != 0)
		bad = complain(name, "command", options->command,
			strerror_r(-err, text, sizeof(text)), errors);
	return bad ? -EINVAL : 0;
}
