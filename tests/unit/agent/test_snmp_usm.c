/*
 * test_snmp_usm.c - keys as the RFC has them, seals that are opened again and
 * seals that are broken.
 */
#include "agent/snmp_usm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/agent_conf.h"
#include "tests/unit/agent/suite.h"

static const struct snmp_engine rfc_engine = { .len = 12,
	.id = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 } };
static struct snmp_var var = { SNMP_UPTIME, 9, { 1, 3, 6, 1, 2, 1, 1, 3, 0 } };

static void
is_key(const struct snmp_key *k, const char *hex)
{
	char text[2 * SNMP_KEY_MAX + 1] = "";

	for (size_t i = 0; i < k->len; i++)
		snprintf(text + 2 * i, 3, "%02x", k->bytes[i]);
	ck_assert_str_eq(text, hex);
}

/* RFC 3414, A.3. */
START_TEST(test_keys)
{
	struct snmp_key master, local;

	ck_assert_int_eq(snmp_usm_master(SNMP_AUTH_MD5, "maplesyrup", &master), 0);
	is_key(&master, "9faf3283884e92834ebc9847d8edd963");
	ck_assert_int_eq(snmp_usm_local(SNMP_AUTH_MD5, &master, &rfc_engine, &local), 0);
	is_key(&local, "526f5eed9fcce26f8964c2930787d82b");
	ck_assert_int_eq(snmp_usm_master(SNMP_AUTH_SHA1, "maplesyrup", &master), 0);
	is_key(&master, "9fb5cc0381497b3793528939ff788d5d79145211");
	ck_assert_int_eq(snmp_usm_local(SNMP_AUTH_SHA1, &master, &rfc_engine, &local), 0);
	is_key(&local, "6695febc9288e36282235fc7151f128497b38f3f");
	/* a key of 32 bytes out of a hash of 20 begins like it */
	ck_assert_int_eq(snmp_usm_local_priv(SNMP_AUTH_SHA1, SNMP_PRIV_AES256, &master,
	    &rfc_engine, &local), 0);
	ck_assert_uint_eq(local.len, 32);
	ck_assert_uint_eq(local.bytes[0], 0x66);
	ck_assert_uint_eq(local.bytes[19], 0x3f);
	ck_assert_int_eq(snmp_usm_master(SNMP_AUTH_NONE, "maplesyrup", &master), -EINVAL);
	ck_assert_int_eq(snmp_usm_master(SNMP_AUTH_SHA1, "", &master), -EINVAL);
	ck_assert_int_eq(snmp_usm_local(SNMP_AUTH_NONE, &master, &rfc_engine, &local), -EINVAL);
	ck_assert_int_eq(snmp_usm_local_priv(SNMP_AUTH_NONE, SNMP_PRIV_DES, &master, &rfc_engine,
	    &local), -EINVAL);
}
END_TEST

static void
make_seal(struct snmp_seal *s, int auth, int priv)
{
	struct snmp_key master;

	*s = (struct snmp_seal){ .auth = auth, .priv = priv, .user = "mon", .context = "ctx",
		.engine = rfc_engine };
	s->engine.boots = 7;
	s->engine.time = 100000;
	if (auth == SNMP_AUTH_NONE)
		return;
	ck_assert_int_eq(snmp_usm_master(auth, "authpass12", &master), 0);
	ck_assert_int_eq(snmp_usm_local(auth, &master, &s->engine, &s->auth_key), 0);
	if (priv != SNMP_PRIV_NONE)
		ck_assert_int_eq(snmp_usm_local_priv(auth, priv, &master, &s->engine,
		    &s->priv_key), 0);
}

/* The message, as a response: its PDU's type is what differs. */
static size_t
sealed(const struct snmp_seal *s, uint8_t buf[1024], uint8_t **text)
{
	const struct snmp_request r = { .pdu = SNMP_PDU_RESPONSE, .id = 12345, .var = &var,
		.vars = 1 };
	struct ber_out o;

	ber_out_init(&o, buf, 1024);
	ck_assert_int_eq(snmp_usm_put(&o, s, &r, 0x0123456789abcdef), 0);
	*text = o.p;
	return (size_t)(buf + 1024 - o.p);
}

static int
open_it(const struct snmp_seal *s, uint8_t *text, size_t n, struct snmp_answer *a)
{
	struct snmp_v3 v3;

	ck_assert_int_eq(snmp_take_v3(text, n, &v3), 0);
	return snmp_usm_take(s, text, n, &v3, a);
}

/* Every pair of protocols: what is sealed opens again. */
START_TEST(test_seals)
{
	for (int auth = SNMP_AUTH_NONE; auth <= SNMP_AUTH_SHA512; auth++)
		for (int priv = SNMP_PRIV_NONE; priv <= SNMP_PRIV_AES256; priv++) {
			struct snmp_answer a;
			struct snmp_bind b;
			struct snmp_seal s;
			uint8_t buf[1024], *text;
			size_t n;

			if (auth == SNMP_AUTH_NONE && priv != SNMP_PRIV_NONE)
				continue;
			make_seal(&s, auth, priv);
			n = sealed(&s, buf, &text);
			ck_assert_int_eq(open_it(&s, text, n, &a), 0);
			ck_assert_uint_eq(a.id, 12345);
			ck_assert_int_eq(snmp_take_bind(&a, &b), 1);
			ck_assert_uint_eq(b.len, 9);
		}
}
END_TEST

/* Any bit that changes breaks the MAC. */
START_TEST(test_broken_seal)
{
	uint8_t buf[1024], copy[1024], *text;
	struct snmp_answer a;
	struct snmp_seal s;
	struct snmp_v3 v3;
	size_t n;

	make_seal(&s, SNMP_AUTH_SHA256, SNMP_PRIV_AES128);
	n = sealed(&s, buf, &text);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		memcpy(copy, text, n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (snmp_take_v3(copy, n, &v3) == 0 && (v3.flags & SNMP_FLAG_AUTH) != 0)
			ck_assert_int_ne(snmp_usm_take(&s, copy, n, &v3, &a), 0);
	}
}
END_TEST

START_TEST(test_other_seals)
{
	uint8_t buf[1024], *text;
	struct snmp_answer a;
	struct snmp_seal s, other;
	size_t n;

	make_seal(&s, SNMP_AUTH_SHA1, SNMP_PRIV_DES);
	n = sealed(&s, buf, &text);
	make_seal(&other, SNMP_AUTH_SHA1, SNMP_PRIV_DES);
	other.auth_key.bytes[0] ^= 1;
	ck_assert_int_eq(open_it(&other, text, n, &a), -EACCES);
	n = sealed(&s, buf, &text);
	make_seal(&other, SNMP_AUTH_SHA1, SNMP_PRIV_DES);
	other.engine.id[3] = 9;
	ck_assert_int_eq(open_it(&other, text, n, &a), -EACCES);
	n = sealed(&s, buf, &text);
	make_seal(&other, SNMP_AUTH_NONE, SNMP_PRIV_NONE);
	ck_assert_int_eq(open_it(&other, text, n, &a), -EACCES);
	/* the right MAC, the wrong cipher */
	n = sealed(&s, buf, &text);
	make_seal(&other, SNMP_AUTH_SHA1, SNMP_PRIV_NONE);
	ck_assert_int_eq(open_it(&other, text, n, &a), -EBADMSG);
	n = sealed(&s, buf, &text);
	make_seal(&other, SNMP_AUTH_SHA1, SNMP_PRIV_DES);
	other.priv_key.bytes[0] ^= 0x10;
	ck_assert_int_eq(open_it(&other, text, n, &a), -EBADMSG);
}
END_TEST

START_TEST(test_does_not_fit)
{
	static struct snmp_var many[60];
	struct snmp_request r = { .pdu = SNMP_PDU_GET, .id = 1, .var = many, .vars = 60 };
	struct snmp_seal s;
	struct ber_out o;
	uint8_t buf[4096];

	for (unsigned i = 0; i < 60; i++) {
		many[i].len = SNMP_NAME_MAX;
		memset(many[i].name, 0xff, sizeof many[i].name);
		many[i].name[0] = 1;
		many[i].name[1] = 3;
	}
	make_seal(&s, SNMP_AUTH_SHA1, SNMP_PRIV_AES128);
	ber_out_init(&o, buf, sizeof buf);
	ck_assert_int_eq(snmp_usm_put(&o, &s, &r, 1), -EMSGSIZE);
	r.vars = 1;
	ber_out_init(&o, buf, 300);		/* the PDU alone has more */
	ck_assert_int_eq(snmp_usm_put(&o, &s, &r, 1), -EMSGSIZE);
}
END_TEST

int
main(void)
{
	return run_suite("snmp_usm", (const TTest *const[]){ test_keys, test_seals,
	    test_broken_seal, test_other_seals, test_does_not_fit, NULL });
}
