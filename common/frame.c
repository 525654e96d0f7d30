/*
 * frame.c - the eight bytes in front of every message (pure; see frame.h).
 */
#include "common/frame.h"

#include <errno.h>
#include <string.h>

ssize_t
frame_parse(const uint8_t *p, size_t n, struct frame *out)
{
	uint32_t len;

	memset(out, 0, sizeof *out);
	if (n < 4)
		return 0;
	len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (len > FRAME_MAX)
		return -EMSGSIZE;
	if (n < FRAME_HEADER)
		return 0;
	if (p[4] == 0 || p[5] == 0 || p[6] != 0 || p[7] != 0)
		return -EPROTO;
	if (n - FRAME_HEADER < len)
		return 0;
	out->type = p[4];
	out->version = p[5];
	out->len = len;
	out->payload = p + FRAME_HEADER;
	return (ssize_t)(FRAME_HEADER + len);
}

void
frame_header(uint8_t *hdr, uint8_t type, uint32_t len)
{
	hdr[0] = (uint8_t)(len >> 24);
	hdr[1] = (uint8_t)(len >> 16);
	hdr[2] = (uint8_t)(len >> 8);
	hdr[3] = (uint8_t)len;
	hdr[4] = type;
	hdr[5] = FRAME_VERSION;
	hdr[6] = hdr[7] = 0;
}

const char *
frame_type_name(uint8_t type)
{
	static const char *const name[] = {
		[FRAME_HELLO] = "hello", [FRAME_WELCOME] = "welcome", [FRAME_PLAN] = "plan",
		[FRAME_PLAN_RESULT] = "plan-result", [FRAME_BATCH] = "batch",
		[FRAME_ACK] = "ack", [FRAME_REFUSAL] = "refusal",
		[FRAME_CLOCK_PING] = "clock-ping", [FRAME_CLOCK_PONG] = "clock-pong",
		[FRAME_PAUSE] = "pause", [FRAME_RESUME] = "resume",
		[FRAME_FEED_START] = "feed-start", [FRAME_FEED_RECORD] = "feed-record",
		[FRAME_FEED_ACK] = "feed-ack", [FRAME_RELOAD] = "reload",
		[FRAME_RELOAD_RESULT] = "reload-result",
	};

	if (type >= sizeof name / sizeof name[0] || name[type] == NULL)
		return "?";
	return name[type];
}

const char *
refusal_name(uint32_t code)
{
	static const char *const name[] = {
		[REFUSE_VERSION] = "version", [REFUSE_UNKNOWN_PEER] = "unknown-peer",
		[REFUSE_ROLE] = "role", [REFUSE_STATE] = "state",
		[REFUSE_MALFORMED] = "malformed", [REFUSE_LINK] = "link",
		[REFUSE_TIME] = "time", [REFUSE_COUNTS] = "counts", [REFUSE_VALUE] = "value",
		[REFUSE_ORDER] = "order", [REFUSE_BUSY] = "busy",
		[REFUSE_REPLACED] = "replaced", [REFUSE_RATE] = "rate",
	};

	if (code >= sizeof name / sizeof name[0] || name[code] == NULL)
		return "?";
	return name[code];
}
