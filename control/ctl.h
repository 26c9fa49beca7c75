// SPDX-License-Identifier: BSD-3-Clause
// cordonctl: what its subcommands are and what they share. Exit statuses are part of the contract:
// each subcommand's function returns one.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

#define CTL_OK 0
#define CTL_FOUND 1
#define CTL_ERROR 2

// Subcommands. argv[0] is the subcommand's own name.
int ctl_compile(int argc, char **argv);
int ctl_scan(int argc, char **argv);
int ctl_replay(int argc, char **argv);
int ctl_stats(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_seal(int argc, char **argv);
int ctl_unseal(int argc, char **argv);
int ctl_rules(int argc, char **argv);
int ctl_held(int argc, char **argv);
int ctl_quarantine(int argc, char **argv);
int ctl_alerts(int argc, char **argv);
int ctl_screen(int argc, char **argv);
int ctl_doctor(int argc, char **argv);
int ctl_top(int argc, char **argv);

// ---- rules (ctl_rules.c) -----------------------------------------------------------------------

// Opens the image at path, or builds one in memory of the signature file or folder there. What goes
// wrong is said on stderr. The caller closes the ruleset, then frees owned_memory (which may be NULL).
// Returns 0 or a negative errno.
int ctl_load_rules(const char *path, struct ruleset **ruleset, void **owned_memory) SCAN_MUST_USE;
// Lays the list in the file at path (JSON, dataplane/screen_json.h) on the ruleset, which must outlive what
// comes out. Otherwise the same.
int ctl_load_screen(const char *path, const struct ruleset *base, struct ruleset **ruleset,
	void **owned_memory) SCAN_MUST_USE;
// "md5,sha1,sha256" to DIGEST_*. False where a name is none of these.
bool ctl_parse_digests(const char *list, unsigned int *digests) SCAN_MUST_USE;

// ---- output (ctl_output.c) ---------------------------------------------------------------------

// Is the file output, which may be missing or NULL, one of inputs, which end with NULL, or a signature file in one that
// is a folder? Then that was said on stderr: it must not be written.
bool ctl_output_is_input(
	const char *command, const char *output, const char *const *inputs) SCAN_MUST_USE;
// A command's exit status: status, or CTL_ERROR where what it wrote to stdout has not all arrived.
int ctl_output_end(int status) SCAN_MUST_USE;

// ---- JSON (ctl_json.c) -------------------------------------------------------------------------

// A string of text as it stands; what is not UTF-8 in it becomes U+FFFD.
struct json_t *ctl_json_text(const char *text);
// A new event of this name with the members that all have: event, time (now), gateway (host name).
struct json_t *ctl_json_event(const char *name);
// Adds verdict, reason, matches and parts.
void ctl_json_add_result(struct json_t *event, const struct scan_result *result);
// Writes the event as one line to stdout and lets go of it.
void ctl_json_print(struct json_t *event);
