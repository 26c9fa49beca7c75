// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset.h"
#include "tests/scan/ruleset_case.h"

#define ANY MATCH_TARGET_ANY
#define MAX_IMAGE (2u << 20)

struct engine {
	struct case_image built;
	struct ruleset *ruleset;
	struct matcher *matcher;
};

static struct engine engine_of(struct case_image built)
{
	struct engine engine = {.built = built};

	assert_int_equal(engine.built.err, 0);
	assert_int_equal(
		ruleset_attach(engine.built.image, engine.built.bytes, &engine.ruleset), 0);
	assert_int_equal(matcher_new(engine.ruleset, 2, 0, true, &engine.matcher), 0);
	return engine;
}

static void engine_close(struct engine *engine)
{
	matcher_free(engine->matcher);
	ruleset_close(engine->ruleset);
	free(engine->built.image);
}

struct rule_case {
	const char *rule; // behind "T;Engine:81-255,Target:0"
	const char *text;
	bool hit;
};

static const struct rule_case rule_cases[] = {
	{";0&1;414c504841;4f4d454741", "ALPHA and OMEGA", true},
	{";0&1;414c504841;4f4d454741", "ALPHA and BETA", false},
	{";0=0;414c504841", "nothing of it", true},
	{";0=0;414c504841", "ALPHA!", false},
	{";0=0&1;414c504841;4f4d454741", "OMEGA!", true},
	{";0<2;6161", "xxaaxx", true},
	{";0<2;6161", "xxaaaxx", false},
	{";0>2;6161", "xaaaax", true},
	{";0>2;6161", "xaaax", false},
	{";0=3;6161", "xaaaax", true},
	{";0=2;414c5048*4f4d", "ALPH OM OM", true},
	{";0=2;414c5048*4f4d", "ALPH OM OM OM", false},
	{";0=2;4143{1-3}4242", "AC.BB..AC..BB", true},
	{";0>1;6161(62|6262)63", "xaabcxaabbcx", true},
	{";0=2;616263(64|65){5}66676869", "abcd.....fghiabce.....fghi", true},
	{";(0|1|2)>2,2;414c;4f4d;4b41", "AL OM AL", true},
	{";(0|1|2)>2,3;414c;4f4d;4b41", "AL OM AL", false},
	// Words of every text beside what is rare: they are looked for afterwards.
	{";0&1;7a7178766b6a77717078797a;687474703a2f2f", "zqxvkjwqpxyz at http://a.b", true},
	{";0&1;7a7178766b6a77717078797a;687474703a2f2f", "http://a.b zqxvkjwqpxyz", true},
	{";0&1;7a7178766b6a77717078797a;687474703a2f2f", "zqxvkjwqpxyz at ftp://a.b", false},
	{";0&1;7a7178766b6a77717078797a;687474703a2f2f", "zqxvkjwqpxy at http://a.b", false},
	{";0&1;7a7178766b6a77717078797a;687474703a2f2f::i", "zqxvkjwqpxyz at HTTP://a.b", true},
	{";0&1&2;7a7178766b6a77717078797a;68747470;68747470", "zqxvkjwqpxyz http", true},
	{";0&1&2=0;7a7178766b6a77717078797a;68747470;68747470", "zqxvkjwqpxyz http", false},
	{";0&(1>1);7a7178766b6a77717078797a;68747470", "http zqxvkjwqpxyz http", true},
	{";0&(1>1);7a7178766b6a77717078797a;68747470", "http zqxvkjwqpxyz htt", false},
	{";0&(1=0);7a7178766b6a77717078797a;68747470", "zqxvkjwqpxyz htt", true},
	{";0&(1=0);7a7178766b6a77717078797a;68747470", "zqxvkjwqpxyz http", false},
	{";0&1;7a7178766b6a77717078797a;68747470*2e636f6d", "zqxvkjwqpxyz http a.com", true},
	{";0&1;7a7178766b6a77717078797a;68747470*2e636f6d", "zqxvkjwqpxyz .com http", false},
	{";0&1;7a7178766b6a77717078797a;68747470{3-5}2e636f6d", "zqxvkjwqpxyz http://a.com", true},
	{";0&1;7a7178766b6a77717078797a;68747470{3-5}2e636f6d", "zqxvkjwqpxyz http://abc.com",
		false},
	{";0;68747470{3-5}7a7178766b6a77717078797a", "http http://azqxvkjwqpxyz", true},
	{";0;68747470{3-5}7a7178766b6a77717078797a", "zqxvkjwqpxyz http http:// aazqxvkjwqpxyz",
		false},
	{";0&1&2;7a7178766b6a77717078797a;68747470;1/h.tp:/", "zqxvkjwqpxyz http hxtp:", true},
	{";0&1&2;7a7178766b6a77717078797a;68747470;1/h.tp:/", "zqxvkjwqpxyz htt hxtp:", false},
	// Modifiers.
	{";0;616c706861::i", "xAlPhAx", true},
	{";0;616c706861::w", "a\1l\1p\1h\1a\1", false},
	{";0;616c706861::wa", "alpha!", true},
	{";0;616c706861::f", "an alphabet", false},
	{";0;616c706861::fi", "an Alpha.", true},
	{";0;61??70686178::i", "xA9PHAXx", true},
	{";0;6?6c70686178", "xilphaxx", true},
	{";0;6?6c70686178", "xqlphaxx", false},
	{";0;6?4c504841::i", "xxALPHAxx", false},
	{";0;6?4c504841::i", "xxaLPHAxx", true},
	// What ClamAV takes without looking.
	{";0 & 1;414c504841;4f4d454741", "ALPHA and OMEGA", true},
	{";0;414c50{}4d45", "ALPHA and OMEGA", true},
	{";0&1;414c504841;(>>5#ib1#=45)", "xxALPHA-", true},
	{";0&1;414c504841;0(0#ib1#=65)::i", "xxALPHA-", true},
	{",FileSize:-9;0;414c504841", "xxALPHAx", true},
	{",FileSize:-9;0;414c504841", "xxALPHAxxx", false},
	{",FileSize:5-99999999999;0;414c504841", "xxALPHAxxx", true},
	// Regular expressions, after their trigger.
	{";0&1;414c504841;0/be.a/", "ALPHA beta", true},
	{";0&1;414c504841;0/be.a/", "OMEGA beta", false},
	{";0&1;414c504841;0/BETA/i", "beta ALPHA", true},
	{";0&1>1;414c504841;0/be.a/g", "ALPHA beta bexa", true},
	{";0&1>1;414c504841;0/be.a/", "ALPHA beta bexa", false},
	{";0&1;414c504841;6:0/beta/", "ALPHA beta", true},
	{";0&1;414c504841;5:0/beta/", "ALPHA beta", false},
	{";0&1;414c504841;2:0/beta/r", "ALPHA beta", true},
	{";0&1;414c504841;2,4:0/beta/e", "ALPHA beta", false},
	{";0&1;414c504841;0/(a)(?=b)\\1/", "ALPHA beta", false},
	// One whose trigger names itself, many times: it ends, and the rest of the trigger counts.
	{";0&1;414c504841;(1&1)|(1&1)|(1&1)|(1&1)|0/be.a/", "ALPHA beta", true},
	{";0&1;414c504841;(1&1)|(1&1)|(1&1)|(1&1)/be.a/", "ALPHA beta", false},
	// Numbers beside a hit.
	{";0;41424344[3-]48", "xxABCDEFGHx", true},
	{";0;41424344[3-]48", "xxABCDEFFGHx", false},
	// Behind a hit of several parts it counts from where the first of them begins.
	{";0&1;414c504841*42455441;0(>>5#ib1#=0x31)", "ALPHA1 ALPHA2 BETA3", true},
	{";0&1;414c504841*42455441;0(>>4#ib1#=0x33)", "ALPHA1 ALPHA2 BETA3", false},
	{";0&1;414c504841{-2}42455441;0(>>5#ib1#=0x32)", "ALPHA1 ALPHA2 BETA3", true},
	{";0&1;414c504841{-20}42455441*7a7a;0(>>5#ib1#=0x31)", "ALPHA1 ALPHA2 BETA3 zz", true},
	{";0&1;EOF-12:414c504841{-2}42455441;0(>>5#ib1#=0x32)", "ALPHA1 ALPHA2 BETA3", true},
	{";0=2;EOF-20,10:414c504841*42455441", "ALPHA1 ALPHA2 BETA BETA", true},
	{";0=1;EOF-20,10:414c504841*42455441", "ALPHA1 ALPHA2 BETA BETA", false},
	{";0&1;414c504841;0(>>5#de3#>100)", "ALPHA123", true},
	{";0&1;414c504841;0(>>5#de3#>100)", "ALPHA099", false},
	{";0&1;414c504841;0(>>5#hbe2#=255)", "ALPHAff", true},
	{";0&1;414c504841;0(>>5#ib2#=0x4142)", "ALPHAAB", true},
	{";0&1;414c504841;0(>>5#il2#=0x4142)", "ALPHABA", true},
	{";0&1;414c504841;0(<<1#ib1#=120)", "..xALPHA", true},
	{";0&1;414c504841;0(>>5#ib4#>0)", "ALPHABA", false},
	{";0&1;414c504841;0(>>5#hb4#>010)", "ALPHA0009", true},
	{";0&1;414c504841;0(>>010#hb4#=1)", "ALPHA...0001x", true},
	{";0&1;414c504841;0(<<5#ib1#=120)", "xxxxxALPHA", false},
	{";0&1;414c504841;0(<<5#ib1#=120)", ".xxxxxALPHA", true},
	{";0&1;414c504841;0(<<5#ib1#=120)", "..xxxxxALPHA", true},
	{";0&1;414c504841;0(>>-5#ib1#=120)", "..xxxxxALPHA", true},
	{";0&1;414c504841;0(>>5#hb4#=0)", "ALPHAzzzz", true},
	{";0&1;414c504841;0(>>5#hb4#=0)", "ALPHA    ", true},
	{";0&1;414c504841;0(>>5#hbe4#=0)", "ALPHAzzzz", false},
	{";0&1;414c504841;0(>>5#hbe4#=0)", "ALPHA 000", false},
	{";0&1;414c504841;0(>>5#heb4#=0)", "ALPHA0x00", true},
	{";0&1;414c504841;0(>>5#hl4#=0x3412)", "ALPHA1234", true},
	{";0&1;414c504841;0(>>5#hl6#=0x3412)", "ALPHA0x1234", true},
	{";0&1;414c504841;0(>>5#hl3#=0x2301)", "ALPHA123", true},
	{";0&1;414c504841;0(>>5#hle3#=0x2301)", "ALPHA123", false},
	{";0&1;414c504841;0(>>5#hl5#=0x341200)", "ALPHA01234", true},
	{";0&1;414c504841;0(>>5#hl1#=10)", "ALPHAa2", true},
	{";0&1;414c504841;0(>>5#hl4#=0x12)", "ALPHA12zz", true},
	{";0&1;414c504841;0(>>5#hl4#=0)", "ALPHAzz12", true},
	{";0&1;414c504841;0(>>5#hel4#=0x3412)", "ALPHA1234", true},
	{";0&1;414c504841;0(>>5#al6#=0x3412)", "ALPHA0x1234", true},
	{";0&1;414c504841;0(>>5#al6#=1234)", "ALPHA001234", false},
	{";0&1;414c504841;0(>>5#ab6#=0x1234)", "ALPHA0x1234", true},
	{";0&1;414c504841;0(>>5#ab6#=4660)", "ALPHA004660", true},
	{";0&1;414c504841;0(>>5#ab2#=12)", "ALPHA12xx", false},
	{";0&1;414c504841;0(>>5#ab3#=12)", "ALPHA12xx", true},
	{";0&1;414c504841;0(>>5#ab3#=12)", "ALPHA 12xx", false},
	{";0&1;414c504841;0(>>5#h4#=0x1234)", "ALPHA1234", false},
	{";0&1;414c504841;0(>>5#i2#=0x4142)", "ALPHAAB", false},
	{";0&1;414c504841;0(>>5#hb16#>0)", "ALPHAffffffffffffffff", false},
	{";0&1;414c504841;0(>>5#hb16#>0)", "ALPHA7fffffffffffffff", true},
	{";0&1;414c504841;0(>>5#hb4#=-1)", "ALPHA  -1x", true},
	{";0&1;414c504841;0(>>5#db4#>)", "ALPHA0001", true},
	{";0&1;414c504841;0(>>5#db4#=12)", "ALPHA+012", true},
	// A subsignature that cannot be anywhere.
	{";0|1;414c504841;0:41[5-6]4f4d", "ALPHA.", true},
	{";0|1;414c504841;EOF-2:414c50", "ALPHA.", true},
	{";0&(1=0);414c504841;EOF-2:414c50", "ALPHA.", true},
	// A byte in brackets is a condition: the place and the count are of what stands beside it.
	{";0;1:57[0-3]e6e487", "W\xe6\xe4\x87..", true},
	{";0;0:57[0-3]e6e487", "W\xe6\xe4\x87..", false},
	{";0;3:57[1-3]e6e487", "W..\xe6\xe4\x87..", true},
	{";0;EOF-5:57[0-0]e6e487", "W\xe6\xe4\x87..", true},
	{";0;EOF-6:57[0-0]e6e487", "W\xe6\xe4\x87..", false},
	{";0;EOF-6,9:57[0-0]e6e487", "W\xe6\xe4\x87..", true},
	{";0=1;e6e487[0-9]57", "\xe6\xe4\x87W.WW..", true},
	{";0=2;e6e487[0-9]57", "\xe6\xe4\x87W\xe6\xe4\x87WW..", true},
	{";0=1;57[0-9]e6e487", "WWW.\xe6\xe4\x87.", true},
	// More fields than there are: digits alone.
	{";0;414c504841::i*42::i", "xALPHAx", true},
	{";0;414c504841::i*42::i", "xalphax", false},
	// Attributes.
	{",FileSize:5-9;0;414c504841", "xxALPHA", true},
	{",FileSize:5-9;0;414c504841", "xxALPHAxxx", false},
	{",Container:CL_TYPE_ANY;0;414c504841", "xxALPHA", true},
	{",Container:CL_TYPE_ZIP;0;414c504841", "xxALPHA", false},
	// What nothing can stand in front of is nowhere; the rest of the rule counts.
	{";0|1;0:!(B)414c504841;4f4d454741", "ALPHA OMEGA", true},
	{";0|1;0:!(B)414c504841;4f4d454741", "ALPHA xALPHA", false},
	{";0=0&1;0:!(L)?14c504841{3-}4142;4f4d454741", "xALPHA OMEGA AB", true},
	// What can be true without a subsignature.
	{";0|1<1;414c504841;4f4d454741", "nothing", true},
	{";(0|1)=0;414c504841;4f4d454741", "nothing", true},
	{";(0|1)=0;414c504841;4f4d454741", "OMEGA!", false},
};

static void rules_hold_in_any_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rule_cases) / sizeof(rule_cases[0]); i++) {
		const struct rule_case *test = &rule_cases[i];
		size_t n = strlen(test->text);
		char line[256];
		struct engine engine;

		(void)snprintf(line, sizeof(line), "T;Engine:81-255,Target:0%s\n", test->rule);
		engine = engine_of(case_build_one("t.ldb", line));
		if (engine.built.reports.count != 0)
			fail_msg("%s: %s", test->rule, engine.built.reports.reason);
		for (size_t split = 0; split <= n; split++)
			if ((case_match(engine.matcher, ANY, test->text, n, split, 3).count > 0) !=
				test->hit)
				fail_msg("%s: %s, cut at %zu", test->rule, test->text, split);
		assert_false(matcher_was_partial(engine.matcher));
		engine_close(&engine);
	}
}

// A NUL is written ` here.
static void wide_words_end_where_no_wide_letter_stands(void **state)
{
	static const struct rule_case cases[] = {
		{";0;616c::wf", "x` a`l` x`", true},
		{";0;616c::wf", "x`a`l` `", false},
		{";0;616c::wf", "x`xa`l` `", true},
		{";0;616c::wf", " `a`l`x`", false},
		{";0;616c::wf", " `a`l`xx", true},
		{";0;616c::wf", "`a`l`x", true},
		{";0;616c::wf", "a`l`..", true},
		{";0;616c::waf", "x`a`l` ` al ", true},
		{";0;616c!(W)::w", "  a`l`x`", true},
		{";0;616c!(W)::w", "  a`l`xx", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].text);
		char line[256];
		char text[64];
		struct engine engine;

		memcpy(text, cases[i].text, n);
		for (size_t k = 0; k < n; k++)
			if (text[k] == '`')
				text[k] = '\0';
		(void)snprintf(line, sizeof(line), "T;Engine:81-255,Target:0%s\n", cases[i].rule);
		engine = engine_of(case_build_one("t.ldb", line));
		for (size_t split = 0; split <= n; split++)
			if ((case_match(engine.matcher, ANY, text, n, split, 3).count > 0) !=
				cases[i].hit)
				fail_msg("%s: %s, cut at %zu", cases[i].rule, cases[i].text, split);
		engine_close(&engine);
	}
}

static void lines_that_are_not_taken_say_why(void **state)
{
	static const struct {
		const char *line;
		bool is_error;
	} cases[] = {
		{"T;Engine:51-255,Target:1,IconGroup1:X;0;41424344", false},
		{"T;Engine:51-255,Target:0,HandlerType:CL_TYPE_IGNORED;0;41424344", false},
		{"T;Engine:51-255,Target:0;0&1;616161;${6-7}12$", false},
		{"T;Engine:51-255,Target:0;0;fuzzy_img#af2ad01ed42993c7", false},
		{"T;Engine:51-60,Target:0;0;41424344", false},
		{"T;Engine:51-255,Target:0;0&1;41424344;0/(/", false},
		{"T;Target:0,Engine:51-255;0;41424344", true},
		{"T;Engine:51-255;0;41424344", true},
		{"T;Engine:51-255,Target:0;0;41424344;45464748", true},
		{"T;Engine:51-255,Target:0;0&1;41424344;/abc/", true},
		{"T;Engine:51-255,Target:0;0&1;41424344;9/abc/", true},
		{"T;Engine:51-255,Target:0;0;41424344::q", true},
		{"T;Engine:51-255,Target:0,Container:CL_TYPE_NONE;0;41424344", false},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(5#hb4#>1)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hb19#>1)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#db256#>1)", false},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#dl3#>1)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#i3#>1)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hb4#>1F)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hb4#>1,<2,>3)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hb4#>1,)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hb4#!1)", true},
		{"T;Engine:51-255,Target:0;0&1;414c504841;0(>>5#hbl4#>1)", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct case_image built = case_build_one("t.ldb", cases[i].line);

		assert_int_equal(built.err, 0);
		if (built.reports.count != 1 || built.reports.is_error != cases[i].is_error ||
			built.stats.signatures != 0)
			fail_msg("%s: %s", cases[i].line, built.reports.reason);
		free(built.image);
	}
}

static void rules_share_subsignatures_of_one_target(void **state)
{
	struct engine engine = engine_of(case_build_one("t.ldb",
		"A;Engine:81-255,Target:0;0>1;414c504841\nB;Engine:81-255,Target:0;0;414c504841\n"
		"C;Engine:81-255,Target:7;0;414c504841\n"));
	struct case_result result = case_match(engine.matcher, ANY, "ALPHA", 5, 0, 1);

	(void)state;
	assert_int_equal(result.count, 0); // too small
	assert_int_equal(case_match(engine.matcher, ANY, "ALPHA.", 6, 0, 1).count, 1);
	assert_int_equal(case_match(engine.matcher, ANY, "ALPHAALPHA", 10, 0, 1).count, 2);
	result = case_match(engine.matcher, MATCH_TARGET_TEXT, "ALPHA.", 6, 0, 1);
	assert_int_equal(result.count, 2);
	assert_string_equal(result.hits[0].signature, "B");
	assert_string_equal(result.hits[1].signature, "C");
	engine_close(&engine);
}

static void a_container_is_that_of_the_object(void **state)
{
	struct engine engine = engine_of(case_build_one(
		"t.ldb", "T;Engine:81-255,Container:CL_TYPE_MAIL,Target:0;0;414c504841\n"));
	struct match_digests digests;
	struct match_object *object;
	struct match_hit hit;
	const char *type;

	(void)state;
	for (int container = FILETYPE_CONTAINER_NONE; container < FILETYPE_CONTAINER_OTHER;
		container++) {
		assert_int_equal(match_begin(engine.matcher, ANY, &object), 0);
		match_set_container(object, (enum filetype_container)container);
		assert_int_equal(match_feed(object, (const uint8_t *)"ALPHA.", 6), 0);
		assert_int_equal(match_end(object, &hit, 1, &digests, &type),
			container == FILETYPE_CONTAINER_MAIL);
	}
	engine_close(&engine);
}

static void put(char *at, const char *text)
{
	for (; *text != '\0'; text++)
		*at++ = *text;
}

static void what_was_not_examined_is_told(void **state)
{
	struct engine engine = engine_of(
		case_build_one("t.ldb", "T;Engine:81-255,Target:0;0&1;414c504841;0/o(?=mega)/\n"));
	size_t n = MAX_IMAGE + 100;
	char *data = malloc(n);

	(void)state;
	assert_non_null(data);
	memset(data, 'x', n);
	(void)case_match(engine.matcher, ANY, data, n, 0, 65536);
	assert_false(matcher_was_partial(engine.matcher));
	put(data + 10, "ALPHA");
	put(data + n - 50, "omega");
	assert_int_equal(case_match(engine.matcher, ANY, data, n, 0, 65536).count, 0);
	assert_true(matcher_was_partial(engine.matcher));
	put(data + 1000, "omega");
	assert_int_equal(case_match(engine.matcher, ANY, data, n, 0, 65536).count, 1);
	assert_false(matcher_was_partial(engine.matcher));
	free(data);
	engine_close(&engine);
}

#define MAX_COPY (32u << 20)
#define SUBSIGNATURES                                                                              \
	"414c50484120414c50484120414c504841;c745;7a7178766b6a;7a7178766b6b;0&(1>2)&(2|3)/o.ega/"

// Two bytes are looked for when the object has ended, and only where the trigger that asks for them can hold: an object
// too long for that is examined all the same.
static void what_no_trigger_can_use_is_not_looked_for(void **state)
{
	static const struct {
		const char *rule;
		const char *text;
		size_t expected;
		bool is_partial;
	} tests[] = {
		{"4;" SUBSIGNATURES, "ALPHA ALPHA ALPHA", 0, false},
		{"4;" SUBSIGNATURES, "ALPHA ALPHA ALPHA zqxvkj", 0, true},
		{"4;" SUBSIGNATURES, "\xc7\x45\xc7\x45\xc7\x45 ALPHA ALPHA ALPHA zqxvkk omega", 1,
			true},
		// What it triggers cannot hold, either; what nothing of it triggers can.
		{"4&5;" SUBSIGNATURES ";4/a.pha/", "ALPHA ALPHA ALPHA alpha", 0, false},
		{"4|5;" SUBSIGNATURES ";0/a.pha/", "ALPHA ALPHA ALPHA alpha", 1, true},
		// A trigger that holds where there are few.
		{"2;414c50484120414c50484120414c504841;c745;0&(1<3)/o.ega/",
			"\xc7\x45\xc7\x45 ALPHA ALPHA ALPHA omega", 1, true},
	};
	const size_t n = MAX_COPY + 100;
	char *data = malloc(n);

	(void)state;
	assert_non_null(data);
	memset(data, 'x', n);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct engine engine;
		char line[256];

		(void)snprintf(line, sizeof(line), "T;Engine:81-255,Target:0;%s\n", tests[i].rule);
		engine = engine_of(case_build_one("t.ldb", line));
		memset(data, 'x', 100);
		put(data + 10, tests[i].text);
		for (size_t chunk = 1; chunk < 20; chunk++) {
			assert_int_equal(case_match(engine.matcher, ANY, data, 100, 0, chunk).count,
				tests[i].expected);
			assert_false(matcher_was_partial(engine.matcher));
		}
		(void)case_match(engine.matcher, ANY, data, n, 0, 65536);
		if (matcher_was_partial(engine.matcher) != tests[i].is_partial)
			fail_msg("case %zu", i);
		engine_close(&engine);
	}
	free(data);
}

static void more_atoms_than_an_object_has_room_for_are_kept(void **state)
{
	static char rules[1 << 16];
	static char data[1 << 15];
	struct engine engine;
	size_t at = 0;
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		at += (size_t)snprintf(rules + at, sizeof(rules) - at,
			"R%u;Engine:81-255,Target:0;0&1;%02x%02x5a41;4c4f4e45\n", i, 0x80 + i / 100,
			0x80 + i % 100);
		n += (size_t)snprintf(data + n, sizeof(data) - n, "%c%cZA.", (char)(0x80 + i / 100),
			(char)(0x80 + i % 100));
	}
	engine = engine_of(case_build_one("t.ldb", rules));
	assert_int_equal(case_match(engine.matcher, ANY, data, n, 0, 100).count, 0);
	n += (size_t)snprintf(data + n, sizeof(data) - n, "LONE");
	for (unsigned int round = 0; round < 3; round++)
		assert_int_equal(
			case_match(engine.matcher, ANY, data, n, 0, 100).count, CASE_MAX_HITS);
	assert_false(matcher_was_partial(engine.matcher));
	engine_close(&engine);
}

// Kinds that are declared as not supported: bytecode, icons, version information, YARA.
static bool is_declared(const char *name)
{
	static const char *const kinds[] = {"GenSig.BC_", "PE_ICON", "YARA."};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strstr(name, kinds[i]) != NULL)
			return true;
	return false;
}

static bool is_hit(const struct match_hit *hits, size_t count, const char *name)
{
	size_t length = strlen(name) - strlen(".UNOFFICIAL");

	for (size_t i = 0; i < count; i++)
		if (strlen(hits[i].signature) == length &&
			strncmp(hits[i].signature, name, length) == 0)
			return true;
	return false;
}

static void the_test_program_of_clamav_gives_its_names(void **state)
{
	static struct match_hit hits[256];
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	char folder[256];
	char path[300];
	const char *paths[] = {path};
	char name[256];
	struct engine engine = {0};
	struct match_digests digests;
	struct match_object *object;
	uint8_t *data = malloc(MAX_IMAGE);
	const char *type;
	size_t count;
	size_t bytes;
	unsigned int expected = 0;
	FILE *file;

	(void)state;
	(void)snprintf(folder, sizeof(folder),
		"%s/signatures/clamav-unittests/unit_tests/input/pe_allmatch", root ? root : "");
	(void)snprintf(path, sizeof(path), "%s/test.exe", folder);
	file = fopen(path, "rb");
	if (file == NULL) {
		free(data);
		print_message("skipped: no %s\n", path);
		skip();
		return;
	}
	bytes = fread(data, 1, MAX_IMAGE, file);
	(void)fclose(file);
	(void)snprintf(path, sizeof(path), "%s/alert-sigs", folder);
	assert_int_equal(ruleset_build(paths, 1, NULL, &engine.built.image, &engine.built.bytes,
				 &engine.built.stats),
		0);
	assert_int_equal(engine.built.stats.errors, 0);
	engine = engine_of(engine.built);
	assert_int_equal(match_begin(engine.matcher, ANY, &object), 0);
	for (size_t at = 0; at < bytes; at += 1000)
		assert_int_equal(
			match_feed(object, data + at, bytes - at < 1000 ? bytes - at : 1000), 0);
	count = match_end(object, hits, 256, &digests, &type);
	assert_string_equal(type, "pe");
	(void)snprintf(path, sizeof(path), "%s/EXPECTED-NAMES-clamav-1.4.6.txt", folder);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(name, sizeof(name), file) != NULL) {
		name[strcspn(name, "\r\n")] = '\0';
		if (name[0] == '\0' || is_declared(name))
			continue;
		expected++;
		if (!is_hit(hits, count, name))
			fail_msg("not found: %s", name);
	}
	(void)fclose(file);
	assert_true(expected > 50);
	assert_int_equal(count, expected);
	free(data);
	engine_close(&engine);
}

// One that all its rules can be told without until the object has ended is deferred.
static void common_words_are_searched_for_only_where_a_rule_depends_on_them(void **state)
{
	static const struct {
		const char *rules;
		uint32_t deferred;
	} tests[] = {
		{"A;Engine:81-255,Target:0;0&1;7a7178766b6a77717078797a;687474703a2f2f\n", 1},
		{"A;Engine:81-255,Target:1;0&1;7a7178766b6a77717078797a;687474703a2f2f\n", 0},
		// A word that is less frequent, and not rare.
		{"A;Engine:81-255,Target:0;0&1;7a7178766b6a77717078797a;636f756e746572\n", 1},
		{"A;Engine:81-255,Target:0;0|1;7a7178766b6a77717078797a;687474703a2f2f\n", 0},
		{"A;Engine:81-255,Target:0;0&1;2e636f6d;687474703a2f2f\n", 0},
		{"A;Engine:81-255,Target:0;0&1;7a7178766b6a77717078797a;687474703a2f2f\n"
		 "B;Engine:81-255,Target:0;0;687474703a2f2f\n",
			0},
		{"A;Engine:81-255,Target:0;0&1;7a7178766b6a77717078797a;"
		 "7a7178766b6a77717078797a7a\n",
			0},
		{"A;Engine:81-255,Target:0;0;687474703a2f2f*7a7178766b6a77717078797a\n", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct engine engine = engine_of(case_build_one("t.ldb", tests[i].rules));

		assert_int_equal(engine.ruleset->deferred_count, tests[i].deferred);
		engine_close(&engine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_hold_in_any_chunks),
		cmocka_unit_test(common_words_are_searched_for_only_where_a_rule_depends_on_them),
		cmocka_unit_test(wide_words_end_where_no_wide_letter_stands),
		cmocka_unit_test(lines_that_are_not_taken_say_why),
		cmocka_unit_test(rules_share_subsignatures_of_one_target),
		cmocka_unit_test(a_container_is_that_of_the_object),
		cmocka_unit_test(what_was_not_examined_is_told),
		cmocka_unit_test(what_no_trigger_can_use_is_not_looked_for),
		cmocka_unit_test(more_atoms_than_an_object_has_room_for_are_kept),
		cmocka_unit_test(the_test_program_of_clamav_gives_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
