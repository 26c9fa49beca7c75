// SPDX-License-Identifier: BSD-3-Clause
// What a vendor says to its gateways, made and signed: payloads as alert.h reads them, root documents as
// keys.h does. Nothing is signed that a gateway would not understand: each payload is read back first.
#pragma once

#include "control/alert.h"
#include "control/envelope.h"

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

#define VENDOR_WHY_BYTES 512
#define VENDOR_KEYS_MOST 16 // that sign one envelope

struct vendor_draft {
	const char *vendor;
	const char *type;
	const char *target;   // "*", "group:NAME" or "gateway:NAME"; NULL: "*"
	const char *virus_id; // NULL: none
	uint64_t epoch;
	uint64_t sequence;
	int64_t issued_s; // since 1970
	int64_t expires_s;
	json_t *body; // the member that is named as the type; NULL: none; borrowed
	json_t *info; // for people; NULL: none; borrowed
};

// The payload, the caller's. Returns 0, -EINVAL with a text in why, or -ENOMEM.
int vendor_payload_make(const struct vendor_draft *draft, json_t **out, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// Whether gateways will understand what it says, down to the conditions of a seal and the entries of a screen, which
// alert_parse leaves to the dataplane. Returns as above.
int vendor_payload_check(const struct alert *alert, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
// A payload in an envelope with the signatures of all signers, freed by the caller. Returns as above,
// and -EIO.
int vendor_payload_sign(const json_t *payload, struct envelope_signer *const *signers, size_t count,
	char **out, char *why, size_t why_bytes) __attribute__((warn_unused_result));

// Private keys from files. Returns 0, or -errno with a text in why; those that were read are the caller's
// either way.
struct vendor_signers {
	struct envelope_signer *all[VENDOR_KEYS_MOST];
	size_t count;
};
int vendor_signers_add(struct vendor_signers *signers, const char *path, char *why,
	size_t why_bytes) __attribute__((warn_unused_result));
void vendor_signers_free(struct vendor_signers *signers);
