// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_doctor.h"
#include "scan/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB (1u << 20)
#define FEW_PERCENT 10 // of a disk: little is left

// ---- configuration ------------------------------------------------------------------------------

static const char *describe(int err, const char *lines, char *out, size_t room)
{
	if (lines == NULL || lines[0] == '\0')
		return strerror_r(-err, out, room);
	(void)snprintf(out, room, "%.*s", (int)strcspn(lines, "\n"), lines);
	return out;
}

static void say_read(struct doctor *doctor, const char *path, int err, const char *lines)
{
	char reason[512];

	if (err == 0)
		doctor_say(doctor, "configuration", DOCTOR_OK, "", "%s", path);
	else
		doctor_say(doctor, "configuration", DOCTOR_FAIL,
			err == -ENOENT ? "name the file that the process runs with (--config, "
					 "--dataplane-config)"
				       : "correct it; --check-config of the program tells all",
			"%s", describe(err, lines, reason, sizeof(reason)));
}

static void check_same(
	struct doctor *doctor, const char *what, const char *ours, const char *theirs)
{
	char advice[128];

	if (strcmp(ours, theirs) == 0)
		return;
	(void)snprintf(advice, sizeof(advice), "name the same in both files: %s", what);
	doctor_say(doctor, "configuration", DOCTOR_FAIL, advice,
		"the processes do not meet: \"%s\" of control, \"%s\" of the dataplane", ours,
		theirs);
}

void doctor_check_configuration(struct doctor *doctor)
{
	const struct control_options *control = &doctor->control;
	const struct options_outline *dataplane = &doctor->dataplane;
	char *lines = NULL;
	size_t bytes = 0;
	FILE *errors;
	int err;

	errors = open_memstream(&lines, &bytes);
	if (errors == NULL)
		return;
	control_options_init(&doctor->control);
	err = control_options_load(doctor->control_path, &doctor->control, errors);
	(void)fclose(errors);
	doctor->has_control = err == 0;
	say_read(doctor, doctor->control_path, err, lines);
	free(lines);
	errors = open_memstream(&lines, &bytes);
	if (errors == NULL)
		return;
	err = options_outline_load(doctor->dataplane_path, &doctor->dataplane, errors);
	(void)fclose(errors);
	doctor->has_dataplane = err == 0;
	say_read(doctor, doctor->dataplane_path, err, lines);
	free(lines);
	if (!doctor->has_control || !doctor->has_dataplane)
		return;
	check_same(doctor, "dataplane, command", control->dataplane, dataplane->command);
	check_same(doctor, "rules.image, rules", control->rules.image, dataplane->rules);
	check_same(doctor, "seals.file, seals", control->seals.file, dataplane->seals);
	check_same(doctor, "spool.directory", control->spool.directory, dataplane->spool.directory);
	if (control->spool.directory[0] != '\0')
		check_same(doctor, "spool.key", control->spool.key, dataplane->spool.key);
}

// ---- folders and the disk -----------------------------------------------------------------------

static void check_folder(struct doctor *doctor, const char *what, const char *path)
{
	struct stat file;
	char reason[128];

	if (stat(path, &file) != 0)
		doctor_say(doctor, what, DOCTOR_FAIL,
			"make the folder, for the user of the processes", "%s: %s", path,
			strerror_r(errno, reason, sizeof(reason)));
	else if (!S_ISDIR(file.st_mode))
		doctor_say(doctor, what, DOCTOR_FAIL, "name a folder", "%s is none", path);
	else if ((file.st_mode & S_IWOTH) != 0)
		doctor_say(doctor, what, DOCTOR_FAIL, "chmod o-w",
			"%s: anybody on this machine can write there", path);
	else if (access(path, R_OK | W_OK | X_OK) != 0)
		doctor_say(doctor, what, DOCTOR_WARN,
			"run this as the user of the processes, or give it the folder",
			"%s: this user cannot write there", path);
	else
		doctor_say(doctor, what, DOCTOR_OK, "", "%s", path);
}

void doctor_check_folders(struct doctor *doctor)
{
	if (!doctor->has_control)
		return;
	check_folder(doctor, "state", doctor->control.state);
	if (doctor->control.spool.directory[0] != '\0')
		check_folder(doctor, "spool", doctor->control.spool.directory);
	else
		doctor_say(doctor, "spool", DOCTOR_WARN, "set spool.directory in both files",
			"none is configured: under a seal mail is put off, nothing is held");
}

// What the buffer may still grow by: a disk that has less is full before the quota is.
static uint64_t bytes_to_come(const struct doctor *doctor)
{
	uint64_t quota = doctor->dataplane.spool.quota_bytes;
	const json_t *spool = json_object_get(doctor->stats, "spool");
	uint64_t used = (uint64_t)json_integer_value(json_object_get(spool, "usage_bytes"));

	return quota > used ? quota - used : 0;
}

void doctor_check_disk(struct doctor *doctor)
{
	const char *path = doctor->control.spool.directory;
	struct statvfs disk;
	uint64_t free_bytes;
	uint64_t least;
	uint64_t wanted;
	bool is_little;

	if (!doctor->has_control || path[0] == '\0' || statvfs(path, &disk) != 0)
		return;
	free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	least = doctor->has_dataplane ? doctor->dataplane.spool.segment_bytes *
						(doctor->dataplane.spool.spares + 1)
				      : 0;
	wanted = doctor->has_dataplane ? bytes_to_come(doctor) : 0;
	is_little = (uint64_t)disk.f_bavail * 100 < (uint64_t)disk.f_blocks * FEW_PERCENT;
	if (free_bytes < least || (disk.f_files != 0 && disk.f_favail == 0))
		doctor_say(doctor, "disk", DOCTOR_FAIL,
			"make room: sealed mail is put off when it cannot be written",
			"%s: %" PRIu64 " MiB free, no room for the next segments", path,
			free_bytes / MIB);
	else if (free_bytes < wanted)
		doctor_say(doctor, "disk", DOCTOR_WARN,
			"make room, or lower spool.quota_bytes to what there is",
			"%s: %" PRIu64 " MiB free, %" PRIu64 " MiB may be needed", path,
			free_bytes / MIB, wanted / MIB);
	else if (is_little)
		doctor_say(doctor, "disk", DOCTOR_WARN,
			"make room before others on this disk take the rest",
			"%s: %" PRIu64 " MiB free, less than %d %% of the disk", path,
			free_bytes / MIB, FEW_PERCENT);
	else
		doctor_say(doctor, "disk", DOCTOR_OK, "", "%s: %" PRIu64 " MiB free", path,
			free_bytes / MIB);
}

// ---- rules --------------------------------------------------------------------------------------

void doctor_check_rules(struct doctor *doctor)
{
	const char *path =
		doctor->has_dataplane ? doctor->dataplane.rules : doctor->control.rules.image;
	const json_t *running = json_object_get(doctor->stats, "ruleset");
	const char *in_force = json_string_value(json_object_get(running, "version"));
	const struct ruleset_info *info;
	struct ruleset *ruleset;
	char reason[128];
	int err;

	if (!doctor->has_dataplane && !doctor->has_control)
		return;
	err = ruleset_open(path, &ruleset);
	if (err != 0) {
		doctor_say(doctor, "rules", DOCTOR_FAIL,
			"make the image: cordonctl rules install, or cordonctl compile", "%s: %s",
			path,
			err == -EBADMSG   ? "damaged, or no image"
			: err == -ENOTSUP ? "made by another version, or for another processor"
					  : strerror_r(-err, reason, sizeof(reason)));
		return;
	}
	info = ruleset_get_info(ruleset);
	if (info->signatures == 0)
		doctor_say(doctor, "rules", DOCTOR_FAIL, "put signatures into rules.sources",
			"%s has no signatures", path);
	else if (in_force != NULL && strcmp(in_force, info->version) != 0)
		doctor_say(doctor, "rules", DOCTOR_WARN, "cordonctl rules install",
			"%s is version %s, and %s is in force", path, info->version, in_force);
	else
		doctor_say(doctor, "rules", DOCTOR_OK, "", "%s loads: version %s, %u signatures",
			path, info->version, info->signatures);
	ruleset_close(ruleset);
}
