// SPDX-License-Identifier: BSD-3-Clause
// What is likely in the base64 of a mail: attachments are packed for the most part, so that one letter is as likely as
// another. But for zeros, of which programs have many.
#include "scan/ruleset_build_window.h"

#define LETTER (1.0f / 64)
#define LINE_END 0.013f // two of 78 bytes
#define OTHER 1e-6f     // none of it: what may stand behind it
#define ZEROS 0.1f      // two zeros' letters have so much besides

void build_codes_follow(float (*follow)[256])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	float share[256];

	for (unsigned int i = 0; i < 256; i++)
		share[i] = OTHER;
	for (const char *letter = letters; *letter != '\0'; letter++)
		share[(uint8_t)*letter] = LETTER;
	share['\r'] = LINE_END;
	share['\n'] = LINE_END;
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++)
			follow[i][k] = share[i] * share[k];
	follow['A']['A'] += ZEROS;
}
