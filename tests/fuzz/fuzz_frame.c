/*
 * fuzz_frame.c - bytes of a peer through frame_parse(), then each payload
 * through the message that its type names.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "common/batch.h"
#include "common/frame.h"
#include "common/linkwatch.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *
message_of(uint8_t type)
{
	switch (type) {
	case FRAME_HELLO: return &linkwatch__pb__hello__descriptor;
	case FRAME_WELCOME: return &linkwatch__pb__welcome__descriptor;
	case FRAME_PLAN: return &linkwatch__pb__plan__descriptor;
	case FRAME_PLAN_RESULT: return &linkwatch__pb__plan_result__descriptor;
	case FRAME_BATCH: return &linkwatch__pb__batch__descriptor;
	case FRAME_ACK: return &linkwatch__pb__ack__descriptor;
	case FRAME_REFUSAL: return &linkwatch__pb__refusal__descriptor;
	case FRAME_CLOCK_PING: return &linkwatch__pb__clock_ping__descriptor;
	case FRAME_CLOCK_PONG: return &linkwatch__pb__clock_pong__descriptor;
	case FRAME_FEED_START: return &linkwatch__pb__feed_start__descriptor;
	case FRAME_FEED_RECORD: return &linkwatch__pb__feed_record__descriptor;
	case FRAME_FEED_ACK: return &linkwatch__pb__feed_ack__descriptor;
	case FRAME_RELOAD: return &linkwatch__pb__reload_request__descriptor;
	case FRAME_RELOAD_RESULT: return &linkwatch__pb__reload_result__descriptor;
	default: return NULL;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at <= size) {
		struct frame f, again;
		ssize_t n = frame_parse(data + at, size - at, &f);
		const ProtobufCMessageDescriptor *d;
		ProtobufCMessage *m;

		if (n <= 0)
			break;
		assert((size_t)n == FRAME_HEADER + f.len && (size_t)n <= size - at);
		assert(f.len <= FRAME_MAX && f.payload == data + at + FRAME_HEADER);
		/* One byte less is never a whole frame. */
		assert(frame_parse(data + at, (size_t)n - 1, &again) == 0);
		d = message_of(f.type);
		m = d != NULL ? protobuf_c_message_unpack(d, NULL, f.len, f.payload) : NULL;
		if (m != NULL)
			protobuf_c_message_free_unpacked(m, NULL);
		at += (size_t)n;
	}
	return 0;
}
