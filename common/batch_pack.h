/*
 * batch_pack.h - the samples of a Batch in short (pure).
 *
 * Only batch.c uses it: it writes what it built with batch_shorten(), and
 * batch_unpack() gives everybody else the plain columns.
 */
#pragma once

#include "common/linkwatch.pb-c.h"

/*
 * The samples of sound plain columns (what batch_check() passes, dt_us of the
 * first 0) as *out, malloc'd and owned by the caller.
 */
void batch_shorten(const Linkwatch__Pb__Batch *plain, uint8_t **out, size_t *n);

/*
 * Fills the columns of b, which stands as protobuf-c unpacked it, from
 * b->samples, and empties that; the columns come from a, as the rest of b did
 * (NULL: malloc).  0, or -EBADMSG (nothing has changed): no such stream, columns beside it (but
 * for the one empty id), or more than plain_max bytes of plain columns.
 */
int batch_lengthen(Linkwatch__Pb__Batch *b, size_t plain_max, ProtobufCAllocator *a);
