/*
 * test_conf.c - every type of value, every error with its exact line, and
 * that what is printed reads back.
 */
#include "common/conf.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "testlines.h"

struct pet { struct conf_where where; char *id; int64_t age; };
struct slot { int64_t number; };
struct house { struct conf_where where; char *colour; int64_t doors; char *key; };

struct thing {
	struct conf_where where;
	char *name, *id, *path, *secret;
	int64_t count, any, wait, size;
	double share, wide, pi;
	bool on;
	int colour;
	struct conf_list words, ids, pets, slots;
	struct house house;
	int checks;
};

static const char *const colours[] = { "red", "green", "blue", NULL };

#define ROW(s, m, ...) { .name = #m, .offset = offsetof(struct s, m), __VA_ARGS__ }

static const struct conf_key pet_keys[] = {
	ROW(pet, id, .type = CONF_ID, .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "Its id."),
	ROW(pet, age, .type = CONF_INT, .def = "3", .min = 0, .max = 200, .help = "Years."),
	{ .name = NULL },
};
static const struct conf_schema pet_schema = {
	.noun = "pet", .size = sizeof(struct pet), .keys = pet_keys, .where = 0,
};
static const struct conf_key slot_keys[] = {
	ROW(slot, number, .type = CONF_INT, .flags = CONF_UNIQUE, .max = 9, .help = "Its number."),
	{ .name = NULL },
};
static const struct conf_schema slot_schema = {
	.noun = "slot", .size = sizeof(struct slot), .keys = slot_keys, .where = SIZE_MAX,
};
static const struct conf_key house_keys[] = {
	ROW(house, colour, .type = CONF_STR, .flags = CONF_REQUIRED, .help = "Its paint."),
	ROW(house, doors, .type = CONF_INT, .def = "2", .min = 1, .max = 9, .help = "Doors."),
	ROW(house, key, .type = CONF_SECRET_FILE, .help = "The key."),
	{ .name = NULL },
};
static const struct conf_schema house_schema = {
	.noun = "house", .size = sizeof(struct house), .keys = house_keys, .where = 0,
};

static void
check_thing(void *obj, const struct conf_scope *scope)
{
	struct thing *t = obj;

	t->checks++;
	ck_assert(conf_scope_has(scope, "count") || t->count == 7);
	if (t->count == 99)
		conf_scope_error(scope, "count", "99 is %s", "unlucky");
	for (size_t i = 0; i < t->pets.n; i++) {
		struct conf_scope item = conf_scope_item(scope, "pets", i);

		if (((struct pet *)t->pets.v)[i].age == 100)
			conf_scope_error(&item, "age", "a very old pet");
	}
}

static const struct conf_key keys[] = {
	ROW(thing, name, .type = CONF_STR, .min = 1, .max = 8, .help = "Name."),
	ROW(thing, id, .type = CONF_ID, .help = "Id."),
	ROW(thing, path, .type = CONF_PATH, .def = "some/where", .help = "Path."),
	ROW(thing, secret, .type = CONF_SECRET_FILE, .help = "Secret."),
	ROW(thing, count, .type = CONF_INT, .def = "7", .min = 1, .max = 100, .help = "Count."),
	ROW(thing, any, .type = CONF_INT, .help = "Any number."),
	ROW(thing, wait, .type = CONF_DURATION, .def = "10s", .min = NS_PER_S,
	    .max = 300 * NS_PER_S, .help = "Wait."),
	ROW(thing, size, .type = CONF_SIZE, .def = "64k", .min = 1024, .max = INT64_C(1) << 40,
	    .help = "Size."),
	ROW(thing, share, .type = CONF_RATIO, .def = "5%", .help = "Share."),
	ROW(thing, wide, .type = CONF_RATIO, .min = 0, .max = 3, .help = "Share beyond one."),
	ROW(thing, pi, .type = CONF_DOUBLE, .def = "3.14", .min = 3, .max = 4, .help = "Pi."),
	ROW(thing, on, .type = CONF_BOOL, .def = "yes", .help = "Switch."),
	ROW(thing, colour, .type = CONF_ENUM, .names = colours, .min = 1, .def = "green",
	    .help = "Colour."),
	ROW(thing, words, .type = CONF_STR_LIST, .def = "[a, \"b c\"]", .help = "Words."),
	ROW(thing, ids, .type = CONF_ID_LIST, .help = "Ids."),
	ROW(thing, pets, .type = CONF_MAP_LIST, .sub = &pet_schema, .help = "Pets."),
	ROW(thing, slots, .type = CONF_MAP_LIST, .sub = &slot_schema, .help = "Slots."),
	ROW(thing, house, .type = CONF_MAP, .sub = &house_schema, .help = "House."),
	{ .name = NULL },
};
static const struct conf_schema schema = {
	.noun = "thing.yaml", .size = sizeof(struct thing), .keys = keys, .where = 0,
	.check = check_thing,
};

static int
parse(const char *text, struct thing *t, struct conf_errors *errs)
{
	return conf_parse(text, strlen(text), "t.yaml", "/base", &schema, t, errs);
}

/* text must give exactly these lines, and fail. */
static void
wrong(const char *text, const char *lines)
{
	static const struct thing zero;
	struct conf_errors errs = { 0 };
	struct thing t;

	ck_assert_int_eq(parse(text, &t, &errs), -EINVAL);
	assert_lines(&errs, lines);
	ck_assert(conf_failed(&errs));
	ck_assert_mem_eq(&t, &zero, sizeof(t));
	conf_errors_free(&errs);
}

static void
right(const char *text, struct thing *t)
{
	struct conf_errors errs = { 0 };

	ck_assert_msg(parse(text, t, &errs) == 0, "%s: %s", text, errs.n > 0 ? errs.line[0] : "");
	ck_assert_uint_eq(errs.n, 0);
	ck_assert_int_eq(t->checks, 1);
}

START_TEST(test_defaults)
{
	static const char *const empty[] = { "", "# nothing\n", "{}", "---\n", "\xef\xbb\xbf" };

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		struct thing t;

		right(empty[i], &t);
		ck_assert_ptr_null(t.name);
		ck_assert_str_eq(t.path, "/base/some/where");
		ck_assert_int_eq(t.count, 7);
		ck_assert_int_eq(t.wait, 10 * NS_PER_S);
		ck_assert_int_eq(t.size, 65536);
		ck_assert_double_eq(t.share, 0.05);
		ck_assert_double_eq(t.pi, 3.14);
		ck_assert(t.on);
		ck_assert_int_eq(t.colour, 2);
		ck_assert_uint_eq(t.words.n, 2);
		ck_assert_str_eq(((char **)t.words.v)[1], "b c");
		ck_assert_uint_eq(t.pets.n, 0);
		/* an optional mapping that is left out: defaults, nothing required */
		ck_assert_int_eq(t.house.doors, 2);
		ck_assert_ptr_null(t.house.colour);
		ck_assert_int_eq(t.where.line, 1);
		conf_free(&schema, &t);
	}
}
END_TEST

START_TEST(test_values)
{
	struct thing t;

	right("name: 一二三四五六七八\r\nid: sh-gw\r\npath: /abs\r\ncount: 100\r\nany: "
	    "-9223372036854775808\r\n"
	      "wait: 1.5s\r\nsize: 1.5M\r\nshare: 0.25\r\nwide: 250%\r\npi: 3.5e0\r\non: Off\r\n"
	      "colour: blue\r\nwords: []\r\nids: [a, b-1]\r\n"
	      "pets:\r\n  - id: cat\r\n    age: 0\r\n  - {id: dog}\r\n"
	      "house:\r\n  colour: \"wh\\u00efte\"\r\n", &t);
	ck_assert_str_eq(t.name, "一二三四五六七八");
	ck_assert_str_eq(t.id, "sh-gw");
	ck_assert_str_eq(t.path, "/abs");
	ck_assert_int_eq(t.count, 100);
	ck_assert_int_eq(t.any, INT64_MIN);
	ck_assert_int_eq(t.wait, 1500 * NS_PER_MS);
	ck_assert_int_eq(t.size, 1536 * 1024);
	ck_assert_double_eq(t.share, 0.25);
	ck_assert_double_eq(t.wide, 2.5);
	ck_assert_double_eq(t.pi, 3.5);
	ck_assert(!t.on);
	ck_assert_int_eq(t.colour, 3);
	ck_assert_uint_eq(t.words.n, 0);
	ck_assert_uint_eq(t.ids.n, 2);
	ck_assert_str_eq(((char **)t.ids.v)[1], "b-1");
	ck_assert_uint_eq(t.pets.n, 2);
	ck_assert_int_eq(((struct pet *)t.pets.v)[0].age, 0);
	ck_assert_int_eq(((struct pet *)t.pets.v)[1].age, 3);
	ck_assert_int_eq(((struct pet *)t.pets.v)[1].where.line, 18);
	ck_assert_int_eq(((struct pet *)t.pets.v)[1].where.col, 5);
	ck_assert_str_eq(t.house.colour, "wh\xc3\xafte");
	ck_assert_int_eq(t.house.where.line, 20);
	conf_free(&schema, &t);
	right("pets:\nhouse: {colour: red}\nwords:\nname: \"~\"\n", &t);
	ck_assert_str_eq(t.name, "~");
	conf_free(&schema, &t);
}
END_TEST

START_TEST(test_durations_and_sizes)
{
	static const struct { const char *text; int64_t ns; } good[] = {
		{ "1000ms", NS_PER_S }, { "1000000us", NS_PER_S }, { "1000000000ns", NS_PER_S },
		{ "5m", 300 * NS_PER_S }, { "0.05h", 180 * NS_PER_S }, { "1.000000001s",
		    NS_PER_S + 1 },
		{ "300s", 300 * NS_PER_S },
	};
	static const char *const bad[] = { "10", "s", "-1s", "+1s", "1 s", "10x", "1s5", "1.s",
	    ".5s",
		"1e3s", "0x1s", "S", "10M", "\"\"" };
	char text[128], want[256];
	struct thing t;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "wait: %s", good[i].text);
		right(text, &t);
		ck_assert_int_eq(t.wait, good[i].ns);
		conf_free(&schema, &t);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "wait: %s", bad[i]);
		snprintf(want, sizeof(want), "t.yaml:1:7: 'wait' is %s, expected a duration such "
		    "as 500ms, 10s or 5m, 1s..300s\n", bad[i][0] == '"' ? "empty" : bad[i]);
		wrong(text, want);
	}
	wrong("wait: 10m", "t.yaml:1:7: 'wait' is 10m, expected 1s..300s\n");
	wrong("wait: 999ms", "t.yaml:1:7: 'wait' is 999ms, expected 1s..300s\n");
	wrong("wait: 99999999999999999999d",
	    "t.yaml:1:7: 'wait' is 99999999999999999999d, expected 1s..300s\n");
	wrong("wait: 9223372036854775807h",
	    "t.yaml:1:7: 'wait' is 9223372036854775807h, expected 1s..300s\n");
	right("size: 1T", &t);
	ck_assert_int_eq(t.size, INT64_C(1) << 40);
	conf_free(&schema, &t);
	right("size: 2048", &t);
	ck_assert_int_eq(t.size, 2048);
	conf_free(&schema, &t);
	wrong("size: 1023", "t.yaml:1:7: 'size' is 1023, expected 1k..1T\n");
	wrong("size: 9999999999T", "t.yaml:1:7: 'size' is 9999999999T, expected 1k..1T\n");
	wrong("size: 1MB", "t.yaml:1:7: 'size' is 1MB, expected a size such as 64k, 16M or 1G, "
	    "1k..1T\n");
}
END_TEST

START_TEST(test_numbers)
{
	wrong("count: 101", "t.yaml:1:8: 'count' is 101, expected 1..100\n");
	wrong("count: 0", "t.yaml:1:8: 'count' is 0, expected 1..100\n");
	wrong("count: 99999999999999999999", "t.yaml:1:8: 'count' is 99999999999999999999, "
	    "expected 1..100\n");
	wrong("count: ten", "t.yaml:1:8: 'count' is ten, expected a whole number 1..100\n");
	wrong("count: 1.5", "t.yaml:1:8: 'count' is 1.5, expected a whole number 1..100\n");
	wrong("count: 0x10", "t.yaml:1:8: 'count' is 0x10, expected a whole number 1..100\n");
	wrong("any: \"-\"", "t.yaml:1:6: 'any' is -, expected a whole number\n");
	wrong("any: 9223372036854775808",
	    "t.yaml:1:6: 'any' is 9223372036854775808, expected a whole number\n");
	wrong("share: 101%", "t.yaml:1:8: 'share' is 101%, expected 0%..100%\n");
	wrong("share: -0.1", "t.yaml:1:8: 'share' is -0.1, expected 0%..100%\n");
	wrong("share: 5", "t.yaml:1:8: 'share' is 5, expected 0%..100%\n");
	wrong("wide: 301%", "t.yaml:1:7: 'wide' is 301%, expected 0%..300%\n");
	wrong("share: half", "t.yaml:1:8: 'share' is half, expected a ratio such as 5% or 0.05, "
	    "0%..100%\n");
	wrong("share: \"%\"", "t.yaml:1:8: 'share' is %, expected a ratio such as 5% or 0.05, "
	    "0%..100%\n");
	wrong("pi: nan", "t.yaml:1:5: 'pi' is nan, expected a number 3..4\n");
	wrong("pi: 1e999", "t.yaml:1:5: 'pi' is 1e999, expected 3..4\n");
	wrong("pi: 3.2.1", "t.yaml:1:5: 'pi' is 3.2.1, expected a number 3..4\n");
	wrong("on: maybe", "t.yaml:1:5: 'on' is maybe, expected yes or no\n");
	wrong("colour: gren", "t.yaml:1:9: 'colour' is gren, expected red, green or blue "
	    "(did you mean 'green'?)\n");
	wrong("colour: pink", "t.yaml:1:9: 'colour' is pink, expected red, green or blue\n");
}
END_TEST

START_TEST(test_strings)
{
	static const char id[] = "an id (a-z, 0-9 and '-', at most 63, not '-' first)";
	char text[20000], want[512];

	wrong("name: 一二三四五六七八九", "t.yaml:1:7: 'name' is 一二三四五六七八九, expected a "
	    "string of 1 to 8 characters\n");
	wrong("name: \"\"", "t.yaml:1:7: 'name' is empty, expected a string of 1 to 8 "
	    "characters\n");
	wrong("name:", "t.yaml:1:6: 'name' is empty, expected a string of 1 to 8 characters\n");
	wrong("path: \"\"", "t.yaml:1:7: 'path' is empty, expected a path\n");
	snprintf(want, sizeof(want), "t.yaml:1:5: 'id' is Sh, expected %s\n", id);
	wrong("id: Sh", want);
	snprintf(want, sizeof(want), "t.yaml:1:5: 'id' is ../x, expected %s\n", id);
	wrong("id: ../x", want);
	snprintf(want, sizeof(want), "t.yaml:1:10: an element of 'ids' is -x, expected %s\n", id);
	wrong("ids: [a, -x]", want);
	wrong("name: \"a\\0b\"", "t.yaml:1:7: a NUL in a string\n");
	wrong("name: \"a\\x07\\e[31mbcdefgh\"", "t.yaml:1:7: 'name' is a\\x07\\x1b[31mbcdefgh, "
	    "expected a string of 1 to 8 characters\n");
	/* a long wrong value is cut */
	memset(text, 'x', sizeof(text));
	memcpy(text, "count: ", 7);
	text[300] = '\0';
	wrong(text, "t.yaml:1:8: 'count' is "
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "..., expected a whole number 1..100\n");
	memset(text, 'x', sizeof(text));
	memcpy(text, "path: ", 6);
	text[17000] = '\0';
	wrong(text, "t.yaml:1:7: 'path' is "
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "..., expected at most 16384 bytes\n");
}
END_TEST

START_TEST(test_keys)
{
	wrong("conut: 5", "t.yaml:1:1: unknown key 'conut' in thing.yaml (did you mean "
	    "'count'?)\n");
	wrong("nothing-alike: 5", "t.yaml:1:1: unknown key 'nothing-alike' in thing.yaml\n");
	wrong("pets:\n  - id: cat\n    aeg: 5\n",
	    "t.yaml:3:5: unknown key 'aeg' in pet 'cat' (did you mean 'age'?)\n");
	wrong("house: {colour: red, dors: 5}\n",
	    "t.yaml:1:22: unknown key 'dors' in house (did you mean 'doors'?)\n");
	wrong("count: 1\nname: a\ncount: 2\n",
	    "t.yaml:3:1: 'count' stands twice in thing.yaml (first in line 1)\n");
	wrong("pets:\n  - age: 1\n", "t.yaml:2:5: 'id' is missing in pet\n");
	wrong("house: {doors: 1}\n", "t.yaml:1:8: 'colour' is missing in house\n");
	wrong("[a, b]: 1\n", "t.yaml:1:1: a key is a list, expected a word\n");
	wrong("? {a: b}\n: 1\n", "t.yaml:1:3: a key is a mapping, expected a word\n");
	wrong("\"a\\e[2J\": 1\n", "t.yaml:1:1: unknown key 'a\\x1b[2J' in thing.yaml\n");
}
END_TEST

START_TEST(test_shapes)
{
	wrong("count: [1]", "t.yaml:1:8: 'count' is a list, expected a whole number 1..100\n");
	wrong("count: {a: 1}", "t.yaml:1:8: 'count' is a mapping, expected a whole number "
	    "1..100\n");
	wrong("wait:", "t.yaml:1:6: 'wait' is empty, expected a duration such as 500ms, 10s or 5m, "
	    "1s..300s\n");
	wrong("words: a", "t.yaml:1:8: 'words' is a single value, expected a list\n");
	wrong("words: [[a]]", "t.yaml:1:9: an element of 'words' is a list, expected a string\n");
	wrong("words: [a, ~]", "t.yaml:1:12: an element of 'words' is empty, expected a string\n");
	wrong("pets: {id: a}", "t.yaml:1:7: 'pets' is a mapping, expected a list\n");
	wrong("pets: [a]", "t.yaml:1:8: an element of 'pets' is a single value, expected a "
	    "mapping\n");
	wrong("house: red", "t.yaml:1:8: 'house' is a single value, expected a mapping\n");
	wrong("- a", "t.yaml:1:1: the file is a list, expected a mapping\n");
	wrong("just words", "t.yaml:1:1: the file is a single value, expected a mapping\n");
}
END_TEST

START_TEST(test_unique)
{
	wrong("pets:\n  - {id: b}\n  - {id: a}\n  - {id: b}\n  - {id: b}\n",
	    "t.yaml:4:10: pet 'b' stands twice (first in line 2)\n"
	    "t.yaml:5:10: pet 'b' stands twice (first in line 2)\n");
	/* what could not be read is like nothing else, and what is left out is not like 0 */
	wrong("slots: [{number: 0}, {number: x}, {number: {}}, {number: 99}, {number: 00}, {}, {}]\n",
	    "t.yaml:1:31: 'number' is x, expected a whole number 0..9\n"
	    "t.yaml:1:44: 'number' is a mapping, expected a whole number 0..9\n"
	    "t.yaml:1:58: 'number' is 99, expected 0..9\n"
	    "t.yaml:1:72: slot '00' stands twice (first in line 1)\n");
}
END_TEST

START_TEST(test_checks)
{
	wrong("count: 99\npets:\n  - id: a\n    age: 100\n",
	    "t.yaml:1:8: 99 is unlucky\nt.yaml:4:10: a very old pet\n");
	/* also when there were other errors before */
	wrong("count: 99\nfoo: 1\n", "t.yaml:2:1: unknown key 'foo' in thing.yaml\n"
	    "t.yaml:1:8: 99 is unlucky\n");
}
END_TEST

START_TEST(test_many_at_once)
{
	wrong("conut: 1\nwait: 10m\npets:\n  - id: X\n    age: 300\n  - {}\ncolour: gren\nhouse: "
	    "{}\n",
	    "t.yaml:1:1: unknown key 'conut' in thing.yaml (did you mean 'count'?)\n"
	    "t.yaml:2:7: 'wait' is 10m, expected 1s..300s\n"
	    "t.yaml:4:9: 'id' is X, expected an id (a-z, 0-9 and '-', at most 63, not '-' first)\n"
	    "t.yaml:5:10: 'age' is 300, expected 0..200\n"
	    "t.yaml:6:5: 'id' is missing in pet\n"
	    "t.yaml:7:9: 'colour' is gren, expected red, green or blue (did you mean 'green'?)\n"
	    "t.yaml:8:8: 'colour' is missing in house\n");
}
END_TEST

START_TEST(test_syntax)
{
	wrong("name: a\n\tcount: 1\n", "t.yaml:2:1: syntax: found a tab character that violates "
	    "indentation (indent with blanks), while scanning a plain scalar that begins in line "
	    "1\n");
	wrong("house:\n\tcolour: red\n", "t.yaml:2:1: syntax: found character that cannot start "
	    "any token (a tab; indent with blanks)\n");
	wrong("name: a\n count: 1\n", "t.yaml:2:7: syntax: mapping values are not allowed in this "
	    "context (is the indentation of this line or the one before right?)\n");
	wrong(" name: a\ncount: 1\n", "t.yaml:2:1: syntax: did not find expected <document start> "
	    "(is the indentation of this line or the one before right?)\n");
	wrong("words: [a, b\ncount: 1\n", "t.yaml:2:6: syntax: did not find expected ',' or ']', "
	    "while parsing a flow sequence that begins in line 1\n");
	wrong("name: \"a\n", "t.yaml:2:1: syntax: found unexpected end of stream, while scanning a "
	    "quoted scalar that begins in line 1\n");
	wrong("name: @a\n", "t.yaml:1:7: syntax: found character that cannot start any token\n");
}
END_TEST

START_TEST(test_refused)
{
	wrong("name: &a x\n", "t.yaml:1:7: anchors (&) and aliases (*) are not used here\n");
	wrong("name: *a\n", "t.yaml:1:7: anchors (&) and aliases (*) are not used here\n");
	wrong("words: &a [x]\n", "t.yaml:1:8: anchors (&) and aliases (*) are not used here\n");
	wrong("house: &a {colour: red}\n", "t.yaml:1:8: anchors (&) and aliases (*) are not used "
	    "here\n");
	wrong("a: &a [l,l]\nb: &b [*a,*a,*a]\n", "t.yaml:1:4: anchors (&) and aliases (*) are "
	    "not used here\n");
	wrong("name: !!str x\n", "t.yaml:1:7: tags (!) are not used here\n");
	wrong("count: 1\n---\ncount: 2\n", "t.yaml:2:1: a second document begins; a file holds "
	    "one\n");
	wrong("a: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n",
	    "t.yaml:1:19: nested deeper than 16 levels\n");
}
END_TEST

static void
wrong_bytes(const char *text, size_t len, const char *lines)
{
	struct conf_errors errs = { 0 };
	struct thing t;

	ck_assert_int_eq(conf_parse(text, len, "t.yaml", "/base", &schema, &t, &errs), -EINVAL);
	assert_lines(&errs, lines);
	conf_errors_free(&errs);
}

START_TEST(test_encoding)
{
	static char big[8 * 1024 * 1024 + 1];

	wrong("name: a\n# \xff\n", "t.yaml:2:3: byte 0xff is not UTF-8\n");
	wrong("# 好\nname: \xc0\x80\n", "t.yaml:2:7: byte 0xc0 is not UTF-8\n");
	wrong("# 好 \xed\xa0\x80", "t.yaml:1:5: byte 0xed is not UTF-8\n");
	wrong("name: a\r# \x07\n", "t.yaml:2:3: control character 0x07\n");
	wrong("name: a\r\n# \x1b\n", "t.yaml:2:3: control character 0x1b\n");
	wrong_bytes("name: \0x", 8, "t.yaml:1:7: control character 0x00\n");
	wrong_bytes("\xff\xfe" "n\0", 4, "t.yaml:1:1: the file is UTF-16, expected UTF-8\n");
	wrong_bytes("\xfe\xff\0n", 4, "t.yaml:1:1: the file is UTF-16, expected UTF-8\n");
	memset(big, '\n', sizeof(big));
	wrong_bytes(big, sizeof(big), "t.yaml:1:1: more than 8 MiB\n");
}
END_TEST

START_TEST(test_error_flood)
{
	struct conf_errors errs = { 0 };
	char *text = NULL;
	size_t len = 0;
	struct thing t;
	FILE *f = open_memstream(&text, &len);

	fputs("pets:\n", f);
	for (int i = 0; i < 5000; i++)
		fprintf(f, "  - {id: p%d, unknown: 1}\n", i);
	fclose(f);
	ck_assert_int_eq(conf_parse(text, len, "t.yaml", "/", &schema, &t, &errs), -EINVAL);
	ck_assert_uint_eq(errs.n, 1001);
	ck_assert_str_eq(errs.line[1000], "too many errors, the others are not shown");
	conf_errors_free(&errs);
	free(text);
	f = open_memstream(&text, &len);
	for (int i = 0; i < 257; i++)
		fprintf(f, "unknown-%d: 1\n", i);
	fclose(f);
	wrong(text, "t.yaml:1:1: a mapping of 257 keys, expected a thing.yaml\n");
	free(text);
}
END_TEST

/* What 8 MiB can be made of: it is refused in bearable time. */
START_TEST(test_hostile_sizes)
{
	static const char *const pieces[] = { "- \n", "a: b\n", "[", "? ", "x: [{", "{id: a}, ",
	    "- - ",
		"\"", "# ", "&", "a: |\n", "- [a,b]\n" };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct conf_errors errs = { 0 };
		size_t n = strlen(pieces[i]), len = 8 * 1024 * 1024 / n * n;
		char *text = malloc(len);
		struct thing t;

		ck_assert_ptr_nonnull(text);
		for (size_t o = 0; o < len; o += n)
			memcpy(text + o, pieces[i], n);
		if (conf_parse(text, len, "t.yaml", "/", &schema, &t, &errs) == 0)
			conf_free(&schema, &t);		/* only comments */
		ck_assert_uint_le(errs.n, 1001);
		conf_errors_free(&errs);
		free(text);
	}
}
END_TEST

/* ------------------------------------------------------------------- files */

static char dir[64];

static void
in_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/lw-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
out_dir(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *
file(const char *name, const char *text, mode_t mode)
{
	static char path[4][160];
	static int next;
	char *p = path[next++ % 4];
	FILE *f;

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	f = fopen(p, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(chmod(p, mode), 0);
	return p;
}

static void
load(const char *path, int want, const char *fmt, const char *a, const char *b)
{
	struct conf_errors errs = { 0 };
	char lines[1024];
	struct thing t;

	snprintf(lines, sizeof(lines), "%s", "");
	for (char *o = lines; *fmt != '\0'; fmt++)	/* 1: a, 2: b */
		o += *fmt == '\1' || *fmt == '\2' ?
		    sprintf(o, "%s", *fmt == '\1' ? a : b) : sprintf(o, "%c", *fmt);
	ck_assert_int_eq(conf_load(path, &schema, &t, &errs), want);
	assert_lines(&errs, lines);
	ck_assert(conf_failed(&errs) == (want != 0));
	if (want == 0)
		conf_free(&schema, &t);
	conf_errors_free(&errs);
}

START_TEST(test_files)
{
	char sub[96];
	const char *p;

	load("/nonexistent/x.yaml", -EINVAL,
	    "/nonexistent/x.yaml: cannot be read: No such file or directory\n", "", "");
	load(dir, -EINVAL, "\1: cannot be read: Is a directory\n", dir, "");
	snprintf(sub, sizeof(sub), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(sub, 0600), 0);
	load(sub, -EINVAL, "\1: cannot be read: not a plain file\n", sub, "");
	p = file("big.yaml", "", 0600);
	ck_assert_int_eq(truncate(p, 8 * 1024 * 1024 + 1), 0);
	load(p, -EINVAL, "\1: more than 8 MiB\n", p, "");
	p = file("good.yaml", "count: 5\n", 0600);
	load(p, 0, "", "", "");
	p = file("bad.yaml", "count: 500\n", 0600);
	load(p, -EINVAL, "\1:1:8: 'count' is 500, expected 1..100\n", p, "");
}
END_TEST

START_TEST(test_unreadable)
{
	const char *p = file("closed.yaml", "count: 5\n", 0000);
	pid_t uid = (pid_t)geteuid();

	ck_assert_int_eq(chmod(dir, 0755), 0);
	if (uid == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	load(p, -EINVAL, "\1: cannot be read: Permission denied\n", p, "");
	if (uid == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(test_secrets)
{
	const char *key, *p = file("s.yaml", "secret: sub.key\n", 0600);
	char missing[96];

	snprintf(missing, sizeof(missing), "%s/sub.key", dir);
	load(p, -EINVAL, "\1:1:9: 'secret': cannot read \2: No such file or directory\n", p,
	    missing);
	key = file("sub.key", "x\n", 0600);
	load(p, 0, "", "", "");
	ck_assert_int_eq(chmod(key, 0640), 0);
	load(p, 0, "\1:1:9: warning: 'secret': \2 can be read by its group (mode 0640), expected "
	    "0600\n", p, key);
	ck_assert_int_eq(chmod(key, 0644), 0);
	load(p, 0, "\1:1:9: warning: 'secret': \2 can be read by everyone (mode 0644), expected "
	    "0600\n", p, key);
	ck_assert_int_eq(unlink(key), 0);
	ck_assert_int_eq(mkdir(key, 0700), 0);
	load(p, -EINVAL, "\1:1:9: 'secret': \2 is not a plain file\n", p, key);
	ck_assert_int_eq(rmdir(key), 0);
	key = file("sub.key", "x\n", 0000);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(chmod(p, 0644), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	load(p, -EINVAL, "\1:1:9: 'secret': cannot read \2: Permission denied\n", p, key);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* A path is relative to the file, wherever we stand. */
START_TEST(test_relative_paths)
{
	struct conf_errors errs = { 0 };
	struct thing t;
	char want[128];

	(void)file("r.yaml", "path: pki/ca.pem\n", 0600);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(conf_load("r.yaml", &schema, &t, &errs), 0);
	snprintf(want, sizeof(want), "%s/pki/ca.pem", dir);
	ck_assert_str_eq(t.path, want);
	conf_free(&schema, &t);
	conf_errors_free(&errs);
}
END_TEST

/* ------------------------------------------------------------------- print */

static char *
printed(const struct thing *t)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	conf_print(&schema, t, f);
	fclose(f);
	return text;
}

START_TEST(test_print_reads_back)
{
	struct thing a, b;
	char *first, *second;

	right("name: 'q\"\\x'\nid: a\ncount: 5\nany: -3\nwait: 90s\nsize: 1536\nshare: "
	    "33.3%\nwide: 1.1\n"
	      "pi: 3.141592653589793\non: no\ncolour: red\nwords: [\"a\\nb\", 'c: d', \"#\", "
	      "\"-\"]\nids: [x]\npets: [{id: cat}, {id: dog, age: 9}]\n"
	      "house: {colour: \"a\\tb\\x82\\u2028\\uFEFF\\uFFFF\\U0001F600\"}\n", &a);
	first = printed(&a);
	ck_assert_ptr_nonnull(strstr(first, "wait: 90s\n"));
	ck_assert_ptr_nonnull(strstr(first, "size: 1536\n"));
	ck_assert_ptr_nonnull(strstr(first, "path: \"/base/some/where\"\n"));
	right(first, &b);
	ck_assert_str_eq(a.name, b.name);
	ck_assert_double_eq(a.share, b.share);
	ck_assert_double_eq(a.pi, b.pi);
	ck_assert_uint_eq(b.words.n, 4);
	ck_assert_str_eq(((char **)b.words.v)[0], "a\nb");
	ck_assert_str_eq(b.house.colour, "a\tb\xc2\x82\xe2\x80\xa8\xef\xbb\xbf\xef\xbf\xbf"
	    "\xf0\x9f\x98\x80");
	ck_assert_ptr_null(b.secret);
	second = printed(&b);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
	conf_free(&schema, &a);
	conf_free(&schema, &b);
	right("slots: [{number: 0}, {number: 5}, {}]\nany: 0\n", &a);
	first = printed(&a);
	right(first, &b);
	ck_assert_uint_eq(b.slots.n, 3);
	ck_assert_int_eq(((struct slot *)b.slots.v)[1].number, 5);
	ck_assert_ptr_null(strstr(first, "any:"));
	free(first);
	conf_free(&schema, &a);
	conf_free(&schema, &b);
}
END_TEST

/* The sample, with what is commented out switched on, has all keys and passes its own check. */
START_TEST(test_sample)
{
	char *text = NULL, *on = NULL, *line, *save = NULL;
	size_t n = 0, m = 0, yaml = 0;
	struct conf_errors errs = { 0 };
	struct thing t;
	FILE *f = open_memstream(&text, &n), *g = open_memstream(&on, &m);

	conf_print_sample(&schema, f);
	fclose(f);
	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		ck_assert_ptr_nonnull(strstr(text, k->name));
		ck_assert_ptr_nonnull(strstr(text, k->help));
	}
	ck_assert_ptr_nonnull(strstr(text, "# Wait. (a duration such as 500ms, 10s or 5m, "
	    "1s..300s; default 10s)\n#wait: 10s\n"));
	ck_assert_ptr_nonnull(strstr(text, "#  - id: name\n"));
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		ck_assert_int_eq(line[0], '#');
		if (line[1] == ' ' && line[2] != ' ')
			continue;	/* help of the top level */
		if (strchr(line, ':') == NULL || strstr(line, " (") != NULL)
			continue;	/* help further in */
		fprintf(g, "%s\n", line + 1);
		yaml++;
	}
	fclose(g);
	ck_assert_uint_eq(yaml, 18 + 2 + 1 + 3);
	ck_assert_int_eq(conf_parse(on, m, "sample", dir, &schema, &t, &errs), -EINVAL);
	ck_assert_uint_eq(errs.n, 2);	/* the two secret files that are not there */
	ck_assert(has_line(&errs, "'secret': cannot read"));
	ck_assert(has_line(&errs, "'key': cannot read"));
	conf_errors_free(&errs);
	free(text);
	free(on);
}
END_TEST

START_TEST(test_suggest)
{
	static const char *const names[] = { "interval", "timeout", "on", "step", NULL };

	ck_assert_str_eq(conf_suggest("intervall", names), "interval");
	ck_assert_str_eq(conf_suggest("tiemout", names), "timeout");
	ck_assert_str_eq(conf_suggest("imterva", names), "interval");
	ck_assert_str_eq(conf_suggest("spet", names), "step");
	ck_assert_ptr_null(conf_suggest("itrvl", names));
	ck_assert_ptr_null(conf_suggest("xy", names));
	ck_assert_ptr_null(conf_suggest("", names));
	ck_assert_ptr_null(conf_suggest("0123456789012345678901234567890123456789012345678901234567890"
	    "123456789", names));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("text"), *f = tcase_create("files");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_durations_and_sizes);
	tcase_add_test(t, test_numbers);
	tcase_add_test(t, test_strings);
	tcase_add_test(t, test_keys);
	tcase_add_test(t, test_shapes);
	tcase_add_test(t, test_unique);
	tcase_add_test(t, test_checks);
	tcase_add_test(t, test_many_at_once);
	tcase_add_test(t, test_syntax);
	tcase_add_test(t, test_refused);
	tcase_add_test(t, test_encoding);
	tcase_add_test(t, test_error_flood);
	tcase_add_test(t, test_hostile_sizes);
	tcase_add_test(t, test_print_reads_back);
	tcase_add_test(t, test_suggest);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(f, in_dir, out_dir);
	tcase_add_test(f, test_files);
	tcase_add_test(f, test_unreadable);
	tcase_add_test(f, test_secrets);
	tcase_add_test(f, test_relative_paths);
	tcase_add_test(f, test_sample);
	suite_add_tcase(s, f);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
