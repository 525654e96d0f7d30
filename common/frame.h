/*
 * frame.h - how a message is framed on a TLS connection.
 *
 *   byte 0..3   length of the payload, big endian, at most FRAME_MAX
 *   byte 4      type (enum frame_type)
 *   byte 5      protocol version of the sender: FRAME_VERSION
 *   byte 6..7   zero
 *   byte 8..    payload: the message of linkwatch.proto that the type names
 *
 * Nothing is allocated before the length is checked.  After a frame that is
 * no frame there is no resynchronisation: the connection ends.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_HEADER 8
#define FRAME_MAX (256 * 1024 - FRAME_HEADER)
#define FRAME_VERSION 1

/* Versions of the protocol, as HELLO and WELCOME agree on them. */
#define PROTOCOL_MIN 1
#define PROTOCOL_MAX 2
#define PROTOCOL_SHORT 2		/* from here on a Batch may have its samples in short */

enum frame_type {
	FRAME_HELLO = 1, FRAME_WELCOME = 2, FRAME_PLAN = 3,
	FRAME_PLAN_RESULT = 4, FRAME_BATCH = 5, FRAME_ACK = 6,
	FRAME_REFUSAL = 7, FRAME_CLOCK_PING = 8, FRAME_CLOCK_PONG = 9,
	FRAME_PAUSE = 10, FRAME_RESUME = 11,	/* empty: collector to agent */
	FRAME_FEED_START = 20, FRAME_FEED_RECORD = 21, FRAME_FEED_ACK = 22,
	FRAME_RELOAD = 23, FRAME_RELOAD_RESULT = 24,
};

/* Codes of a Refusal. */
enum refusal {
	REFUSE_VERSION = 1, REFUSE_UNKNOWN_PEER = 2, REFUSE_ROLE = 3,
	REFUSE_STATE = 4,		/* not now: HELLO missing or repeated */
	REFUSE_MALFORMED = 5, REFUSE_LINK = 6, REFUSE_TIME = 7,
	REFUSE_COUNTS = 8, REFUSE_VALUE = 9, REFUSE_ORDER = 10,
	REFUSE_BUSY = 11, REFUSE_REPLACED = 12, REFUSE_RATE = 13,
};

struct frame {
	uint8_t type, version;
	uint32_t len;
	const uint8_t *payload;		/* into the caller's bytes */
};

/*
 * Looks at n bytes.  >0: *out is the first frame, which takes so many bytes.
 * 0: more bytes are needed.  -EMSGSIZE: too long.  -EPROTO: no frame of ours.
 * Unknown types pass: the session answers them.
 */
ssize_t frame_parse(const uint8_t *p, size_t n, struct frame *out);
/* Writes the header of a frame into hdr[FRAME_HEADER]. */
void frame_header(uint8_t *hdr, uint8_t type, uint32_t len);
const char *frame_type_name(uint8_t type);
const char *refusal_name(uint32_t code);
