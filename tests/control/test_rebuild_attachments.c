// SPDX-License-Identifier: BSD-3-Clause
// What counts as an attachment, whatever its header says.
#include "tests/control/rebuild_case.h"

static const char *const lies[] = {
	// Bytes that are no text, a type that the scanner knows better, and a block inside.
	MIXED "--edge\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
	      "\r\nAAECAwQF\r\n" END,
	MIXED "--edge\r\nContent-Type: text/plain\r\n\r\n%PDF-1.4\r\n%%EOF\r\n" END,
	MIXED "--edge\r\n\r\ntext\r\nbegin 644 cat.bin\r\n#0V%T\r\n`\r\nend\r\n" END,
	MIXED "--edge\r\nContent-Type: text/plain; name=a.txt\r\n\r\ntext\r\n" END,
	MIXED "--edge\r\nContent-Disposition: attachment\r\n\r\ntext\r\n" END,
	// Files in text, and what is no text to a reader.
	HEAD "Content-Type: text/html\r\n\r\n<img src=\"data:image/png;base64,AAECAwQF\">\r\n",
	HEAD "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	     "<a download=3Dx.exe href=3Dd=\r\nata:x;base64,TVqQ>x</a>\r\n",
	HEAD "Content-Type: text/plain\r\n\r\n<html><a href=data:x/y,zz>x</a></html>\r\n",
	MIXED "--edge\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\n"
	      "text\r\n--in\r\nContent-Type: text/html\r\n\r\n<body "
	      "background='&#100;ata:,x'>\r\n--in--\r\n" END,
	HEAD "\r\ntext\r\n=ybegin line=128 size=3 name=a.exe\r\nabc\r\n=yend size=3\r\n",
	HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabcd\r\n=ab/+\r\n-----END PGP "
	     "MESSAGE-----\r\n",
	HEAD "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\nMA8GCSqGSIb3DQEHA6ACMAA=\r\n",
	MIXED TEXT "--edge\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n"
		   "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: application/octet-stream\r\n\r\ntext\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: image/gif\r\nContent-Disposition: inline\r\n"
		   "Content-ID: <a@b>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		   "R0lGODlhAQABAAAAACw=\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: application/ms-tnef\r\n"
		   "Content-Transfer-Encoding: base64\r\n\r\neJ8+IgEA\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: text/plain\r\n"
		   "Content-Transfer-Encoding: base64\r\n\r\neJ8+IgEA\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: message/rfc822\r\n\r\n" HEAD
		   "Content-Type: application/zip\r\n\r\nPK\003\004\r\n" END,
	MIXED TEXT "--edge\r\nContent-Type: text/html; charset=utf-7\r\n\r\n"
		   "+ADw-a href+AD0-x+AD4-\r\n" END,
	// What stands where a signature stands, and begins like one.
	SIGNED("application/octet-stream; name=run.bat") ARMOUR "start x\r\n" SIGNED_END,
	SIGNED("application/pgp-signature; name=run.bat") ARMOUR ARMOUR_END SIGNED_END,
	SIGNED("application/pgp-signature") ARMOUR "start x & y\r\n" ARMOUR_END SIGNED_END,
	SIGNED("application/pgp-signature") ARMOUR ARMOUR_END "start x\r\n" SIGNED_END,
	SIGNED("application/pgp-signature") ARMOUR_BEGIN
	"Comment: & start x\r\n\r\nabcd\r\n" ARMOUR_END SIGNED_END,
	SIGNED("application/pkcs7-signature; name=smime.p7s\r\n"
	       "Content-Transfer-Encoding: base64") "MIIBBEFBQUFBQUFBQUFBQUFBQUFB\r"
						    "\n" SIGNED_END,
	SIGNED("application/pkcs7-signature; name=a.exe\r\n"
	       "Content-Transfer-Encoding: base64") SIGNED_DATA "\r\n" SIGNED_END,
};

static void a_header_that_lies_does_not_make_it_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bool has_attachments;
		struct rebuild_plan *plan;
		struct bytes new;

		(void)verdict_of((const uint8_t *)lies[i], strlen(lies[i]), &has_attachments);
		assert_true(has_attachments);
		new = strip((const uint8_t *)lies[i], strlen(lies[i]), REBUILD_ATTACHMENTS, &plan);
		assert_non_null(new.data);
		assert_int_equal(plan->cuts_count, 1);
		rebuild_plan_free(plan);
		(void)verdict_of(new.data, new.bytes, &has_attachments);
		assert_false(has_attachments);
		free(new.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_that_lies_does_not_make_it_text),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
