// SPDX-License-Identifier: BSD-3-Clause
// The SNMP library as we need it: without any file of its own, with an engine and users of ours. And the names
// of CORDON-MIB (docs/CORDON-MIB.txt).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNMP_SECRET_BYTES 256
#define SNMP_ENGINE_BYTES 32 // RFC 3411 section 5
#define SNMP_MIB 1, 3, 6, 1, 4, 1, 32473, 1

// cordonObjects
enum snmp_object {
	SNMP_OBJECT_ID = 1,
	SNMP_OBJECT_SEGMENT,
	SNMP_OBJECT_SEGMENTS,
	SNMP_OBJECT_DATA,
	SNMP_OBJECT_RECEIPTS,
};

// cordonReceiptEntry
enum snmp_column {
	SNMP_COLUMN_RESULT = 2,
	SNMP_COLUMN_DATA,
};

struct snmp_settings {
	const char *section; // of the configuration, for people
	const char *state; // folder where starts are counted: the boots, which replays are known by
	const char *name;  // of our engine
	const char *users; // file; "": none
	const char *community; // file; "": none
	// Each user's definition: what follows createUser; returns whether it will do. Or NULL.
	bool (*user)(void *ctx, const char *definition);
	void *ctx;
};

// Once in a process. Reads users and the community. Returns 0, or -errno with a text in error;
// snmp_library_stop in either case.
int snmp_library_start(const struct snmp_settings *settings, char community[SNMP_SECRET_BYTES],
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
void snmp_library_stop(void);
// [-e ENGINE] NAME SHA "passphrase" AES "passphrase". Returns whether it is one more.
bool snmp_library_add_user(const char *definition);
// The id of the engine of this name. Returns its length.
size_t snmp_library_engine(const char *name, uint8_t out[SNMP_ENGINE_BYTES]);
