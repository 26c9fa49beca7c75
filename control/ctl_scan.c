// SPDX-License-Identifier: BSD-3-Clause
// cordonctl scan: messages, mailboxes, Maildirs, folders and other files against a ruleset.
#include "control/ctl.h"
#include "control/ctl_scan_work.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORKERS 256
#define MAX_FOLDER_DEPTH 64

struct scan_command {
	const char *rules;
	const char *screen; // NULL: none
	struct scan_work_options options;
	struct scan_work *work;
	uint64_t folders;
};

static void print_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl scan --rules PATH [OPTION...] FILE|DIR...\n\n"
		"Scans message files, mailboxes (mbox), Maildirs and folders, with all that is in\n"
		"them; any other file is scanned as one object. - is the standard input. PATH is\n"
		"a ruleset image, a signature file or a folder of signature files.\n\n"
		"  -r, --rules PATH    what to look for\n"
		"      --screen FILE   checksums to look for besides: a JSON list as in alerts\n"
		"      --json          one JSON line for each file or message\n"
		"      --digests LIST  of md5,sha1,sha256: report these of every part\n"
		"      --all-match     report every signature that hits, not only the first\n"
		"      --workers N     threads that scan (1), up to 256\n"
		"      --help          this text\n\n"
		"Exit status: 0 clean, 1 found, 2 error.\n");
}

static bool parse_workers(const char *text, uint32_t *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*out = (uint32_t)value;
	return *text >= '0' && *text <= '9' && *end == '\0' && value >= 1 && value <= MAX_WORKERS;
}

// False when the command is over already, with this exit status.
static bool parse_options(int argc, char **argv, struct scan_command *command, int *status)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"screen", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"digests", required_argument, NULL, 'd'},
		{"all-match", no_argument, NULL, 'a'},
		{"workers", required_argument, NULL, 'w'},
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
		case 's':
			command->screen = optarg;
			break;
		case 'j':
			command->options.is_json = true;
			break;
		case 'd':
			if (ctl_parse_digests(optarg, &command->options.scan.digests))
				break;
			(void)fprintf(stderr,
				"cordonctl scan: --digests %s: not of md5,sha1,sha256\n", optarg);
			return false;
		case 'a':
			command->options.scan.all_matches = true;
			break;
		case 'w':
			if (parse_workers(optarg, &command->options.workers))
				break;
			(void)fprintf(stderr, "cordonctl scan: --workers %s: not 1 to %d\n", optarg,
				MAX_WORKERS);
			return false;
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
		scan_work_fail(command->work, path,
			strerrordesc_np(depth < MAX_FOLDER_DEPTH ? errno : ELOOP));
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char *inner = NULL;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			if (asprintf(&inner, "%s%s%s", path,
				    path[strlen(path) - 1] == '/' ? "" : "/", name) < 0)
				scan_work_fail(command->work, path, strerrordesc_np(ENOMEM));
			else
				scan_path(command, inner, is_mail, depth + 1);
			free(inner);
		}
		free(entries[i]);
	}
	free(entries);
}

static void add_file(struct scan_command *command, const char *path, bool is_mail)
{
	char *copy = strdup(path);

	if (copy == NULL || scan_work_add(command->work, copy, is_mail) != 0)
		scan_work_fail(command->work, path, strerrordesc_np(ENOMEM));
}

// What a folder holds is looked at as it is: links are not followed, devices not opened.
static void scan_path(struct scan_command *command, const char *path, bool is_mail, int depth)
{
	struct stat status;
	int err = depth == 0 ? stat(path, &status) : lstat(path, &status);

	if (err != 0)
		scan_work_fail(command->work, path, strerrordesc_np(errno));
	else if (S_ISDIR(status.st_mode))
		scan_folder(command, path, depth);
	else if (S_ISREG(status.st_mode))
		add_file(command, path, is_mail);
	else if (depth == 0)
		scan_work_fail(command->work, path, "neither a file nor a folder");
}

// ---- the command -------------------------------------------------------------------------------

static double seconds_since(const struct timespec *began)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
}

static void print_summary(const struct scan_command *command, const struct scan_work_sums *sums,
	const struct timespec *began)
{
	const struct ruleset_info *info = ruleset_get_info(command->options.ruleset);

	(void)fprintf(command->options.is_json ? stderr : stdout,
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
		(unsigned long long)sums->files, (unsigned long long)sums->found,
		(unsigned long long)sums->errors, (double)sums->bytes / 1e6, seconds_since(began));
}

static int scan_all(struct scan_command *command, char **paths)
{
	struct scan_work_sums sums = {0};
	struct timespec began;
	int err = scan_work_new(&command->options, &command->work);

	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	for (; err == 0 && *paths != NULL; paths++) {
		if (strcmp(*paths, "-") == 0)
			add_file(command, *paths, false);
		else
			scan_path(command, *paths, false, 0);
	}
	if (err == 0)
		err = scan_work_run(command->work, &sums);
	scan_work_free(command->work);
	if (err != 0) {
		(void)fprintf(stderr, "cordonctl scan: out of memory\n");
		return CTL_ERROR;
	}
	print_summary(command, &sums, &began);
	if (fflush(stdout) != 0)
		return CTL_ERROR;
	return sums.found > 0 ? CTL_FOUND : sums.errors > 0 ? CTL_ERROR : CTL_OK;
}

int ctl_scan(int argc, char **argv)
{
	struct scan_command command = {0};
	struct ruleset *ruleset = NULL;
	struct ruleset *screened = NULL;
	void *memory = NULL;
	void *list = NULL;
	int status;

	scan_options_init(&command.options.scan);
	command.options.workers = 1;
	command.options.shows_progress = isatty(STDERR_FILENO) == 1;
	if (!parse_options(argc, argv, &command, &status))
		return status;
	if (ctl_load_rules(command.rules, &ruleset, &memory) != 0)
		return CTL_ERROR;
	command.options.ruleset = ruleset;
	status = CTL_ERROR;
	if (command.screen == NULL ||
		ctl_load_screen(command.screen, ruleset, &screened, &list) == 0) {
		command.options.ruleset = screened != NULL ? screened : ruleset;
		status = scan_all(&command, argv + optind);
	}
	ruleset_close(screened);
	ruleset_close(ruleset);
	free(list);
	free(memory);
	return status;
}
