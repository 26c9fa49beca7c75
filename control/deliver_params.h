// SPDX-License-Identifier: BSD-3-Clause
// Which of the parameters that a client gave with MAIL or RCPT are said again when its mail is released: those that belong
// to an extension that the server offers. Plain functions over text.
//
// Source: RFC 5321 section 4.1.1.11, RFC 3030, RFC 3461, RFC 4865 (FUTURERELEASE), RFC 2852 (DELIVERBY).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deliver_params {
	const char *keywords; // the server's reply to EHLO, a line each; NULL: nothing
	bool has_plain_lines; // the message can go by DATA
	int64_t now_s;        // seconds since 1970
	int64_t waited_s; // that the mail was held: what counts from its arrival is less by that
	bool is_binary;   // afterwards: it must not go by DATA
};

// Does a reply to EHLO, or NULL, name this extension, in any case?
bool deliver_params_offers(const char *keywords, const char *extension, size_t n);

// The parameters of params that this server knows, each with a blank before it. SIZE, which is reckoned anew, is
// left out. Returns NULL, or what to tell the sender of a message that cannot go as it was asked for.
const char *deliver_params_choose(
	struct deliver_params *how, const char *params, char *out, size_t room);
