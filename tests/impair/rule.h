/*
 * rule.h - what impair does to packets of a prefix, and the dice it throws.
 *
 * A rule is text: "PREFIX key=value ...", with a prefix of IPv4 or IPv6.  The longest
 * prefix wins; setting a rule again replaces only the keys that are named.
 *
 *   delay=D       fixed delay (us, ms, s; default ms); for an echo that impair answers: the RTT
 *   jitter=J      +-J (uniform) or standard deviation J (dist=normal); never below 0
 *   dist=uniform|normal
 *   loss=P        independent loss in percent
 *   ge=P,R,H,K    Gilbert-Elliott in percent: good->bad, bad->good, loss in bad, loss in good
 *   reorder=P,D   P percent get D more delay, so that later ones overtake them
 *   dup=P         percent that come twice
 *   corrupt=P[,W] percent with one bit flipped behind the IP header; W=cookie: in the first 24
 *                 bytes of an echo's data, with the checksum mended (default: any)
 *   forge=W       before each echo reply comes, at once, a forged one that is wrong in W: source,
 *                 id, seq, cookie, short, long or sum (the checksum); off: none
 *   rate=R,Q      R bit/s (k, M, G) with a queue of Q (time); beyond it packets drop
 *   fifo=0|1      1: jitter never reorders
 *   echo=0|1      answer echo requests (default: yes, unless the prefix is routed to side B)
 *   tcp=off|open|rst|drop   answer TCP without a stack (off: pass on)
 *   err=T,C       answer with ICMP error type T code C; 0: off
 *   hops=N        packets with a TTL of N or less are answered with "time exceeded"; 0: off
 *   mtu=N         longer packets that may not be fragmented with "too big"; 0: off
 *   quote=N       bytes behind the IP header that errors quote (default 8; IPv6: all)
 *   via=ADDR      who sends the errors (default: the target)
 *   down=0|1      1: everything is dropped
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/impair/packet.h"

enum tcp_mode { TCP_OFF, TCP_OPEN, TCP_RST, TCP_DROP };
enum verdict {
	V_PASS, V_LOSS, V_GELOSS, V_QDROP, V_DOWN, V_NOROUTE, V_MARK, V_SET, V_DUP, V_CORRUPT, V_FORGED,
	V_ERROR, V_FAILED, V_MAX,
};

struct dice { uint64_t s[2]; };

struct rule {
	struct prefix prefix;
	int64_t delay_ns, jitter_ns, reorder_ns, queue_ns;
	int64_t rate_free_ns;		/* when the last bit of the queue will have left */
	int64_t last_due_ns[2];		/* for fifo, by direction */
	double rate_bps;
	double loss, ge_p, ge_r, ge_h, ge_k, reorder, dup, corrupt;	/* percent */
	bool ge, normal, fifo, down, mend;
	enum forgery forge;
	int echo;			/* -1: by route */
	enum tcp_mode tcp;
	int err_type, err_code;
	int hops, mtu, quote;		/* quote -1: by family */
	struct address via;		/* all zeros: the target */
	uint8_t *ge_state;		/* owned: 65536 targets, bit 0 A->B, bit 1 B->A */
};

#define RULES_MAX 64
struct rules { struct rule v[RULES_MAX]; size_t n; };

void dice_seed(struct dice *, uint64_t seed);
uint64_t dice_u64(struct dice *);
double dice_unit(struct dice *);		/* [0, 1) */
bool dice_hit(struct dice *, double percent);

/* Reads one rule; spec is cut to pieces.  NULL: not understood. */
struct rule *rules_set(struct rules *, char *spec);
/* Back to a clean link; false: no such prefix. */
bool rules_reset(struct rules *, const char *prefix);
/* The rule of the longest prefix that holds ip, or NULL. */
struct rule *rules_match(struct rules *, struct address ip);

/* Is the packet lost at once?  key: the target; dir: 0 from A, 1 from B. */
enum verdict rule_fate(struct rule *, struct dice *, struct address key, int dir);
/* Does the target answer with an ICMP error?  *type, *code and *value (its MTU field) say which. */
bool rule_error(const struct rule *, const struct packet_info *, size_t len, int *type, int *code,
    uint32_t *value);
/* When a packet of len bytes that came at now is due; -1: the queue is full. */
int64_t rule_due(struct rule *, struct dice *, int64_t now_ns, int dir, size_t len);
