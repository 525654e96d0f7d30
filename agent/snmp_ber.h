/*
 * snmp_ber.h - the part of BER that SNMP uses (pure, fuzzed).
 *
 * A message is read from front to back, each value within the bounds of the
 * one around it; it is written from its end to its front, so that every length
 * is known when its header is written.  Of lengths only the definite forms of
 * at most four bytes are taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ber_type {
	BER_INTEGER = 0x02, BER_STRING = 0x04, BER_NULL = 0x05, BER_OID = 0x06,
	BER_SEQUENCE = 0x30,
	BER_ADDRESS = 0x40, BER_COUNTER32 = 0x41, BER_GAUGE32 = 0x42, BER_TICKS = 0x43,
	BER_OPAQUE = 0x44, BER_COUNTER64 = 0x46, BER_UNSIGNED32 = 0x47,
	BER_NO_OBJECT = 0x80, BER_NO_INSTANCE = 0x81, BER_END_OF_VIEW = 0x82,
};

/* What is still to be read. */
struct ber_in { const uint8_t *p, *end; };

/* Steps over the next value; *v is its content.  0 or -EBADMSG. */
int ber_take(struct ber_in *b, uint8_t *type, struct ber_in *v);
/* The same if it is of this type, else -EBADMSG. */
int ber_expect(struct ber_in *b, uint8_t type, struct ber_in *v);
/* The next value as a number from 0 to 2^31-1.  0 or -EBADMSG. */
int ber_expect_number(struct ber_in *b, uint32_t *out);
/* The content of an INTEGER, of at most 8 bytes.  0 or -EBADMSG. */
int ber_signed(struct ber_in v, int64_t *out);
/* The content of a counter: at most 8 bytes behind a sign byte of 0.  0 or -EBADMSG. */
int ber_unsigned(struct ber_in v, uint64_t *out);
/* The content of an OID as sub-identifiers; how many, or -EBADMSG (none, more than max, too large). */
int ber_name(struct ber_in v, uint32_t *name, size_t max);

/* A buffer that fills towards its front.  full: something did not fit, the rest is void. */
struct ber_out { uint8_t *begin, *p; bool full; };

void ber_out_init(struct ber_out *o, void *buf, size_t n);
/* Bytes as they are. */
void ber_put(struct ber_out *o, const void *bytes, size_t n);
/* The header of what was written since *end was the front. */
void ber_head(struct ber_out *o, uint8_t type, const uint8_t *end);
void ber_put_string(struct ber_out *o, const void *bytes, size_t n);
void ber_put_number(struct ber_out *o, uint32_t v);	/* an INTEGER */
/* An OID of at least two sub-identifiers. */
void ber_put_name(struct ber_out *o, const uint32_t *name, size_t n);
