// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/events_json.h"

#include "dataplane/events.h"

#include <endian.h>
#include <string.h>

#define NS_PER_SECOND 1000000000
#define SECONDS_PER_DAY 86400

void json_begin(struct json_writer *json, char *out, size_t room)
{
	json->at = out;
	json->end = out + room;
	json->comma = false;
}

void json_raw(struct json_writer *json, const char *text, size_t n)
{
	if (json->at == NULL || (size_t)(json->end - json->at) < n) {
		json->at = NULL;
		return;
	}
	memcpy(json->at, text, n);
	json->at += n;
}

void json_name(struct json_writer *json, const char *name, size_t n)
{
	char *at = json->at;

	if (at == NULL || (size_t)(json->end - at) < n + 4) {
		json->at = NULL;
		return;
	}
	*at = ',';
	at += json->comma;
	json->comma = true;
	if (name != NULL) {
		*at++ = '"';
		// NOLINTNEXTLINE(bugprone-not-null-terminated-result): a line of JSON goes on
		memcpy(at, name, n);
		at += n;
		*at++ = '"';
		*at++ = ':';
	}
	json->at = at;
}

void json_put_open(struct json_writer *json, char bracket)
{
	json_raw(json, &bracket, 1);
	json->comma = false;
}

void json_close(struct json_writer *json, char bracket)
{
	json_raw(json, &bracket, 1);
	json->comma = true;
}

void json_put_text(struct json_writer *json, const char *text)
{
	if (text == NULL)
		text = "";
	if (json->at != NULL)
		json->at = events_put_string(json->at, json->end, text, strlen(text));
}

// Right to left into the end of digits; returns where the number begins.
static char *put_digits(char *end, uint64_t value, int least)
{
	do {
		*--end = (char)('0' + value % 10);
		value /= 10;
		least--;
	} while (value != 0 || least > 0);
	return end;
}

void json_put_number(struct json_writer *json, uint64_t value)
{
	char digits[24];
	char *end = digits + sizeof(digits);
	char *from = put_digits(end, value, 1);

	json_raw(json, from, (size_t)(end - from));
}

// Four bytes: their halves are spread over eight, the higher one first, and become digits all at once.
static void put_hex(char out[8], const uint8_t bytes[4])
{
	uint32_t four;
	uint64_t spread;
	uint64_t is_letter;

	memcpy(&four, bytes, sizeof(four));
	spread = le32toh(four);
	spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
	spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
	spread = (spread >> 4 & 0x000f000f000f000fu) | (spread & 0x000f000f000f000fu) << 8;
	is_letter = (spread + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
	spread = htole64(spread + 0x3030303030303030u + is_letter * ('a' - '0' - 10));
	memcpy(out, &spread, sizeof(spread));
}

void json_put_hex(struct json_writer *json, const uint8_t *bytes, size_t n)
{
	char *at = json->at;
	size_t i = 0;

	if (at == NULL || (size_t)(json->end - at) < 2 * n + 2) {
		json->at = NULL;
		return;
	}
	*at++ = '"';
	for (; i + 4 <= n; i += 4)
		put_hex(at + 2 * i, bytes + i);
	if (i < n) {
		uint8_t last[4] = {0};
		char digits[8];

		memcpy(last, bytes + i, n - i);
		put_hex(digits, last);
		memcpy(at + 2 * i, digits, 2 * (n - i));
	}
	at[2 * n] = '"';
	json->at = at + 2 * n + 1;
}

// Days since 1970 to a date of the proleptic Gregorian calendar, counted in years that begin in March
// so that the leap day comes last, in eras of 400 years.
static void date_of(int64_t days, uint64_t *year, uint64_t *month, uint64_t *day)
{
	uint64_t shifted = (uint64_t)(days + 719468); // since 0000-03-01
	uint64_t era = shifted / 146097;
	uint64_t of_era = shifted % 146097;
	uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t from_march = (5 * of_year + 2) / 153;

	*day = of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

void json_put_time(struct json_writer *json, int64_t epoch_ns)
{
	char text[] = "\"0000-00-00T00:00:00.000000Z\"";
	// Before 1970 there is no traffic: a capture without a clock counts from there.
	uint64_t ns = epoch_ns > 0 ? (uint64_t)epoch_ns : 0;
	uint64_t seconds = ns / NS_PER_SECOND;
	uint64_t of_day = seconds % SECONDS_PER_DAY;
	uint64_t year;
	uint64_t month;
	uint64_t day;

	date_of((int64_t)(seconds / SECONDS_PER_DAY), &year, &month, &day);
	(void)put_digits(text + 5, year, 4);
	(void)put_digits(text + 8, month, 2);
	(void)put_digits(text + 11, day, 2);
	(void)put_digits(text + 14, of_day / 3600, 2);
	(void)put_digits(text + 17, of_day / 60 % 60, 2);
	(void)put_digits(text + 20, of_day % 60, 2);
	(void)put_digits(text + 27, ns % NS_PER_SECOND / 1000, 6);
	json_raw(json, text, sizeof(text) - 1);
}
