// SPDX-License-Identifier: BSD-3-Clause
// cordonctl scan: messages, mailboxes, Maildirs, folders and other files against a ruleset.
#include "control/ctl.h"
#include "control/ctl_input.h"

#include <jansson.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define READ_BYTES 262144
#define MAX_FOLDER_DEPTH 64

struct scan_command {
	const char *rules;
	struct scan_options options;
	bool is_json;
	struct scanner *scanner;
	uint8_t *buffer;
	uint64_t folders;
	uint64_t files;
	uint64_t found; // files with a match or a suspicion
	uint64_t errors;
	uint64_t bytes;
};

static void print_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl scan --rules PATH [OPTION...] FILE|DIR...\n\n"
		"Scans message files, mailboxes (mbox), Maildirs and folders, with all that is in\n"
		"them; any other file is scanned as one object. PATH is a ruleset image, a\n"
		"signature file or a folder of signature files.\n\n"
		"  -r, --rules PATH    what to look for\n"
		"      --json          one JSON line for each file or message\n"
		"      --digests LIST  of md5,sha1,sha256: report these of every part\n"
		"      --all-match     report every signature that hits, not only the first\n"
		"      --help          this text\n\n"
		"Exit status: 0 clean, 1 found, 2 error.\n");
}

// False when the command is over already, with this exit status.
static bool parse_options(int argc, char **argv, struct scan_command *command, int *status)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"json", no_argument, NULL, 'j'},
		{"digests", required_argument, NULL, 'd'},
		{"all-match", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*status = CTL_ERROR;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((c = getopt_long(argc, argv, "r:h", names, NULL)) != -1) {
		switch (c) {
		case 'r':
			command->rules = optarg;
			break;
		case 'j':
			command->is_json = true;
			break;
		case 'd':
			if (ctl_parse_digests(optarg, &command->options.digests))
				break;
			(void)fprintf(stderr,
				"cordonctl scan: --digests %s: not of md5,sha1,sha256\n", optarg);
			return false;
		case 'a':
			command->options.all_matches = true;
			break;
		case 'h':
			print_usage(stdout);
			*status = CTL_OK;
			return false;
		default:
			print_usage(stderr);
			return false;
		}
	}
	if (command->rules != NULL && optind < argc)
		return true;
	(void)fprintf(stderr, "cordonctl scan: %s\n\n",
		optind < argc ? "--rules PATH is missing" : "nothing to scan");
	print_usage(stderr);
	return false;
}

// ---- one file ----------------------------------------------------------------------------------

static void print_error(struct scan_command *command, const char *path, int err)
{
	command->errors++;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	(void)fprintf(stderr, "%s: %s\n", path, strerror(-err));
}

static void print_json(
	const char *path, uint64_t message, bool is_mail, const struct scan_result *result)
{
	json_t *event = ctl_json_event("scan");

	(void)json_object_set_new(event, "path", ctl_json_text(path));
	(void)json_object_set_new(event, "message", json_integer((json_int_t)message));
	(void)json_object_set_new(event, "bytes", json_integer((json_int_t)result->bytes));
	if (is_mail) {
		(void)json_object_set_new(event, "subject", ctl_json_text(result->subject));
		(void)json_object_set_new(event, "message_id", ctl_json_text(result->message_id));
	}
	ctl_json_add_result(event, result);
	ctl_json_print(event);
}

static bool is_named_before(const struct scan_result *result, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(result->matches[k].signature, result->matches[i].signature) == 0)
			return true;
	}
	return false;
}

// One line for the first match, or for each name. Messages of a mailbox after the first are told by
// their number.
static void print_found(const struct scan_command *command, const char *path, uint64_t message,
	const struct scan_result *result)
{
	size_t lines = command->options.all_matches ? result->matches_count
		       : result->matches_count > 0  ? 1
						    : 0;
	char number[40] = "";

	if (message > 1)
		(void)snprintf(
			number, sizeof(number), "message %llu: ", (unsigned long long)message);
	for (size_t i = 0; i < lines; i++) {
		if (!is_named_before(result, i))
			printf("%s: %s%s FOUND\n", path, number, result->matches[i].signature);
	}
	if (result->has_more_matches)
		printf("%s: %smore signatures match than are listed\n", path, number);
	if (result->verdict == VERDICT_SUSPECT)
		printf("%s: %sHeuristics.%s FOUND\n", path, number, result->reason);
	if (result->verdict == VERDICT_UNSCANNABLE)
		printf("%s: %snot scanned: %s ERROR\n", path, number, result->reason);
}

// Returns the verdict on the input's message.
static enum verdict scan_message(
	struct scan_command *command, struct ctl_input *input, const char *path, uint64_t message)
{
	const struct scan_result *result;
	enum verdict verdict;
	struct scan *scan;
	size_t n;
	int err = scan_begin(command->scanner, ctl_input_kind(input), &scan);

	if (err != 0) {
		print_error(command, path, err);
		return VERDICT_UNSCANNABLE;
	}
	while ((n = ctl_input_read(input, command->buffer, READ_BYTES)) > 0)
		scan_feed(scan, command->buffer, n);
	result = scan_end(scan);
	verdict = result->verdict;
	command->bytes += result->bytes;
	if (verdict == VERDICT_UNSCANNABLE)
		command->errors++;
	if (command->is_json)
		print_json(path, message, ctl_input_kind(input) == SCAN_MESSAGE, result);
	else
		print_found(command, path, message, result);
	scan_free(scan);
	return verdict;
}

static void scan_file(struct scan_command *command, const char *path, bool is_mail)
{
	struct ctl_input *input;
	uint64_t message = 0;
	bool is_found = false;
	bool is_clean = true;
	int err = ctl_input_open(path, is_mail, &input);

	if (err != 0) {
		print_error(command, path, err);
		return;
	}
	while (ctl_input_next(input)) {
		enum verdict verdict = scan_message(command, input, path, ++message);

		is_found = is_found || verdict == VERDICT_INFECTED || verdict == VERDICT_SUSPECT;
		is_clean = is_clean && verdict == VERDICT_CLEAN;
	}
	if (ctl_input_has_failed(input))
		print_error(command, path, -EIO);
	else if (is_clean && !command->is_json)
		printf("%s: OK\n", path);
	ctl_input_close(input);
	command->files++;
	command->found += is_found;
}

// ---- folders -----------------------------------------------------------------------------------

// The folders of a Maildir in which every file is a message.
static bool is_maildir_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	static const char *const siblings[] = {"cur", "new", "tmp"};
	bool is_one = false;

	for (size_t i = 0; i < sizeof(siblings) / sizeof(siblings[0]); i++) {
		char sibling[4096];
		struct stat status;

		(void)snprintf(
			sibling, sizeof(sibling), "%.*s%s", (int)(name - path), path, siblings[i]);
		is_one = is_one || strcmp(name, siblings[i]) == 0;
		if (stat(sibling, &status) != 0 || !S_ISDIR(status.st_mode))
			return false;
	}
	return is_one;
}

static void scan_path(struct scan_command *command, const char *path, bool is_mail, int depth);

// In the order of names, so that two runs say the same.
static void scan_folder(struct scan_command *command, const char *path, int depth)
{
	struct dirent **entries;
	bool is_mail = is_maildir_folder(path);
	int count = depth < MAX_FOLDER_DEPTH ? scandir(path, &entries, NULL, alphasort) : -1;

	command->folders++;
	if (count < 0) {
		print_error(command, path, depth < MAX_FOLDER_DEPTH ? -errno : -ELOOP);
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char *inner = NULL;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			if (asprintf(&inner, "%s%s%s", path,
				    path[strlen(path) - 1] == '/' ? "" : "/", name) < 0)
				print_error(command, path, -ENOMEM);
			else
				scan_path(command, inner, is_mail, depth + 1);
			free(inner);
		}
		free(entries[i]);
	}
	free(entries);
}

// What a folder holds is looked at as it is: links are not followed, devices not opened.
static void scan_path(struct scan_command *command, const char *path, bool is_mail, int depth)
{
	struct stat status;
	int err = depth == 0 ? stat(path, &status) : lstat(path, &status);

	if (err != 0)
		print_error(command, path, -errno);
	else if (S_ISDIR(status.st_mode))
		scan_folder(command, path, depth);
	else if (S_ISREG(status.st_mode))
		scan_file(command, path, is_mail);
	else if (depth == 0)
		print_error(command, path, -EINVAL);
}

// ---- the command -------------------------------------------------------------------------------

static double seconds_since(const struct timespec *began)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void print_summary(const struct scan_command *command, const struct ruleset_info *info,
	const struct timespec *began)
{
	(void)fprintf(command->is_json ? stderr : stdout,
		"\n----------- SCAN SUMMARY -----------\n"
		"Known viruses: %u\n"
		"Ruleset: %s\n"
		"Scanned directories: %llu\n"
		"Scanned files: %llu\n"
		"Infected files: %llu\n"
		"Errors: %llu\n"
		"Data scanned: %.2f MB\n"
		"Time: %.3f sec\n",
		info->signatures, info->version, (unsigned long long)command->folders,
		(unsigned long long)command->files, (unsigned long long)command->found,
		(unsigned long long)command->errors, (double)command->bytes / 1e6,
		seconds_since(began));
}

static int scan_all(struct scan_command *command, const struct ruleset *ruleset, char **paths)
{
	struct timespec began;
	int err = scanner_new(&command->options, ruleset, &command->scanner);

	command->buffer = malloc(READ_BYTES);
	if (err != 0 || command->buffer == NULL) {
		(void)fprintf(stderr, "cordonctl scan: out of memory\n");
		scanner_free(command->scanner);
		free(command->buffer);
		return CTL_ERROR;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	for (; *paths != NULL; paths++)
		scan_path(command, *paths, false, 0);
	print_summary(command, ruleset_get_info(ruleset), &began);
	scanner_free(command->scanner);
	free(command->buffer);
	if (fflush(stdout) != 0)
		return CTL_ERROR;
	return command->found > 0 ? CTL_FOUND : command->errors > 0 ? CTL_ERROR : CTL_OK;
}

int ctl_scan(int argc, char **argv)
{
	struct scan_command command = {0};
	struct ruleset *ruleset = NULL;
	void *memory = NULL;
	int status;

	scan_options_init(&command.options);
	command.options.max_messages = 1;
	if (!parse_options(argc, argv, &command, &status))
		return status;
	if (ctl_load_rules(command.rules, &ruleset, &memory) != 0)
		return CTL_ERROR;
	status = scan_all(&command, ruleset, argv + optind);
	ruleset_close(ruleset);
	free(memory);
	return status;
}
