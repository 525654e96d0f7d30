/*
 * test_identity.c - names from URIs and certificates, honest and crafted.
 */
#include "common/identity.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/unit/common/testcert.h"

static int
parse(const char *uri, struct identity *id)
{
	return identity_parse(uri, strlen(uri), id);
}

START_TEST(parses_names)
{
	struct identity id;

	ck_assert_int_eq(parse("linkwatch://agent/bj-01", &id), 0);
	ck_assert_int_eq(id.role, ROLE_AGENT);
	ck_assert_str_eq(id.id, "bj-01");
	ck_assert_int_eq(parse("linkwatch://collector/c1", &id), 0);
	ck_assert_int_eq(id.role, ROLE_COLLECTOR);
	ck_assert_int_eq(parse("linkwatch://alertd/a", &id), 0);
	ck_assert_int_eq(id.role, ROLE_ALERTD);
	ck_assert_str_eq(role_name(ROLE_AGENT), "agent");
	ck_assert_str_eq(role_name(ROLE_COLLECTOR), "collector");
	ck_assert_str_eq(role_name(ROLE_ALERTD), "alertd");
	ck_assert_str_eq(role_name(ROLE_NOBODY), "nobody");
	ck_assert_str_eq(role_name((enum role)77), "nobody");
}
END_TEST

START_TEST(refuses_names)
{
	static const char *const bad[] = {
	    "",
	    "linkwatch",
	    "linkwatch:",
	    "linkwatch://",
	    "linkwatch://agent",
	    "linkwatch://agent/",
	    "linkwatch://agent//a",
	    "linkwatch://agent/a/",
	    "linkwatch://agent/a/b",
	    "linkwatch://agent/a?x",
	    "linkwatch://agent/a#x",
	    "linkwatch://agent/a b",
	    "linkwatch://agent/A",
	    "LINKWATCH://agent/a",
	    "linkwatch://Agent/a",
	    "linkwatch://agent/*",
	    "linkwatch://agent/-a",
	    "linkwatch://agent/a.",
	    "linkwatch://agent/..",
	    "linkwatch://admin/a",
	    "linkwatch://agents/a",
	    "linkwatch://agen/a",
	    "linkwatch:/agent/a",
	    "http://agent/a",
	    " linkwatch://agent/a",
	    "linkwatch://agent/a\n",
	    "linkwatch://agent/\xc3\xa4",
	    "linkwatch://agent:1/a",
	    "linkwatch://x@agent/a",
	    "linkwatch://agent/%61",
	};
	struct identity id;
	char longest[128];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_msg(parse(bad[i], &id) == -EINVAL, "%s was accepted", bad[i]);
		ck_assert_int_eq(id.role, ROLE_NOBODY);
		ck_assert_str_eq(id.id, "");
	}
	ck_assert_int_eq(identity_parse("linkwatch://agent/a\0b", 21, &id), -EINVAL);
	ck_assert_int_eq(identity_parse("linkwatch://agent/a\0", 20, &id), -EINVAL);
	snprintf(longest, sizeof longest, "linkwatch://agent/%063d", 0);
	ck_assert_int_eq(parse(longest, &id), 0);
	snprintf(longest, sizeof longest, "linkwatch://agent/%064d", 0);
	ck_assert_int_eq(parse(longest, &id), -EINVAL);
}
END_TEST

/* The identity of a certificate made to spec: its result, with why checked to be a clean line. */
static int
of(const struct testcert_spec *s, struct identity *id)
{
	struct testcert t = testcert_make(s);
	char why[200] = "untouched";
	int r = identity_from_cert(t.cert, id, why, sizeof why);

	if (r == 0) {
		ck_assert_str_eq(why, "");
	} else {
		ck_assert_uint_gt(strlen(why), 10);
		for (const char *p = why; *p != '\0'; p++)
			ck_assert_msg((unsigned char)*p >= 0x20, "unclean: %s", why);
		ck_assert_int_eq(id->role, ROLE_NOBODY);
		ck_assert_str_eq(id->id, "");
	}
	testcert_free(&t);
	return r;
}

START_TEST(names_certificates)
{
	struct identity id;
	int64_t now = clock_wall(clock_real()).ns;

	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "somebody else",
	    .uri = { "linkwatch://agent/a1" } }, &id), 0);
	ck_assert_int_eq(id.role, ROLE_AGENT);
	ck_assert_str_eq(id.id, "a1");
	ck_assert(id.not_after_ns > now + INT64_C(86300) * NS_PER_S &&
	    id.not_after_ns < now + INT64_C(86500) * NS_PER_S);
	/* Names of other schemes beside it are nobody's business. */
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x", .dns = "host.example",
	    .uri = { "spiffe://x/y", "linkwatch://collector/c" } }, &id), 0);
	ck_assert_int_eq(id.role, ROLE_COLLECTOR);
	/* Far beyond what 64 bits of nanoseconds hold: unknown, no overflow. */
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x", .to_s = 240000000000,
	    .uri = { "linkwatch://agent/a1" } }, &id), 0);
	ck_assert_int_eq(id.not_after_ns, 0);
}
END_TEST

START_TEST(refuses_certificates)
{
	struct identity id;

	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "linkwatch://agent/a1", .no_san = true },
	    &id), -EINVAL);
	ck_assert_int_eq(
	    of(&(struct testcert_spec){.cn = "x", .dns = "linkwatch://agent/a1"}, &id), -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x",
	    .uri = { "linkwatch://agent/a1", "linkwatch://agent/a2" } }, &id), -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x",
	    .uri = { "linkwatch://agent/a1", "linkwatch://agent/a1" } }, &id), -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x",
	    .uri = { "linkwatch://agent/a1", "LinkWatch://agent/a2" } }, &id), -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x", .uri = { "LINKWATCH://agent/a1" } },
	    &id), -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x", .uri = { "linkwatch://agent/A1" } },
	    &id), -EINVAL);
	ck_assert_int_eq(
	    of(&(struct testcert_spec){.cn = "x", .uri = {"linkwatch://agent/a1\0b"}, .len = {22}},
		&id),
	    -EINVAL);
	ck_assert_int_eq(
	    of(&(struct testcert_spec){.cn = "x", .uri = {"linkwatch://agent/a\n2026"}}, &id),
	    -EINVAL);
	ck_assert_int_eq(of(&(struct testcert_spec){ .cn = "x", .uri = { "linkwatch://agent/*" } },
	    &id), -EINVAL);
}
END_TEST

/* 5,000 names, and one of 64 kB: bounded work, bounded text. */
START_TEST(survives_huge_certificates)
{
	struct testcert t = testcert_make(&(struct testcert_spec){ .cn = "x",
	    .uri = { "linkwatch://agent/a1" } });
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	struct identity id;
	char why[64];
	char *big = xmalloc(65536);

	memset(big, 'a', 65536);
	memcpy(big, "linkwatch://agent/", 18);
	for (int i = 0; i < 5000; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *v = ASN1_IA5STRING_new();

		ASN1_STRING_set(v, i == 4999 ? big : "http://x", i == 4999 ? 65536 : 8);
		GENERAL_NAME_set0_value(g, GEN_URI, v);
		sk_GENERAL_NAME_push(names, g);
	}
	X509_EXTENSION_free(X509_delete_ext(t.cert,
	    X509_get_ext_by_NID(t.cert, NID_subject_alt_name, -1)));
	X509_add1_ext_i2d(t.cert, NID_subject_alt_name, names, 0, 0);
	ck_assert_int_eq(identity_from_cert(t.cert, &id, why, sizeof why), -EINVAL);
	ck_assert_uint_lt(strlen(why), sizeof why);
	X509_add1_ext_i2d(t.cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
	ck_assert_int_eq(identity_from_cert(t.cert, &id, why, sizeof why), -EINVAL);
	ck_assert_str_eq(why, "certificate has more than one subjectAltName");
	GENERAL_NAMES_free(names);
	free(big);
	testcert_free(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("identity");
	TCase *tc = tcase_create("identity");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, parses_names);
	tcase_add_test(tc, refuses_names);
	tcase_add_test(tc, names_certificates);
	tcase_add_test(tc, refuses_certificates);
	tcase_add_test(tc, survives_huge_certificates);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
