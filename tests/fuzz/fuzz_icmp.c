/*
 * fuzz_icmp.c - packets as raw and ping sockets give them.
 *
 * First byte: which parser, and whether the packet gets a sound cookie and
 * checksum, so that the ways behind them are walked too.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/icmp_wire.h"
#include "common/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct icmp_key key = { .k = { 1, 2 }, .tag = 0x6c77ba11 };

static void
mend_checksum(uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	if (n < 4)
		return;
	p[2] = p[3] = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	p[2] = (uint8_t)(~sum >> 8);
	p[3] = (uint8_t)~sum;
}

/* Puts one of our requests at p, as far as it goes. */
static void
plant(uint8_t *p, size_t n, bool v6)
{
	struct icmp_request r = { .id = 3, .seq = 4, .link = 5, .token = 6 };
	uint8_t echo[ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE];

	icmp_wire_echo(echo, v6, &r, &key, ICMP_WIRE_COOKIE);
	memcpy(p, echo, n < sizeof echo ? n : sizeof echo);
}

static void
check(const uint8_t *p, size_t n, const struct icmp_news *news)
{
	uint8_t echo[ICMP_WIRE_HEADER + ICMP_WIRE_COOKIE];

	assert(news->kind <= ICMP_NEWS_REQUEST);
	if (news->kind == ICMP_NEWS_ERROR || news->kind == ICMP_NEWS_ERROR_SHORT) {
		assert(news->cause > CAUSE_NONE && news->cause <= CAUSE_MAX);
		assert(news->quoted_to >= p && news->quoted_to + 4 <= p + n);
	}
	if (news->kind == ICMP_NEWS_NONE || news->kind == ICMP_NEWS_FORGED ||
	    news->kind == ICMP_NEWS_ERROR_SHORT)
		return;
	/* only what carries a cookie made with the key names a link (a fuzzer may watch it being made) */
	icmp_wire_echo(echo, false, &news->request, &key, ICMP_WIRE_COOKIE);
	assert(memmem(p, n, echo + ICMP_WIRE_HEADER, ICMP_WIRE_COOKIE) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct icmp_news news;
	uint8_t *p, how;
	size_t n, at;

	if (size < 3)
		return 0;
	how = data[0];
	at = data[1];
	n = size - 2;
	p = malloc(n);			/* exactly so long: a step beyond is seen */
	memcpy(p, data + 2, n);
	if ((how & 4) != 0 && at < n)
		plant(p + at, n - at, (how & 3) == 2);
	switch (how & 3) {
	case 0:
		if ((how & 8) != 0 && n > 20)
			mend_checksum(p + 20, n - 20);
		icmp_wire_parse_ip4(p, n, &key, &news);
		break;
	case 1:
		if ((how & 8) != 0)
			mend_checksum(p, n);
		icmp_wire_parse_4(p, n, (how & 16) != 0, &key, &news);
		break;
	default:
		icmp_wire_parse_6(p, n, &key, &news);
		break;
	}
	check(p, n, &news);
	free(p);
	return 0;
}
