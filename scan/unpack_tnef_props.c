// SPDX-License-Identifier: BSD-3-Clause
// The properties of an attachment in TNEF (MS-OXTNEF 2.1.3.3, MS-OXCDATA 2.11): where the value begins and ends
// that is a file. What does not look like properties is passed over.
#include "scan/unpack_state.h"

#define FIELD_BYTES 4
#define ID_BYTES 16 // of an object, of a set of names
#define NAMED 0x8000u
#define MANY 0x1000u
#define MOST_BYTES (1u << 31)

#define ATTACH_DATA 0x3701u
#define INTERFACE_MESSAGE 0x00020307u // TNEF again, which is found by its mark

enum { TYPE_OBJECT = 0x0d, TYPE_TEXT = 0x1e, TYPE_WIDE = 0x1f, TYPE_BINARY = 0x102 };

static bool is_variable(const struct tnef_props *props)
{
	switch (props->type & ~MANY) {
	case TYPE_OBJECT:
	case TYPE_TEXT:
	case TYPE_WIDE:
	case TYPE_BINARY:
		return true;
	default:
		return false;
	}
}

// Bytes of a value, filled up to whole fields; 0: there is no such type.
static uint32_t fixed_bytes(const struct tnef_props *props)
{
	switch (props->type & ~MANY) {
	case 0x02:
	case 0x03:
	case 0x04:
	case 0x0a:
	case 0x0b:
		return 4;
	case 0x05:
	case 0x06:
	case 0x07:
	case 0x14:
	case 0x40:
		return 8;
	case 0x48:
		return ID_BYTES;
	default:
		return 0;
	}
}

static void pass(struct tnef_props *props, uint64_t bytes)
{
	if (bytes >= MOST_BYTES)
		props->state = PROPS_LOST;
	else
		props->left = (uint32_t)bytes;
}

// The value begins behind so many bytes.
static void value_begin(struct tnef_props *props, uint64_t behind)
{
	const uint32_t bytes = fixed_bytes(props);

	props->state = PROPS_TAG;
	if (is_variable(props))
		props->state = PROPS_COUNT;
	else if ((props->type & MANY) != 0)
		props->state = PROPS_FIXED_COUNT;
	else
		behind += bytes;
	pass(props, bytes == 0 && !is_variable(props) ? MOST_BYTES : behind);
}

static void size_read(struct tnef_props *props, uint32_t bytes)
{
	const uint32_t type = props->type & ~MANY;
	const uint32_t before = type == TYPE_OBJECT ? ID_BYTES : 0;

	props->values--;
	props->padding = -bytes & (FIELD_BYTES - 1);
	props->file = bytes - before;
	if (props->id != ATTACH_DATA || bytes <= before ||
		(type != TYPE_OBJECT && type != TYPE_BINARY)) {
		props->state = props->values > 0 ? PROPS_SIZE : PROPS_TAG;
		pass(props, (uint64_t)bytes + props->padding);
		return;
	}
	props->state = before > 0 ? PROPS_INTERFACE : PROPS_FILE_BEGIN;
}

// A field was read. True: a file begins behind it.
static bool field_read(struct tnef_props *props, uint32_t value)
{
	switch (props->state) {
	case PROPS_START:
		props->state = PROPS_TAG;
		break;
	case PROPS_TAG:
		props->type = value & 0xffff;
		props->id = value >> 16;
		if (props->id < NAMED) {
			value_begin(props, 0);
			break;
		}
		props->state = PROPS_NAME_KIND;
		pass(props, ID_BYTES);
		break;
	case PROPS_NAME_KIND:
		props->state = value == 0 ? PROPS_NAME_NUMBER : PROPS_NAME_BYTES;
		break;
	case PROPS_NAME_NUMBER:
		value_begin(props, 0);
		break;
	case PROPS_NAME_BYTES:
		value_begin(props, ((uint64_t)value + FIELD_BYTES - 1) / FIELD_BYTES * FIELD_BYTES);
		break;
	case PROPS_FIXED_COUNT:
		props->state = PROPS_TAG;
		pass(props, (uint64_t)value * fixed_bytes(props));
		break;
	case PROPS_COUNT:
		props->values = value;
		props->state = value > 0 ? PROPS_SIZE : PROPS_TAG;
		break;
	case PROPS_SIZE:
		size_read(props, value);
		break;
	case PROPS_INTERFACE:
		props->state = PROPS_FILE_BEGIN;
		pass(props, ID_BYTES - FIELD_BYTES);
		if (value == INTERFACE_MESSAGE) {
			props->state = props->values > 0 ? PROPS_SIZE : PROPS_TAG;
			pass(props,
				(uint64_t)ID_BYTES - FIELD_BYTES + props->file + props->padding);
		}
		break;
	case PROPS_FILE_BEGIN:
	case PROPS_FILE:
	case PROPS_LOST:
		break;
	}
	return props->state == PROPS_FILE_BEGIN && props->left == 0;
}

// The bytes that were to be passed are over. True: a file begins or ends here.
static bool passed(struct tnef_props *props)
{
	if (props->state == PROPS_FILE_BEGIN)
		return true;
	if (props->state != PROPS_FILE)
		return false;
	props->state = props->values > 0 ? PROPS_SIZE : PROPS_TAG;
	props->left = props->padding;
	return true;
}

size_t tnef_props_run(struct tnef_props *props, const uint8_t *data, size_t n, bool *cut)
{
	size_t at = 0;

	*cut = false;
	while (at < n && !*cut && props->state != PROPS_LOST) {
		const size_t room = n - at;

		if (props->state == PROPS_FILE_BEGIN && props->left == 0) {
			props->state = PROPS_FILE;
			props->left = props->file;
		}
		if (props->left > 0) {
			const size_t take = room < props->left ? room : props->left;

			at += take;
			props->left -= (uint32_t)take;
			*cut = props->left == 0 && passed(props);
			continue;
		}
		props->field |= (uint32_t)data[at++] << (8 * props->field_bytes++);
		if (props->field_bytes < FIELD_BYTES)
			continue;
		*cut = field_read(props, props->field);
		props->field = 0;
		props->field_bytes = 0;
	}
	return *cut ? at : n;
}
