// SPDX-License-Identifier: BSD-3-Clause
#include "perf/content.h"
#include "perf/content_put.h"

static void put_run(struct mail_bytes *out, struct dice *dice)
{
	static const char *const properties[] = {"", "<w:rPr><w:b/><w:bCs/></w:rPr>",
		("<w:rPr><w:rFonts w:ascii=\"Calibri\" w:hAnsi=\"Calibri\" w:cs=\"Calibri\"/>"
		 "<w:sz w:val=\"22\"/><w:szCs w:val=\"22\"/><w:lang w:val=\"en-GB\"/></w:rPr>"),
		("<w:rPr><w:lang w:val=\"en-US\" w:eastAsia=\"de-DE\"/></w:rPr>")};

	put_format(out, "<w:r w:rsidRPr=\"00%06X\">%s<w:t xml:space=\"preserve\">",
		0x100000 + dice_below(dice, 16) * 0x2357, properties[dice_below(dice, 4)]);
	put_sentence(out, 18, false, dice);
	put_text(out, "</w:t></w:r>");
}

void content_document(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	put_text(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<w:document "
		"xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" "
		"xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/"
		"main\"><w:body>");
	while (out->bytes < end) {
		put_format(out,
			"<w:p w14:paraId=\"%08X\" w:rsidR=\"00%06X\" "
			"w:rsidRDefault=\"00%06X\"><w:pPr>"
			"<w:spacing w:after=\"%u\" w:line=\"276\" w:lineRule=\"auto\"/><w:jc "
			"w:val=\"both\"/>"
			"</w:pPr>",
			dice_below(dice, UINT32_MAX), 0x100000 + dice_below(dice, 16) * 0x2357,
			0x200000 + dice_below(dice, 16) * 0x1753, 40 * dice_below(dice, 6));
		for (uint32_t i = 1 + dice_below(dice, 4); i > 0; i--)
			put_run(out, dice);
		put_text(out, "</w:p>");
	}
	put_text(out,
		"<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/></w:sectPr></w:body></w:document>");
}

void content_styles(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	put_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<w:styles "
		      "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">");
	for (uint32_t i = 1; out->bytes < end; i++)
		put_format(out,
			"<w:style w:type=\"paragraph\" w:styleId=\"Style%u\"><w:name "
			"w:val=\"heading %u\"/>"
			"<w:basedOn w:val=\"Normal\"/><w:next w:val=\"Normal\"/><w:link "
			"w:val=\"Style%uChar\"/>"
			"<w:uiPriority w:val=\"%u\"/><w:qFormat/><w:rsid "
			"w:val=\"00%06X\"/><w:pPr><w:keepNext/>"
			"<w:spacing w:before=\"%u\" w:after=\"0\"/><w:outlineLvl "
			"w:val=\"%u\"/></w:pPr><w:rPr>"
			"<w:color w:val=\"%06X\" w:themeColor=\"accent1\"/><w:sz "
			"w:val=\"%u\"/></w:rPr></w:style>",
			i, i % 9 + 1, i, dice_below(dice, 99), dice_below(dice, 1u << 24),
			20 * dice_below(dice, 20), i % 9, dice_below(dice, 1u << 24),
			18 + dice_below(dice, 20));
	put_text(out, "</w:styles>");
}
