// SPDX-License-Identifier: BSD-3-Clause
// Many gateways in one process, as far as a vendor can see: each has a key and an address of its own on the
// loopback network, takes alerts and answers with signed receipts. Nothing is applied.
#pragma once

#include "control/envelope.h"

#include <stddef.h>
#include <stdint.h>

#define FLEET_PORT 7900

enum fleet_way { FLEET_UDP, FLEET_TCP, FLEET_HTTP, FLEET_WAYS };

struct fleet;

// Makes keys for so many gateways.
struct fleet *fleet_new(uint32_t count);
void fleet_free(struct fleet *fleet);
// Address and public key (base64) of the i-th; both have room for 64 letters.
void fleet_address(uint32_t i, char *address);
void fleet_key(const struct fleet *fleet, uint32_t i, char *key, char *key_id);
void fleet_name(uint32_t i, char *name);

// Opens the sockets of one way; serve answers what comes until the process ends.
void fleet_listen(struct fleet *fleet, enum fleet_way way);
_Noreturn void fleet_serve(struct fleet *fleet);

// A receipt of the i-th for an envelope's payload; out has room for FLEET_RECEIPT_BYTES. Returns its length.
#define FLEET_RECEIPT_BYTES 2048
size_t fleet_answer(struct fleet *fleet, uint32_t i, const char *envelope, size_t bytes, char *out);
