/*
 * test_links.c - links.yaml: each rule with its exact line, the plan that
 * comes out, its revision, the sample and the manual.
 */
#include "common/links.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/model.h"
#include "tests/rounds.h"
#include "testlines.h"

#define MANUAL "conf/linkwatch-links.5"
#define SAMPLE "conf/links.yaml"

/* Five lines before what a test adds. */
#define HEAD "vendors: [{id: v, code: V云}]\n" \
	"agents:\n  - {id: a1, vendor: v}\n  - {id: a2, vendor: v, zone: z}\n" \
	"chains: [{id: c1}]\n"

static Linkwatch__Pb__Plan *
right(const char *text)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan;
	int r = links_parse(text, strlen(text), "l.yaml", &plan, &errs);

	ck_assert_msg(r == 0, "%s", errs.n > 0 ? errs.line[0] : "no line");
	assert_lines(&errs, "");
	ck_assert_ptr_nonnull(plan);
	ck_assert_uint_ne(plan->revision, 0);
	return plan;
}

static void
wrong(const char *text, const char *lines)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan = (Linkwatch__Pb__Plan *)1;

	ck_assert_int_eq(links_parse(text, strlen(text), "l.yaml", &plan, &errs), -EINVAL);
	assert_lines(&errs, lines);
	ck_assert_ptr_null(plan);
	conf_errors_free(&errs);
}

/* One link in line 7, whose keys are added. */
static void
wrong_link(const char *more, const char *lines)
{
	char text[1024];

	snprintf(text, sizeof(text), HEAD "links:\n  - {id: x, agent: a1, %s}\n", more);
	wrong(text, lines);
}

static void
right_link(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text), HEAD "links:\n  - {id: x, agent: a1, %s}\n", more);
	links_free(right(text));
}

START_TEST(test_filled_in)
{
	Linkwatch__Pb__Plan *p = right(HEAD "links:\n"
	    "  - {id: i, agent: a2, probe: icmp, target: 192.0.2.1}\n"
	    "  - {id: t, agent: a1, probe: tcp, target: h.example, port: 80, step: 1s, name_en: "
	    "A name that is rather long, name: 名字十分长的一条链路用来看看怎样截断}\n"
	    "  - {id: s, agent: a1, probe: snmp, target: \"2001:db8::1\", credential: k, host: "
	    "yes}\n");
	const Linkwatch__Pb__Link *i = p->link[0], *t = p->link[1], *s = p->link[2];

	ck_assert_uint_eq(p->n_link, 3);
	ck_assert_uint_eq(i->probe, PROBE_ICMP);
	ck_assert_uint_eq(i->step_ms, 10000);
	ck_assert_uint_eq(i->timeout_ms, 1000);
	ck_assert_uint_eq(i->count, 10);
	ck_assert_uint_eq(i->size, 56);
	ck_assert_uint_eq(i->port, 0);
	ck_assert_uint_eq(i->class_, CLASS_C);
	ck_assert_str_eq(i->name_zh, "i");
	ck_assert_str_eq(i->name_en, "i");
	ck_assert_str_eq(i->short_zh, "i");
	ck_assert_str_eq(i->short_en, "i");
	ck_assert_str_eq(i->vendor, "v");
	ck_assert_str_eq(i->zone, "z");
	ck_assert_str_eq(i->chain, "");
	ck_assert_uint_eq(t->step_ms, 1000);
	ck_assert_uint_eq(t->timeout_ms, 1000);
	ck_assert_uint_eq(t->count, 2);
	ck_assert_uint_eq(t->size, 0);
	ck_assert_str_eq(t->short_zh, "名字十分长的一条链路用来看看怎样");
	ck_assert_str_eq(t->short_en, "A name that is r");
	ck_assert_str_eq(t->zone, "");
	ck_assert_uint_eq(s->step_ms, 60000);
	ck_assert_uint_eq(s->timeout_ms, 2000);
	ck_assert_uint_eq(s->port, 161);
	ck_assert_uint_eq(s->count, 1);
	ck_assert(s->host);
	ck_assert_str_eq(p->vendor[0]->code, "V云");
	ck_assert_str_eq(p->vendor[0]->code_en, "v");
	ck_assert_str_eq(p->vendor[0]->name_zh, "v");
	ck_assert_str_eq(p->agent[1]->id, "a2");
	ck_assert_str_eq(p->agent[1]->name_en, "a2");
	ck_assert_str_eq(p->chain[0]->name_zh, "c1");
	links_free(p);
}
END_TEST

START_TEST(test_written)
{
	Linkwatch__Pb__Plan *p = right(HEAD "links:\n"
	    "  - {id: i, agent: a1, probe: icmp, target: h.example, step: 1500ms, count: 1000, "
	    "timeout: "
	    "1.5s, size: 24, family: 6, source: \"::1\", class: A, name: 甲, name_en: J, short: "
	    "乙, short_en: K, vendor: v, zone: zz, chain: c1, segment: extranet, down_after: 3, "
	    "limits: {loss: 0.1%, rtt: 10ms}}\n"
	    "  - {id: s, agent: a1, probe: snmp, target: h.example, port: 1161, credential: k, "
	    "interface: \"GigabitEthernet 0/1\", host: no, oids: [1.3.6.1, .1.3.6.2]}\n");
	const Linkwatch__Pb__Link *i = p->link[0], *s = p->link[1];

	ck_assert_uint_eq(i->step_ms, 1500);
	ck_assert_uint_eq(i->timeout_ms, 1500);
	ck_assert_uint_eq(i->count, 1000);
	ck_assert_uint_eq(i->size, 24);
	ck_assert_uint_eq(i->family, 6);
	ck_assert_str_eq(i->source, "::1");
	ck_assert_uint_eq(i->class_, CLASS_A);
	ck_assert_str_eq(i->name_zh, "甲");
	ck_assert_str_eq(i->short_en, "K");
	ck_assert_str_eq(i->zone, "zz");
	ck_assert_str_eq(i->chain, "c1");
	ck_assert_uint_eq(i->segment, SEG_EXTRANET);
	ck_assert_uint_eq(i->down_after, 3);
	ck_assert_double_eq(i->limit_loss, 0.001);
	ck_assert_int_eq(i->limit_rtt_ns, 10000000);
	ck_assert_uint_eq(s->port, 1161);
	ck_assert_str_eq(s->credential, "k");
	ck_assert_str_eq(s->interface, "GigabitEthernet 0/1");
	ck_assert_uint_eq(s->n_oid, 2);
	ck_assert_str_eq(s->oid[1], ".1.3.6.2");
	links_free(p);
}
END_TEST

START_TEST(test_options)
{
	Linkwatch__Pb__Plan *p = right(HEAD "links:\n"
	    "  - {id: i, agent: a1, probe: icmp, target: h.example, df: yes, dscp: 46, ttl: 9, "
	    "device: eth0.7}\n"
	    "  - {id: t, agent: a1, probe: tcp, target: h.example, port: 443, tls: yes, "
	    "server_name: s.example}\n"
	    "  - {id: s, agent: a1, probe: snmp, target: h.example, credential: k, alias: \"to *\", "
	    "oids: [1.3.6], objects: [{oid: 1.3.7, name: 电压, unit: V, scale: 0.1, type: gauge}, "
	    "{oid: 1.3.8}]}\n");
	const Linkwatch__Pb__Link *i = p->link[0], *t = p->link[1], *s = p->link[2];
	Linkwatch__Pb__Plan *part = links_for_agent(p, "a1");

	ck_assert(i->df);
	ck_assert_uint_eq(i->dscp, 46);
	ck_assert_uint_eq(i->ttl, 9);
	ck_assert_str_eq(i->device, "eth0.7");
	ck_assert(t->tls);
	ck_assert_str_eq(t->server_name, "s.example");
	ck_assert_str_eq(s->alias, "to *");
	ck_assert_uint_eq(s->n_oid, 3);
	ck_assert_str_eq(s->oid[1], "1.3.7");
	ck_assert_str_eq(s->oid_name[0], "");
	ck_assert_str_eq(s->oid_name[1], "电压");
	ck_assert_str_eq(s->oid_unit[1], "V");
	ck_assert_uint_eq(s->oid_type[1], OID_GAUGE);
	ck_assert_uint_eq(s->oid_type[2], OID_AUTO);
	ck_assert_double_eq(s->oid_scale[1], 0.1);
	ck_assert_double_eq(s->oid_scale[2], 1);
	ck_assert_uint_eq(part->link[2]->n_oid_name, 0);	/* names are not an agent's business */
	ck_assert_uint_eq(part->link[2]->n_oid_type, 3);
	links_free(part);
	links_free(p);
}
END_TEST

START_TEST(test_bad_options)
{
	wrong_link("probe: snmp, target: h.example, credential: k, host: yes, ttl: 3, df: yes",
	    "l.yaml:7:87: 'ttl' means nothing to link 'x' of probe snmp\n"
	    "l.yaml:7:94: 'df' means nothing to link 'x' of probe snmp\n");
	wrong_link("probe: icmp, target: h.example, ttl: 256",
	    "l.yaml:7:61: 'ttl' is 256, expected 1..255\n");
	wrong_link("probe: icmp, target: h.example, tls: yes, device: a/b",
	    "l.yaml:7:61: 'tls' means nothing to link 'x' of probe icmp\n"
	    "l.yaml:7:74: 'device' is a/b, expected the name of a network interface\n");
	wrong_link("probe: icmp, target: h.example, family: 6, device: eth0",
	    "l.yaml:7:75: 'device' is not possible for icmp over IPv6; name a 'source'\n");
	wrong_link("probe: tcp, target: h.example, port: 1, server_name: h",
	    "l.yaml:7:77: 'server_name' is for tls: yes\n");
	wrong_link("probe: tcp, target: h.example, port: 1, tls: yes, server_name: 1.2.3.4",
	    "l.yaml:7:87: 'server_name' is 1.2.3.4, expected a host name\n");
	wrong_link("probe: snmp, target: h.example, credential: k, alias: a, interface: b",
	    "l.yaml:7:78: 'alias' and 'interface' stand in one link; one of them names the "
	    "interface\n");
	wrong_link("probe: snmp, target: h.example, credential: k, objects: [{oid: ifName, scale: 0}]",
	    "l.yaml:7:87: 'oid' is ifName, expected numbers such as 1.3.6.1.2.1.25.1.6.0\n"
	    "l.yaml:7:102: 'scale' is 0, which leaves nothing of the value\n");
	wrong_link("probe: snmp, target: h.example, credential: k, alias: a, host: yes, "
		   "objects: [{oid: 1.3.6}, {oid: 1.3.7}, {oid: 1.3.8}, {oid: 1.3.9}, {oid: 1.3.10}]",
	    "l.yaml:7:101: 'objects' names 5 objects, room is for 4 beside what else the link "
	    "reads\n");
}
END_TEST

START_TEST(test_numbers_of_the_model)
{
	static const char *const probes[] = { "icmp, target: h.example",
	    "tcp, target: h.example, port: 1",
		"snmp, target: h.example, credential: k, host: yes" };
	static const char *const segments[] = { "none", "user", "access", "extranet", "edge", "vpc",
		"host", "app" };
	char text[512];

	for (uint32_t i = 0; i < 3; i++) {
		Linkwatch__Pb__Plan *p;

		snprintf(text, sizeof(text), HEAD "links:\n  - {id: x, agent: a1, probe: %s, "
		    "class: %c}\n",
		    probes[i], "ABC"[i]);
		p = right(text);
		ck_assert_str_eq(probe_kind_name(p->link[0]->probe),
		    ((const char *[]){ "icmp", "tcp", "snmp" })[i]);
		ck_assert_int_eq(link_class_name(p->link[0]->class_)[0], "ABC"[i]);
		links_free(p);
	}
	for (uint32_t i = 0; i < 8; i++) {
		Linkwatch__Pb__Plan *p;

		snprintf(text, sizeof(text), HEAD "links:\n  - {id: x, agent: a1, probe: icmp, "
		    "target: h.example, segment: %s}\n", segments[i]);
		p = right(text);
		ck_assert_str_eq(segment_name(p->link[0]->segment), segments[i]);
		links_free(p);
	}
}
END_TEST

START_TEST(test_references)
{
	wrong("vendors: [{id: cloud-a, code: A}]\nagents: [{id: pudong-1, vendor: cloud-b}]\n",
	    "l.yaml:2:33: agent 'pudong-1' names vendor 'cloud-b', which is not defined "
	    "(did you mean 'cloud-a'?)\n");
	wrong_link("probe: icmp, target: h.example, vendor: w, chain: nowhere, segment: app",
	    "l.yaml:7:64: link 'x' names vendor 'w', which is not defined\n"
	    "l.yaml:7:74: link 'x' names chain 'nowhere', which is not defined\n");
	wrong(HEAD "links:\n  - {id: x, agent: pudong-1, probe: icmp, target: h.example}\n",
	    "l.yaml:7:20: link 'x' names agent 'pudong-1', which is not defined\n");
	wrong(HEAD "links:\n  - {id: x, agent: a3, probe: icmp, target: h.example}\n",
	    "l.yaml:7:20: link 'x' names agent 'a3', which is not defined (did you mean 'a1'?)\n");
	wrong_link("probe: icmp, target: h.example, chain: c1",
	    "l.yaml:7:63: 'segment' is missing in link 'x' of chain 'c1'\n");
}
END_TEST

#define TWO "links:\n  - {id: x, agent: a1, probe: icmp, target: h.example}\n" \
	"  - {id: y, agent: a2, probe: icmp, target: h.example, reverse: a1/x}\n"

START_TEST(test_pairs)
{
	Linkwatch__Pb__Plan *p = right(HEAD TWO "  - {id: z, agent: a1, probe: icmp, target: h}\n"), *part;

	/* one of the two names the other, or both do */
	ck_assert_str_eq(p->link[0]->reverse, "a2/y");
	ck_assert_str_eq(p->link[1]->reverse, "a1/x");
	ck_assert_str_eq(p->link[2]->reverse, "");
	part = links_for_agent(p, "a1");
	ck_assert_str_eq(part->link[0]->reverse, "");
	links_free(part);
	links_free(p);
	links_free(right(HEAD "links:\n"
	    "  - {id: x, agent: a1, probe: tcp, target: h, port: 1, reverse: a2/x}\n"
	    "  - {id: x, agent: a2, probe: tcp, target: h, port: 2, reverse: a1/x}\n"));
}
END_TEST

START_TEST(test_bad_pairs)
{
	wrong_link("probe: icmp, target: h.example, reverse: a2/x",
	    "l.yaml:7:65: link 'x' names reverse 'a2/x', which is not defined; name it as AGENT/LINK\n");
	wrong_link("probe: icmp, target: h.example, reverse: x",
	    "l.yaml:7:65: link 'x' names reverse 'x', which is not defined; name it as AGENT/LINK\n");
	wrong_link("probe: icmp, target: h.example, reverse: \"../a1/x\"",
	    "l.yaml:7:65: link 'x' names reverse '../a1/x', which is not defined; name it as "
	    "AGENT/LINK\n");
	wrong_link("probe: icmp, target: h.example, reverse: a1/x",
	    "l.yaml:7:65: link 'x' names reverse 'a1/x', which is of the same agent: the way back is "
	    "measured from the other end\n");
	wrong_link("probe: snmp, target: h.example, credential: k, host: true, reverse: a1/x",
	    "l.yaml:7:92: 'reverse' means nothing to link 'x' of probe snmp\n"
	    "l.yaml:7:92: link 'x' names reverse 'a1/x', which is of the same agent: the way back is "
	    "measured from the other end\n");
	wrong(HEAD TWO "  - {id: z, agent: a2, probe: tcp, target: h, port: 1, reverse: a1/x}\n",
	    "l.yaml:9:65: link 'z' names reverse 'a1/x', which is of another kind of probe: both ways "
	    "are measured alike\n");
	wrong(HEAD TWO "  - {id: z, agent: a2, probe: icmp, target: h, reverse: a1/x}\n",
	    "l.yaml:9:57: link 'z' names reverse 'a1/x', which has another link for its way back\n");
	/* x: a2/y, y: a1/z: the file cannot mean both */
	wrong(HEAD "links:\n  - {id: x, agent: a1, probe: icmp, target: h, reverse: a2/y}\n"
	    "  - {id: y, agent: a2, probe: icmp, target: h, reverse: a1/z}\n"
	    "  - {id: z, agent: a1, probe: icmp, target: h}\n",
	    "l.yaml:8:57: link 'y' names reverse 'a1/z', which is not the only one: another link "
	    "names this one\n");
}
END_TEST

START_TEST(test_twice)
{
	wrong(HEAD "links:\n  - {id: x, agent: a1, probe: icmp, target: h.example}\n"
	    "  - {id: x, agent: a2, probe: icmp, target: h.example}\n"
	    "  - {id: x, agent: a1, probe: icmp, target: i.example}\n",
	    "l.yaml:9:10: link 'x' of agent 'a1' stands twice (first in line 7)\n");
	wrong("vendors: [{id: v, code: V}, {id: v, code: W}]\nagents: [{id: a, vendor: v}]\n",
	    "l.yaml:1:34: vendor 'v' stands twice (first in line 1)\n");
	wrong("vendors: [{id: v, code: V}]\nagents: [{id: a, vendor: v}, {id: a, vendor: v}]\n",
	    "l.yaml:2:35: agent 'a' stands twice (first in line 2)\n");
	wrong("vendors: [{id: v, code: V}]\nagents: [{id: a, vendor: v}]\nchains: [{id: c}, {id: c}]\n",
	    "l.yaml:3:24: chain 'c' stands twice (first in line 3)\n");
}
END_TEST

START_TEST(test_zones)
{
	Linkwatch__Pb__Plan *p = right("vendors: [{id: v, code: V}]\nzones: [{id: z, name_en: Pudong}, {id: y}]\n"
	    "agents: [{id: a, vendor: v, zone: z}]\nlinks: [{id: x, agent: a, probe: icmp, target: h.example, zone: y}]\n");

	ck_assert_str_eq(p->zone[0]->name_en, "Pudong");
	ck_assert_str_eq(p->zone[1]->name_zh, "y");
	links_free(p);		/* where zones are listed a slip is found; HEAD has one without a list */
	wrong("vendors: [{id: v, code: V}]\nzones: [{id: pudong}]\nagents: [{id: a, vendor: v, zone: pudon}]\n"
	    "links: [{id: x, agent: a, probe: icmp, target: h.example, zone: q}]\n",
	    "l.yaml:3:35: agent 'a' names zone 'pudon', which is not defined (did you mean 'pudong'?)\n"
	    "l.yaml:4:65: link 'x' names zone 'q', which is not defined\n");
}
END_TEST

START_TEST(test_kinds)
{
	wrong_link("probe: tcp, target: h.example",
	    "l.yaml:7:5: 'port' is missing in link 'x' of probe tcp\n");
	wrong_link("probe: icmp, target: h.example, port: 80",
	    "l.yaml:7:62: 'port' means nothing to link 'x' of probe icmp\n");
	wrong_link("probe: tcp, target: h.example, port: 80, size: 56, credential: k",
	    "l.yaml:7:71: 'size' means nothing to link 'x' of probe tcp\n"
	    "l.yaml:7:87: 'credential' means nothing to link 'x' of probe tcp\n");
	wrong_link("probe: icmp, target: h.example, interface: lo, host: on, oids: [1.3.6]",
	    "l.yaml:7:67: 'interface' means nothing to link 'x' of probe icmp\n"
	    "l.yaml:7:77: 'host' means nothing to link 'x' of probe icmp\n"
	    "l.yaml:7:87: 'oids' means nothing to link 'x' of probe icmp\n");
	wrong_link("probe: snmp, target: h.example, count: 3, limits: {loss: 1%}",
	    "l.yaml:7:63: 'count' means nothing to link 'x' of probe snmp\n"
	    "l.yaml:7:5: 'credential' is missing in link 'x' of probe snmp\n"
	    "l.yaml:7:74: 'limits' means nothing to link 'x' of probe snmp\n"
	    "l.yaml:7:5: link 'x' of probe snmp reads nothing; name an interface, host, oids or objects\n");
	wrong_link("probe: snmp, target: h.example, credential: k, oids: [1.3.6.1, ifName, "
	    "3.1.2, 1.3, 1.3.4294967296]",
	    "l.yaml:7:87: an element of 'oids' is ifName, expected numbers such as "
	    "1.3.6.1.2.1.25.1.6.0\n"
	    "l.yaml:7:95: an element of 'oids' is 3.1.2, expected numbers such as "
	    "1.3.6.1.2.1.25.1.6.0\n"
	    "l.yaml:7:102: an element of 'oids' is 1.3, expected numbers such as "
	    "1.3.6.1.2.1.25.1.6.0\n"
	    "l.yaml:7:107: an element of 'oids' is 1.3.4294967296, expected numbers such as "
	    "1.3.6.1.2.1.25.1.6.0\n");
	wrong_link("probe: snmp, target: h.example, credential: k, interface: lo, host: yes, "
		   "oids: [1.3.6, 1.3.7, 1.3.8, 1.3.9, 1.3.10]",
	    "l.yaml:7:103: 'oids' names 5 objects, room is for 4 beside what else the link "
	    "reads\n");
	wrong_link("probe: snmp, target: h.example, credential: k, interface: \"a\\nb\", oids: "
	    "[1.3.6x]",
	    "l.yaml:7:97: an element of 'oids' is 1.3.6x, expected numbers such as "
	    "1.3.6.1.2.1.25.1.6.0\n"
	    "l.yaml:7:82: 'interface' holds a character that cannot be printed\n");
	wrong_link("probe: snmp, target: h.example, credential: k, host: no, oids: []",
	    "l.yaml:7:5: link 'x' of probe snmp reads nothing; name an interface, host, oids or objects\n");
	right_link("probe: icmp, target: h.example, host: no, oids: [], limits: {loss: 0}");
	right_link("probe: snmp, target: h.example, credential: k, interface: lo, host: yes, "
		   "oids: [1.3.6, 1.3.7, 1.3.8, 1.3.9]");
}
END_TEST

START_TEST(test_timing)
{
	wrong_link("probe: icmp, target: h.example, step: 2s, timeout: 3s",
	    "l.yaml:7:75: 'timeout' is longer than the step of 2000ms\n");
	wrong_link("probe: icmp, target: h.example, timeout: 11s",
	    "l.yaml:7:65: 'timeout' is longer than the step of 10000ms\n");
	right_link("probe: icmp, target: h.example, step: 2s, timeout: 2s");
	wrong_link("probe: icmp, target: h.example, step: 999ms",
	    "l.yaml:7:62: 'step' is 999ms, expected 1s..300s\n");
	wrong_link("probe: icmp, target: h.example, step: 301s",
	    "l.yaml:7:62: 'step' is 301s, expected 1s..300s\n");
	wrong_link("probe: icmp, target: h.example, step: 1.0005s, timeout: 100500us",
	    "l.yaml:7:62: 'step' is finer than a millisecond\n"
	    "l.yaml:7:80: 'timeout' is finer than a millisecond\n");
	wrong_link("probe: icmp, target: h.example, count: 1001",
	    "l.yaml:7:63: 'count' is 1001, expected 1..1000\n");
	wrong_link("probe: tcp, target: h.example, port: 1, step: 1s, count: 101",
	    "l.yaml:7:81: 'count' is 101, at most 100 connections fit into a step of 1000ms\n");
	wrong_link("probe: tcp, target: h.example, port: 65536",
	    "l.yaml:7:61: 'port' is 65536, expected 1..65535\n");
	wrong_link("probe: icmp, target: h.example, size: 23",
	    "l.yaml:7:62: 'size' is 23, expected 24..8952\n");
	wrong_link("probe: icmp, target: h.example, timeout: 9ms",
	    "l.yaml:7:65: 'timeout' is 9ms, expected 10ms..5m\n");
	wrong_link("probe: icmp, target: h.example, limits: {loss: 200%, rtt: 2m}",
	    "l.yaml:7:71: 'loss' is 200%, expected 0%..100%\n"
	    "l.yaml:7:82: 'rtt' is 2m, expected 10us..1m\n");
}
END_TEST

START_TEST(test_targets)
{
	static const char *const good[] = { "192.0.2.1", "\"2001:db8::1\"", "\"fe80::1%eth0\"", "h",
		"a.b-c.example", "3com.example", "xn--fiqs8s.example", "127.0.0.1" };
	static const struct { const char *text, *shown, *why; } bad[] = {
		{ "\"https://h.example/x\"", "https://h.example/x", "a URL; write the host alone" },
		{ "\"[2001:db8::1]\"", "[2001:db8::1]",
		    "in brackets; write the address alone and the port as 'port'" },
		{ "\"h.example:80\"", "h.example:80", "with a port; write it as 'port'" },
		{ "\"192.0.2.1:80\"", "192.0.2.1:80", "with a port; write it as 'port'" },
		{ "10.0.0.0/8", "10.0.0.0/8", "a network or path, expected one host" },
		{ "10.1.1.300", "10.1.1.300", "not an IPv4 address" },
		{ "10.1.1", "10.1.1", "not an IPv4 address" },
		{ "\"2001:db8:::1\"", "2001:db8:::1", "not an IPv6 address" },
		{ "上海.example", "上海.example", "not ASCII; write the name in its xn-- form" },
		{ "-h.example", "-h.example", "not a host name or address" },
		{ "h..example", "h..example", "not a host name or address" },
		{ "\"h example\"", "h example", "not a host name or address" },
		{ "\"$(reboot)\"", "$(reboot)", "not a host name or address" },
		{ "h.example.", "h.example.", "not a host name or address" },
		{ "\"\"", "", "not a host name or address" },
		{ "\"fe80::1%\"", "fe80::1%", "not an IPv6 address" },
		{ "h.123", "h.123", "not a host name or address" },
	};
	char text[512], want[1024];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "probe: icmp, target: %s", good[i]);
		right_link(text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "probe: icmp, target: %s", bad[i].text);
		snprintf(want, sizeof(want), "l.yaml:7:45: 'target' is %s, %s\n", bad[i].shown,
		    bad[i].why);
		wrong_link(text, want);
	}
	wrong_link("probe: icmp, target: 192.0.2.1, family: 6",
	    "l.yaml:7:64: 'family' is 6, but the target is an IPv4 address\n");
	wrong_link("probe: icmp, target: \"::1\", source: 192.0.2.1",
	    "l.yaml:7:60: 'source' is an IPv4 address, but the target is an IPv6 address\n");
	wrong_link("probe: icmp, target: h.example, family: 6, source: 192.0.2.1",
	    "l.yaml:7:75: 'source' is an IPv4 address, but 'family' is 6\n");
	snprintf(text, sizeof(text), "probe: icmp, target: h%050d.h%050d.h%050d.h%050d.h%050d", 0,
	    0, 0,
	    0, 0);
	snprintf(want, sizeof(want), "l.yaml:7:45: 'target' is %s, not a host name or address\n",
	    text + 21);
	wrong_link(text, want);
	wrong_link("probe: icmp, target: h.example, source: eth0",
	    "l.yaml:7:64: 'source' is eth0, expected an IP address\n");
}
END_TEST

START_TEST(test_texts)
{
	wrong_link("probe: icmp, target: h.example, name: \"a\\nb\", name_en: \"\\u202ex\", "
	    "short: 【云】, short_en: \"\\x01\"",
	    "l.yaml:7:62: 'name' holds a character that cannot be printed\n"
	    "l.yaml:7:79: 'name_en' holds a character that cannot be printed\n"
	    "l.yaml:7:97: 'short' holds 【 or 】, which SMS gateways keep for the signature\n"
	    "l.yaml:7:112: 'short_en' holds a character that cannot be printed\n");
	wrong_link("probe: icmp, target: h.example, short: 一二三四五六七八九十一二三四五六七",
	    "l.yaml:7:63: 'short' is 一二三四五六七八九十一二三四五六七, expected a string of 1 to 16 characters\n");
	wrong("vendors: [{id: v, code: \"\\n\"}]\nagents: [{id: a, vendor: v, name: \"\\n\"}]\n"
	    "chains: [{id: c, name_en: \"\\n\"}]\nzones: [{id: z, name_en: \"\\n\"}]\n",
	    "l.yaml:1:25: 'code' holds a character that cannot be printed\n"
	    "l.yaml:2:35: 'name' holds a character that cannot be printed\n"
	    "l.yaml:3:27: 'name_en' holds a character that cannot be printed\n"
	    "l.yaml:4:26: 'name_en' holds a character that cannot be printed\n");
}
END_TEST

START_TEST(test_required)
{
	wrong("", "l.yaml:1:1: 'vendors' is missing in links.yaml\nl.yaml:1:1: 'agents' is missing in links.yaml\n");
	wrong("vendors: []\nagents:\n", "l.yaml:1:10: 'vendors' is missing in links.yaml\n"
	    "l.yaml:2:8: 'agents' is missing in links.yaml\n");
	wrong(HEAD "links:\n  - {name: x}\n", "l.yaml:7:5: 'id' is missing in link\n"
	    "l.yaml:7:5: 'agent' is missing in link\nl.yaml:7:5: 'probe' is missing in link\n"
	    "l.yaml:7:5: 'target' is missing in link\n");
	links_free(right(HEAD));	/* no links yet */
}
END_TEST

/* Whatever is wrong, it is told in one run. */
START_TEST(test_many_at_once)
{
	wrong("vendors:\n  - {id: v, code: V}\n  - {id: V2, code: W}\nagents:\n  - {id: a, "
	    "vendor: w}\nlinks:\n"
	    "  - {id: x, agent: a, probe: icmp, target: 10.0.0.1, intervall: 5s}\n"
	    "  - {id: sh-gw, agent: a, probe: ipcm, target: 10.0.0.1, stpe: 5s}\n"
	    "  - {id: y, agent: b-17, probe: tcp, target: 10.0.0.300, step: 10m}\n"
	    "  - {id: x, agent: a, probe: icmp, target: h}\n",
	    "l.yaml:3:10: 'id' is V2, expected an id (a-z, 0-9 and '-', at most 63, not '-' "
	    "first)\nl.yaml:7:54: unknown key 'intervall' in link 'x'\n"
	    "l.yaml:8:34: 'probe' is ipcm, expected icmp, tcp or snmp (did you mean 'icmp'?)\n"
	    "l.yaml:8:58: unknown key 'stpe' in link 'sh-gw' (did you mean 'step'?)\n"
	    "l.yaml:9:64: 'step' is 10m, expected 1s..300s\n"
	    "l.yaml:9:46: 'target' is 10.0.0.300, not an IPv4 address\n"
	    "l.yaml:9:5: 'port' is missing in link 'y' of probe tcp\n"
	    "l.yaml:5:21: agent 'a' names vendor 'w', which is not defined\n"
	    "l.yaml:9:20: link 'y' names agent 'b-17', which is not defined\n"
	    "l.yaml:10:10: link 'x' of agent 'a' stands twice (first in line 7)\n");
}
END_TEST

/* ------------------------------------------------------------------ the plan */

START_TEST(test_revision)
{
	static const char link[] = HEAD "links: [{id: x, agent: a1, probe: icmp, target: h, "
	    "name: 甲}]\n";
	static const char renamed[] = HEAD "links: [{id: x, agent: a1, probe: icmp, target: h, "
	    "name: 乙}]\n";
	static const char moved[] = HEAD "links: [{id: x, agent: a1, probe: icmp, target: i, "
	    "name: 甲}]\n";
	static const char other[] = HEAD "links: [{id: x, agent: a1, probe: icmp, target: h, "
	    "name: 甲}, {id: x, agent: a2, probe: icmp, target: h}]\n";
	Linkwatch__Pb__Plan *p[5] = { right(link), right(link), right(renamed), right(moved),
		right(other) };
	Linkwatch__Pb__Plan *q[5];

	for (int i = 0; i < 5; i++)
		q[i] = links_for_agent(p[i], "a1");
	ck_assert_uint_eq(p[0]->revision, p[1]->revision);
	ck_assert_uint_ne(p[0]->revision, p[2]->revision);
	ck_assert_uint_ne(p[0]->revision, p[3]->revision);
	ck_assert_uint_ne(p[0]->revision, p[4]->revision);
	/* the agent's own changes only with what is its business */
	ck_assert_uint_eq(q[0]->revision, q[1]->revision);
	ck_assert_uint_eq(q[0]->revision, q[2]->revision);
	ck_assert_uint_ne(q[0]->revision, q[3]->revision);
	ck_assert_uint_eq(q[0]->revision, q[4]->revision);
	for (int i = 0; i < 5; i++) {
		links_free(p[i]);
		links_free(q[i]);
	}
}
END_TEST

START_TEST(test_part_of_an_agent)
{
	Linkwatch__Pb__Plan *p = right(HEAD "links:\n"
	    "  - {id: x, agent: a1, probe: icmp, target: h, name: 甲, class: A, chain: c1, "
	    "segment: app, "
	    "limits: {loss: 1%, rtt: 1ms}, down_after: 2, source: 192.0.2.9}\n"
	    "  - {id: y, agent: a1, probe: snmp, target: h, credential: k, oids: [1.3.6]}\n");
	Linkwatch__Pb__Plan *q = links_for_agent(p, "a1"), *none;

	ck_assert_uint_eq(q->n_link, 2);
	ck_assert_uint_eq(q->n_vendor + q->n_agent + q->n_chain + q->n_zone, 0);
	ck_assert_str_eq(q->link[0]->id, "x");
	ck_assert_str_eq(q->link[0]->target, "h");
	ck_assert_str_eq(q->link[0]->source, "192.0.2.9");
	ck_assert_uint_eq(q->link[0]->step_ms, 10000);
	ck_assert_str_eq(q->link[1]->oid[0], "1.3.6");
	ck_assert_str_eq(q->link[0]->name_zh, "");
	ck_assert_str_eq(q->link[0]->chain, "");
	ck_assert_str_eq(q->link[0]->vendor, "");
	ck_assert_str_eq(q->link[0]->short_en, "");
	ck_assert_uint_eq(q->link[0]->class_, 0);
	ck_assert_uint_eq(q->link[0]->segment, 0);
	ck_assert_uint_eq(q->link[0]->down_after, 0);
	ck_assert(q->link[0]->limit_loss == 0 && q->link[0]->limit_rtt_ns == 0);
	none = links_for_agent(p, "a2");	/* known, without links */
	ck_assert_ptr_nonnull(none);
	ck_assert_uint_eq(none->n_link, 0);
	ck_assert_uint_ne(none->revision, 0);
	ck_assert_ptr_null(links_for_agent(p, "stranger"));
	ck_assert_ptr_null(links_for_agent(p, ""));
	/* the whole is untouched, and outlived by its parts */
	ck_assert_str_eq(p->link[0]->name_zh, "甲");
	links_free(p);
	ck_assert_str_eq(q->link[1]->credential, "k");
	links_free(none);
	links_free(q);
}
END_TEST

static char *
many_links(int n, int agents)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	fputs("vendors: [{id: v, code: V}]\nagents:\n", f);
	for (int i = 0; i < agents; i++)
		fprintf(f, "  - {id: a%d, vendor: v}\n", i);
	fputs("links:\n", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "  - {id: link-number-%d, agent: a%d, probe: tcp, port: 443, target: "
		    "host-%d.some.where.example, name: 第%d条链路}\n", i, i % agents, i, i);
	fclose(f);
	return text;
}

START_TEST(test_large)
{
	char *text = many_links(2500, 10);
	Linkwatch__Pb__Plan *p = right(text), *q = links_for_agent(p, "a3");

	ck_assert_uint_eq(p->n_link, 2500);
	ck_assert_uint_eq(q->n_link, 250);
	links_free(q);
	links_free(p);
	free(text);
	text = many_links(2500, 1);
	p = right(text);
	links_free(p);
	free(text);
	if (ROUNDS_SHARE > 1)
		return;			/* the largest are the same, for a minute */
	text = many_links(20000, 100);
	p = right(text);
	ck_assert_uint_eq(p->n_link, 20000);
	links_free(p);
	free(text);
	text = many_links(20001, 10);
	wrong(text, "l.yaml:14:3: 'links' has 20001 elements, at most 20000 are possible\n");
	free(text);
	text = many_links(1, 20001);
	wrong(text, "l.yaml:3:3: 'agents' has 20001 elements, at most 20000 are possible\n");
	free(text);
}
END_TEST

/* n links with long targets, one in a hundred of agent a1, the others of a2. */
static void
wrong_long(int n, const char *lines)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan;
	char *text = NULL, label[61];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	memset(label, 'x', 60);
	label[60] = '\0';
	fputs(HEAD "links:\n", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "  - {id: l%d, agent: a%d, probe: icmp, target: %s.%s.%s.example}\n", i,
		    i % 100 == 0 ? 1 : 2, label, label, label);
	fclose(f);
	ck_assert_int_eq(links_parse(text, len, "l.yaml", &plan, &errs), -EINVAL);
	assert_lines(&errs, lines);
	ck_assert_ptr_null(plan);
	conf_errors_free(&errs);
	free(text);
}

/* The whole can be kept, but the part of one agent is too long for a frame; or not even the whole. */
START_TEST(test_large_part)
{
	wrong_long(1700, "l.yaml:4:5: agent 'a2' has 1683 links in 367489 bytes, at most 262136 "
	    "can be sent to it\n");
	if (ROUNDS_SHARE == 1)
		wrong_long(20000, "l.yaml:1:1: 20000 links make a plan of 5283731 bytes, at most 4194304 can be kept\n");
}
END_TEST

/* ------------------------------------------------------- sample and manual */

START_TEST(test_sample)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *p;
	uint32_t kinds = 0;

	ck_assert_int_eq(links_load(SAMPLE, &p, &errs), 0);
	assert_lines(&errs, "");
	ck_assert_uint_eq(p->n_vendor, 2);
	ck_assert_uint_eq(p->n_agent, 3);
	ck_assert(p->n_chain == 1 && p->n_zone == 3);
	for (size_t i = 0; i < p->n_link; i++)
		kinds |= 1U << p->link[i]->probe;
	ck_assert_uint_eq(kinds, 1U << PROBE_ICMP | 1U << PROBE_TCP | 1U << PROBE_SNMP);
	links_free(p);
}
END_TEST

static char *
whole_file(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_msg(f != NULL, "%s: run from the top of the tree", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int
count_keys(const struct conf_schema *schema, const char *text, const char *fmt)
{
	int n = 0;

	for (const struct conf_key *k = schema->keys; k->name != NULL; k++, n++) {
		char want[64];

		snprintf(want, sizeof(want), "%s%s", fmt, k->name);
		ck_assert_msg(strstr(text, want) != NULL, "%s has no '%s'", schema->noun, want);
		ck_assert_ptr_nonnull(k->help);
		ck_assert_int_eq(k->help[strlen(k->help) - 1], '.');
		if (k->sub != NULL)
			n += count_keys(k->sub, text, fmt);
	}
	return n;
}

START_TEST(test_manual_and_sample_name_every_key)
{
	int n = count_keys(&links_schema, whole_file(MANUAL), "\n.It Cm ");
	const char *text;
	int named = 0;

	/* and the manual names no key that is none: as many items as rows */
	for (text = whole_file(MANUAL); (text = strstr(text, "\n.It Cm ")) != NULL; text++)
		named++;
	ck_assert_int_eq(named, n);
	ck_assert_int_gt(n, 40);
	(void)count_keys(&links_schema, whole_file(SAMPLE), "");
}
END_TEST

START_TEST(test_mandoc)
{
	if (system("command -v mandoc >/dev/null") != 0)
		return;
	/* only the manuals that are not installed may be missed */
	ck_assert_int_eq(system("mandoc -Tlint " MANUAL " | grep -v 'referenced manual not found' "
	    ">&2"), 256);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("links");
	TCase *t = tcase_create("links");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_filled_in);
	tcase_add_test(t, test_written);
	tcase_add_test(t, test_options);
	tcase_add_test(t, test_bad_options);
	tcase_add_test(t, test_numbers_of_the_model);
	tcase_add_test(t, test_references);
	tcase_add_test(t, test_pairs);
	tcase_add_test(t, test_bad_pairs);
	tcase_add_test(t, test_twice);
	tcase_add_test(t, test_zones);
	tcase_add_test(t, test_kinds);
	tcase_add_test(t, test_timing);
	tcase_add_test(t, test_targets);
	tcase_add_test(t, test_texts);
	tcase_add_test(t, test_required);
	tcase_add_test(t, test_many_at_once);
	tcase_add_test(t, test_revision);
	tcase_add_test(t, test_part_of_an_agent);
	tcase_add_test(t, test_large);
	tcase_add_test(t, test_large_part);
	tcase_add_test(t, test_sample);
	tcase_add_test(t, test_manual_and_sample_name_every_key);
	tcase_add_test(t, test_mandoc);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
