/*
 * snmp_message.h - the messages of SNMP v2c and v3 (pure, fuzzed).
 *
 * v2c:  SEQUENCE { version 1, community, PDU }
 * v3:   SEQUENCE { version 3,
 *           SEQUENCE { message id, largest answer, flags, model 3 },
 *           STRING { SEQUENCE { engine, boots, time, user, MAC, salt } },
 *           scoped PDU, or a STRING that is one encrypted }
 * scoped PDU:  SEQUENCE { context engine, context, PDU }
 * PDU:  { request id, status or 0, index or most rows, SEQUENCE of { name, value } }
 *
 * MACs and encryption are made in snmp_usm.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snmp_ber.h"
#include "agent/snmp_values.h"
#include "agent/snmp_vars.h"

#define SNMP_ENGINE_MAX 32
#define SNMP_ANSWER_MAX 8192		/* bytes that we take, and say so in v3 */
#define SNMP_ID_MAX INT32_MAX		/* ids are 1 .. this */

enum snmp_pdu {
	SNMP_PDU_GET = 0xa0, SNMP_PDU_RESPONSE = 0xa2, SNMP_PDU_GETBULK = 0xa5,
	SNMP_PDU_REPORT = 0xa8,
};
enum { SNMP_TOO_BIG = 1, SNMP_NO_SUCH_NAME = 2, SNMP_NO_ACCESS = 6, SNMP_NOT_AUTHORIZED = 16 };
enum { SNMP_FLAG_AUTH = 1, SNMP_FLAG_PRIV = 2, SNMP_FLAG_REPORT = 4 };

/* What is asked. */
struct snmp_request {
	uint8_t pdu;			/* SNMP_PDU_GET or SNMP_PDU_GETBULK */
	uint32_t id;
	uint32_t rows;			/* of a GETBULK */
	const struct snmp_var *var;
	size_t vars;
};

/* A PDU that came; binds point into the message. */
struct snmp_answer {
	uint8_t pdu;
	uint32_t id;
	uint32_t status, index;
	struct ber_in binds;
};

/* One name and value; text of value points into the message. */
struct snmp_bind { size_t len; uint32_t name[SNMP_NAME_MAX]; struct snmp_value value; };

struct snmp_engine { size_t len; uint8_t id[SNMP_ENGINE_MAX]; uint32_t boots, time; };

/* A v3 message, its parts within the text. */
struct snmp_v3 {
	uint32_t id;
	uint8_t flags;
	struct snmp_engine engine;	/* len 0: it names none */
	struct ber_in user, mac, salt;
	struct ber_in data;		/* scoped PDU, or its encryption with FLAG_PRIV */
};

/* The PDU with its names and nulls. */
void snmp_put_pdu(struct ber_out *o, const struct snmp_request *r);
void snmp_put_v2c(struct ber_out *o, const char *community, const struct snmp_request *r);
/* A request that every v3 device answers with a report that names its engine. */
void snmp_put_discovery(struct ber_out *o, uint32_t id);

/* The id that a message answers: of v3 the message's, else the request's.  0 or -EBADMSG. */
int snmp_message_id(const uint8_t *p, size_t n, uint32_t *id);
/* 0 or -EBADMSG; the binds are not looked at yet. */
int snmp_take_v2c(const uint8_t *p, size_t n, struct snmp_answer *out);
int snmp_take_v3(const uint8_t *p, size_t n, struct snmp_v3 *out);
int snmp_take_scoped(struct ber_in data, struct snmp_answer *out);
/* The next of a->binds: 1 with *out, 0 at their end, or -EBADMSG. */
int snmp_take_bind(struct snmp_answer *a, struct snmp_bind *out);
/* Which usmStats object a report counts (RFC 3414, 5): 1 .. 6, or 0. */
unsigned snmp_report_kind(const struct snmp_answer *a);
enum { SNMP_REPORT_TIME = 2, SNMP_REPORT_ENGINE = 4 };
