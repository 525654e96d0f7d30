/*
 * conn.c - what every kind of connection has in common.
 */
#include "common/conn.h"

#include <errno.h>
#include <stdlib.h>

#include <protobuf-c/protobuf-c.h>

#include "common/frame.h"
#include "common/mem.h"

int
conn_send_message(struct conn *c, uint8_t type, const struct ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p;
	int r;

	if (n > FRAME_MAX)
		return -EMSGSIZE;
	p = xmalloc(n);
	protobuf_c_message_pack(m, p);
	r = conn_send(c, type, p, n);
	free(p);
	return r;
}
