// SPDX-License-Identifier: BSD-3-Clause
// Who may ask, and how often: an address with its port, lists of networks, and a count for each address.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_BYTES 64 // of one as text

// "address:port" or "[address]:port" into its parts; address has room for ADDRESS_BYTES. Returns 0 or -EINVAL.
int address_split(const char *text, char *address, int *port) __attribute__((warn_unused_result));

// As a socket of both families names an address of version 4 ("::ffff:192.0.2.1", RFC 4291, section 2.5.5.2): without
// what stands before it. Any other as it is.
const char *address_unmapped(const char *address);

// What is counted as one when addresses are counted: an address, of version 6 its /64, all of which one machine has.
void address_place(const char *address, char out[ADDRESS_BYTES]);

struct address_list;

// texts: "192.0.2.0/24", "2001:db8::/32" or an address. Returns 0, -EINVAL with the text that is none in
// error, or -ENOMEM.
int address_list_new(const char (*texts)[256], size_t count, struct address_list **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
void address_list_free(struct address_list *list);
// An empty list holds every address.
bool address_list_has(const struct address_list *list, const char *address);

// A token bucket for each of the addresses that asked last; the one that is longest away is forgotten.
struct address_rate;

int address_rate_new(unsigned int per_minute, struct address_rate **out)
	__attribute__((warn_unused_result));
void address_rate_free(struct address_rate *rate);
// Counts one, or says that there were too many.
bool address_rate_take(struct address_rate *rate, const char *address, int64_t now_ns);
