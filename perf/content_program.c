// SPDX-License-Identifier: BSD-3-Clause
#include "perf/content.h"
#include "perf/content_put.h"
#include "perf/perf.h"
#include "perf/words.h"

#include <link.h>

#include <endian.h>

#define SECTIONS 5u
#define FILE_ALIGN 512u
#define PAGE 4096u
#define HEAD_BYTES 1024u

struct code {
	const uint8_t *data;
	size_t bytes;
};

// libcrypto's: most of it is what compilers make of C, some is written by hand.
static int look_at(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct code *code = ctx;

	(void)size;
	if (strstr(info->dlpi_name, "libcrypto.so") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0 ||
			(part->p_flags & PF_R) == 0 || part->p_filesz <= code->bytes)
			continue;
		// NOLINTNEXTLINE(performance-no-int-to-ptr): the linker tells it as a number
		code->data = (const uint8_t *)(info->dlpi_addr + part->p_vaddr);
		code->bytes = part->p_filesz;
	}
	return 0;
}

static void put_code(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	struct code code = {0};
	size_t at;

	(void)dl_iterate_phdr(look_at, &code);
	perf_need(code.bytes > 0, "a piece of code");
	// The same place however long it is.
	at = dice_next(dice) % code.bytes;
	for (; bytes > 0; at = 0) {
		size_t n = code.bytes - at < bytes ? code.bytes - at : bytes;

		put(out, code.data + at, n);
		bytes -= n;
	}
}

static void put_pointers(struct mail_bytes *out, uint32_t count, struct dice *dice)
{
	for (; count > 0; count--) {
		uint64_t value = htole64(0x140001000u + 16ull * dice_below(dice, 0x4000));

		put(out, &value, sizeof(value));
	}
}

static void put_wide(struct mail_bytes *out, const char *text)
{
	do {
		out->data[out->bytes++] = (uint8_t)*text;
		out->data[out->bytes++] = 0;
	} while (*text++ != '\0');
}

// Names, messages, tables of pointers, constants.
static void put_constants(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	static const char *const names[] = {"GetProcAddress", "LoadLibraryExW", "CreateFileW",
		"RegOpenKeyExW", "VirtualProtect", "KERNEL32.dll", "ADVAPI32.dll", "HeapAlloc",
		"Software\\Perf\\Settings", "C:\\Program Files\\Perf\\perf.exe", "%s: error %d\n"};
	size_t end = out->bytes + bytes;

	while (out->bytes < end) {
		const char *name = names[dice_below(dice, sizeof(names) / sizeof(names[0]))];
		uint32_t what = dice_below(dice, 8);

		if (what == 0)
			put_pointers(out, 8 + dice_below(dice, 40), dice);
		else if (what == 1)
			put_random(out, 8ul * dice_below(dice, 16), dice);
		else if (what == 2)
			put_wide(out, name);
		else if (what < 6)
			put_sentence(out, 9, false, dice);
		else
			put(out, name, strlen(name) + 1);
		while (out->bytes % 8 != 0)
			out->data[out->bytes++] = 0;
	}
}

static void put_data(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	while (out->bytes < end) {
		size_t zeros = 8ul * dice_below(dice, 60);

		put_pointers(out, dice_below(dice, 12), dice);
		memset(out->data + out->bytes, 0, zeros);
		out->bytes += zeros;
	}
}

// Icons: rows of colours that change a little from one to the next.
static void put_icons(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	uint8_t colour[4] = {90, 120, 200, 255};

	for (size_t i = 0; i < bytes; i++) {
		if (i % 4 != 3 && dice_below(dice, 3) == 0)
			colour[i % 4] = (uint8_t)(colour[i % 4] + dice_below(dice, 7) - 3);
		out->data[out->bytes++] = colour[i % 4];
	}
}

static void put_relocations(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;
	uint16_t at = 0;

	while (out->bytes < end) {
		uint16_t entry = htole16((uint16_t)(0xa000 | (at & 0xfff)));

		put(out, &entry, sizeof(entry));
		at = (uint16_t)(at + 8 * (1 + dice_below(dice, 4)));
	}
}

// ---- the head -----------------------------------------------------------------------------------

struct section {
	const char *name;
	uint32_t share; // of 100
	uint32_t flags;
	void (*write)(struct mail_bytes *out, size_t bytes, struct dice *dice);
};

static const struct section sections[SECTIONS] = {{".text", 58, 0x60000020, put_code},
	{".rdata", 18, 0x40000040, put_constants}, {".data", 6, 0xc0000040, put_data},
	{".rsrc", 15, 0x40000040, put_icons}, {".reloc", 3, 0x42000040, put_relocations}};

static void set16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void set32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

// IMAGE_DOS_HEADER, IMAGE_FILE_HEADER, IMAGE_OPTIONAL_HEADER64 ("PE Format", Microsoft).
static void write_head(uint8_t *head)
{
	static const uint8_t start[] = {'M', 'Z', 0x90, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff};
	static const uint8_t program[] = {
		0x0e, 0x1f, 0xba, 0x0e, 0, 0xb4, 9, 0xcd, 0x21, 0xb8, 1, 0x4c, 0xcd, 0x21};
	static const uint8_t pe[] = {'P', 'E', 0, 0};
	static const char dos[] = "This program cannot be run in DOS mode.\r\r\n$";

	memcpy(head, start, sizeof(start));
	memcpy(head + 64, program, sizeof(program));
	memcpy(head + 78, dos, sizeof(dos));
	set32(head + 60, 128);
	memcpy(head + 128, pe, sizeof(pe));
	set16(head + 132, 0x8664);
	set16(head + 134, SECTIONS);
	set32(head + 136, 0x69a00000); // when it was made
	set16(head + 148, 240);        // bytes of the optional head
	set16(head + 150, 0x22);
	set16(head + 152, 0x20b);
	head[154] = 14;                // linker
	set32(head + 168, PAGE);       // entry point
	set32(head + 172, PAGE);       // code
	set32(head + 176, 0x40000000); // base, its lower half
	set32(head + 180, 1);
	set32(head + 184, PAGE);
	set32(head + 188, FILE_ALIGN);
	set16(head + 192, 6); // of the system
	set16(head + 200, 6);
	set32(head + 212, HEAD_BYTES);
	set16(head + 220, 2);  // with windows
	set32(head + 260, 16); // directories, all of them empty
}

void content_program(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t start = out->bytes;
	size_t body = bytes > HEAD_BYTES + 100 ? bytes - HEAD_BYTES : 100;
	uint32_t address = PAGE;

	memset(out->data + start, 0, HEAD_BYTES);
	out->bytes += HEAD_BYTES;
	write_head(out->data + start);
	for (uint32_t i = 0; i < SECTIONS; i++) {
		uint8_t *entry = out->data + start + 392 + 40ul * i;
		size_t from = out->bytes;
		size_t length;

		sections[i].write(out, body * sections[i].share / 100, dice);
		length = out->bytes - from;
		while ((out->bytes - start) % FILE_ALIGN != 0)
			out->data[out->bytes++] = 0;
		memcpy(entry, sections[i].name, strlen(sections[i].name));
		set32(entry + 8, (uint32_t)length);
		set32(entry + 12, address);
		set32(entry + 16, (uint32_t)(out->bytes - from));
		set32(entry + 20, (uint32_t)(from - start));
		set32(entry + 36, sections[i].flags);
		address += (uint32_t)((length + PAGE - 1) / PAGE * PAGE);
	}
	set32(out->data + start + 208, address);
}

void content_image(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	static const uint8_t head[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1,
		0, 0, 1, 0, 1, 0, 0, 0xff, 0xc0, 0, 17, 8, 4, 0, 6, 0, 3, 1, 0x22, 0, 2, 0x11, 1, 3,
		0x11, 1, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0};
	size_t from;

	put(out, head, sizeof(head));
	from = out->bytes;
	put_random(out, bytes > sizeof(head) + 2 ? bytes - sizeof(head) - 2 : 0, dice);
	// A marker begins with ff, so no ff is without a zero behind it.
	for (size_t i = from; i + 1 < out->bytes; i++) {
		if (out->data[i] == 0xff)
			out->data[i + 1] = 0;
	}
	put(out, "\xff\xd9", 2);
}
