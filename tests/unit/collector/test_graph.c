/*
 * test_graph.c - arguments of graphs, and that librrd takes every one of them.
 */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/graph.h"
#include "collector/rrdfile.h"
#include "common/mem.h"

#define NOW INT64_C(1767225600)
#define SNMP_ROLES (1u << ROLE_IN_BPS | 1u << ROLE_OUT_BPS | 1u << ROLE_IN_ERRORS | 1u << ROLE_OUT_ERRORS | \
	1u << ROLE_IN_DISCARDS | 1u << ROLE_OUT_DISCARDS | 1u << ROLE_OPER_STATUS)
#define TLS_ROLES (1u << ROLE_TLS_S | 1u << ROLE_CERT_DAYS)
#define HOST_ROLES (1u << ROLE_CPU_RATIO | 1u << ROLE_MEM_RATIO | 1u << ROLE_STORAGE_RATIO)

/* What the drawing libraries keep for ever is none of ours. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libfontconfig\nleak:libpango\nleak:libcairo\nleak:libglib\nleak:librrd\n";
}

/* They have no frame pointers, so the quick unwinder cannot name them. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

static char dir[] = "/tmp/lw-graph-XXXXXX";

static struct graph_request
good(enum graph_kind kind)
{
	return (struct graph_request){ .kind = kind, .rrd = "/x/a.rrd", .from = NOW - 3600, .to = NOW, .now = NOW,
		.width = 600, .height = 200, .step_s = 10, .scale = 1, .roles = SNMP_ROLES | HOST_ROLES };
}

static bool
has(const struct graph_args *a, const char *s)
{
	for (int i = 0; i < a->argc; i++)
		if (strstr(a->argv[i], s) != NULL)
			return true;
	return false;
}

START_TEST(kinds_have_names)
{
	for (int i = 0; i < GRAPH_KINDS; i++)
		ck_assert_int_eq(graph_kind_parse(graph_kind_name(i)), i);
	ck_assert_int_eq(graph_kind_parse("x"), -1);
	ck_assert_int_eq(graph_kind_parse(""), -1);
	ck_assert_str_eq(graph_kind_name(GRAPH_KINDS), "?");
}
END_TEST

START_TEST(kinds_belong_to_probes)
{
	const uint32_t rtt = 1u << GRAPH_RTT | 1u << GRAPH_LOSS | 1u << GRAPH_PDV;

	ck_assert_uint_eq(graph_kinds_of(PROBE_ICMP, 0), rtt);
	ck_assert_uint_eq(graph_kinds_of(PROBE_TCP, SNMP_ROLES), rtt);
	ck_assert_uint_eq(graph_kinds_of(PROBE_TCP, TLS_ROLES), rtt | 1u << GRAPH_TLS | 1u << GRAPH_CERT);
	ck_assert_uint_eq(graph_kinds_of(PROBE_ICMP, TLS_ROLES), rtt);
	ck_assert_uint_eq(graph_kinds_of(PROBE_SNMP, SNMP_ROLES), 1u << GRAPH_TRAFFIC | 1u << GRAPH_ERRORS |
	    1u << GRAPH_STATUS);
	ck_assert_uint_eq(graph_kinds_of(PROBE_SNMP, HOST_ROLES), 1u << GRAPH_HOST);
	ck_assert_uint_eq(graph_kinds_of(PROBE_SNMP, 1u << ROLE_OID0), 1u << GRAPH_OID);
	ck_assert_uint_eq(graph_kinds_of(PROBE_SNMP, 0), 0);
	ck_assert_uint_eq(graph_kinds_of(99, SNMP_ROLES), 0);
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
	struct graph_request q[] = { good(0), good(0), good(0), good(0), good(0), good(0), good(0), good(0), good(0),
		good(0), good(0), good(GRAPH_HOST), good(0), good(0), good(0), good(0) };
	struct graph_args a;

	q[0].from = -1;
	q[1].to = q[1].from;
	q[2].to = q[2].from + GRAPH_SPAN_MIN - 1;
	q[3].to = q[3].from + GRAPH_SPAN_MAX + 1;
	q[4].width = 49;
	q[5].width = GRAPH_WIDTH_MAX + 1;
	q[6].height = 19;
	q[7].height = GRAPH_HEIGHT_MAX + 1;
	q[8].scale = 0.5;
	q[9].scale = NAN;
	q[10].kind = GRAPH_KINDS;
	q[11].roles = SNMP_ROLES;
	q[12].step_s = 0;
	q[13].rrd = NULL;
	q[14].bands = GRAPH_BANDS_MAX + 1;
	q[15].lang = 7;
	for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
		ck_assert_msg(graph_build(&q[i], &a) == -EINVAL, "request %zu was taken", i);
		ck_assert_int_eq(a.argc, 0);
	}
}
END_TEST

START_TEST(path_is_escaped)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	q.rrd = "/x/a:b.rrd";
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "DEF:loss=/x/a\\:b.rrd:loss:AVERAGE"));
	graph_args_free(&a);
	ck_assert_int_eq(a.argc, 0);
}
END_TEST

START_TEST(text_is_escaped)
{
	char out[64];

	ck_assert_str_eq(graph_escape(out, sizeof out, "a:b"), "a\\:b");
	ck_assert_str_eq(graph_escape(out, sizeof out, "a\\nb"), "a/nb");
	ck_assert_str_eq(graph_escape(out, sizeof out, "50%n"), "50％n");
	ck_assert_str_eq(graph_escape(out, sizeof out, "a\nb\x1b\x7f"), "a b  ");
	ck_assert_str_eq(graph_escape(out, 5, "云云"), "云");
	ck_assert_str_eq(graph_escape(out, 3, "云"), "");
	ck_assert_str_eq(graph_escape(out, 2, ":"), "");
	ck_assert_str_eq(graph_escape(out, 1, "x"), "");
}
END_TEST

START_TEST(objects_have_their_names)
{
	struct graph_request q = good(GRAPH_OID);
	struct graph_args a;

	q.roles = 1u << ROLE_OID0 | 1u << (ROLE_OID0 + 1) | 1u << ROLE_MAX;
	q.object_name[0] = "机房温度";
	q.object_unit[0] = "°C";
	q.object_name[1] = "a:b\\l%n\n%s";
	q.object_unit[1] = ":%lf\\";
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "LINE1.5:oid0"));
	ck_assert(has(&a, ": 机房温度"));
	ck_assert(has(&a, "%8.2lf %s°C"));
	ck_assert(has(&a, ": a\\:b/l％n ％s"));	/* nothing of it means anything to librrd */
	ck_assert(has(&a, "%8.2lf %s\\:％lf/"));
	ck_assert(has(&a, ": oid15"));			/* one without a name has that of its DS */
	ck_assert(!has(&a, "oid2"));
	graph_args_free(&a);
	q.roles = HOST_ROLES;
	ck_assert_int_eq(graph_build(&q, &a), -EINVAL);
}
END_TEST

START_TEST(gap_is_not_loss_and_not_the_future)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	q.bands = 2;
	q.band[0] = (struct graph_band){ NOW - 900, NOW - 600 };
	q.band[1] = (struct graph_band){ NOW - 300, NOW };
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:gap=loss,UN,TIME,1767225570,LT,*,INF,UNKN,IF"));
	ck_assert(has(&a, "CDEF:lost=loss,0.999,GE,INF,UNKN,IF"));
	ck_assert(has(&a, "TIME,1767224700,GE,TIME,1767225000,LE"));
	ck_assert(has(&a, "全部丢失"));
	graph_args_free(&a);
	q.lang = GRAPH_EN;
	q.theme = GRAPH_DARK;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "all lost"));
	ck_assert(!has(&a, "丢"));
	ck_assert(has(&a, "BACK#161c24"));
	graph_args_free(&a);
}
END_TEST

START_TEST(fetch_is_checked)
{
	struct graph_args a;

	ck_assert_int_eq(graph_fetch_build("/x.rrd", "AVERAGE", 1, 100, 10, &a), 0);
	ck_assert_int_eq(a.argc, 6);
	graph_args_free(&a);
	ck_assert_int_eq(graph_fetch_build("/x.rrd", "--x", 1, 100, 10, &a), -EINVAL);
	ck_assert_int_eq(graph_fetch_build("/x.rrd", "MAX", 100, 1, 10, &a), -EINVAL);
	ck_assert_int_eq(graph_fetch_build("/x.rrd", "MAX", 1, 100, 0, &a), -EINVAL);
	ck_assert_int_eq(graph_fetch_build(NULL, "MAX", 1, 100, 1, &a), -EINVAL);
}
END_TEST

/* ------------------------------------------------------- librrd takes them */

static void
make_file(const char *path, uint32_t probe, bool host)
{
	Linkwatch__Pb__Link link = LINKWATCH__PB__LINK__INIT;
	static struct rrd_row rows[600];
	char *oids[GRAPH_OBJECTS];
	struct series_def def;
	char why[160];

	link.id = (char *)"x";
	link.agent = (char *)"a";
	link.probe = probe;
	link.class_ = CLASS_A;
	link.step_ms = 10000;
	link.count = 10;
	link.host = host;
	link.tls = true;
	link.interface = (char *)(probe == PROBE_SNMP && !host ? "eth0" : "");
	for (size_t i = 0; i < GRAPH_OBJECTS; i++)
		oids[i] = (char *)"1.3.6.1.4.1.1";
	link.oid = oids;
	link.n_oid = host ? GRAPH_OBJECTS : 0;
	ck_assert_int_eq(series_define(&def, &link, &series_policy_default), 0);
	ck_assert_int_eq(rrdfile_create(path, &def, NOW - 6010, why, sizeof why), 0);
	for (int i = 0; i < 600; i++) {
		rows[i].t = NOW - 6000 + 10 * i;
		for (size_t d = 0; d < def.ds_n; d++)
			rows[i].v[d] = i % 50 == 7 ? NAN : i % 50 == 9 ? 1.0 : d == 0 ? 0.0 : 0.01 * (double)(d + 1);
	}
	ck_assert_int_eq(rrdfile_update(path, &def, rows, 600, why, sizeof why), 0);
}

/* Size of the picture that librrd draws, or 0 with its words on the console. */
static size_t
draw(const struct graph_request *q)
{
	struct graph_args a, moved;
	rrd_info_t *info, *i;
	size_t size = 0;

	ck_assert_int_eq(graph_build(q, &a), 0);
	ck_assert_int_lt(a.argc, GRAPH_ARGS_MAX);
	moved = a;			/* librrd moves the pointers about */
	rrd_clear_error();
	info = rrd_graph_v(moved.argc, moved.argv);
	if (info == NULL)
		fprintf(stderr, "%s: %s\n", graph_kind_name(q->kind), rrd_get_error());
	for (i = info; i != NULL; i = i->next)
		if (strcmp(i->key, "image") == 0 && memcmp(i->value.u_blo.ptr, "\x89PNG", 4) == 0)
			size = i->value.u_blo.size;
	if (info != NULL)
		rrd_info_free(info);
	graph_args_free(&a);
	return size;
}

START_TEST(every_graph_is_drawn)
{
	static const int64_t spans[] = { 60, 3600, 86400, 7 * 86400, 31 * 86400, 366 * 86400, GRAPH_SPAN_MAX };
	static const struct { enum graph_kind kind; const char *file; } rows[] = {
		{ GRAPH_RTT, "icmp" }, { GRAPH_LOSS, "icmp" }, { GRAPH_PDV, "icmp" }, { GRAPH_TRAFFIC, "port" },
		{ GRAPH_ERRORS, "port" }, { GRAPH_STATUS, "port" }, { GRAPH_HOST, "host" }, { GRAPH_OID, "host" },
		{ GRAPH_TLS, "tcp" }, { GRAPH_CERT, "tcp" }, { GRAPH_RTT, "tcp" },
	};
	char path[64];

	snprintf(path, sizeof path, "%s/%s.rrd", dir, rows[_i].file);
	for (size_t s = 0; s < sizeof spans / sizeof *spans; s++) {
		for (int variant = 0; variant < 4; variant++) {
			struct graph_request q = good(rows[_i].kind);

			q.rrd = path;
			q.from = NOW - spans[s];
			q.lang = variant & 1;
			q.theme = variant >> 1;
			q.scale = 1 + 0.5 * variant;
			for (size_t o = 0; o < GRAPH_OBJECTS; o++) {
				q.object_name[o] = "温度:50%\\n %s";
				q.object_unit[o] = variant % 2 ? "%" : ":°C";
			}
			q.roles = rows[_i].kind == GRAPH_OID ? ~0u << ROLE_OID0 : rows[_i].kind == GRAPH_HOST
			    ? HOST_ROLES : strcmp(rows[_i].file, "tcp") == 0 ? TLS_ROLES : SNMP_ROLES;
			q.bands = variant == 0 ? 0 : GRAPH_BANDS_MAX;
			for (size_t b = 0; b < q.bands; b++)
				q.band[b] = (struct graph_band){ NOW - 600 + (int64_t)b, NOW - 300 };
			ck_assert_msg(draw(&q) > 1000, "%s over %lld s, variant %d", graph_kind_name(q.kind),
			    (long long)spans[s], variant);
		}
	}
}
END_TEST

static const char *const files[] = { "icmp", "port", "host", "tcp" };
#define FILES (sizeof files / sizeof *files)

static void
set_up(void)
{
	static const uint32_t probes[] = { PROBE_ICMP, PROBE_SNMP, PROBE_SNMP, PROBE_TCP };
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s.rrd", dir, files[i]);
		make_file(path, probes[i], strcmp(files[i], "host") == 0);
	}
}

static void
tear_down(void)
{
	char path[64];

	for (size_t i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s.rrd", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

int
main(void)
{
	Suite *s = suite_create("graph");
	TCase *t = tcase_create("pure"), *d = tcase_create("librrd");
	SRunner *r = srunner_create(s);
	int failed;

	setenv("TZ", "UTC-8", 1);
	tcase_add_test(t, kinds_have_names);
	tcase_add_test(t, kinds_belong_to_probes);
	tcase_add_test(t, numbers_out_of_range_are_refused);
	tcase_add_test(t, path_is_escaped);
	tcase_add_test(t, objects_have_their_names);
	tcase_add_test(t, text_is_escaped);
	tcase_add_test(t, gap_is_not_loss_and_not_the_future);
	tcase_add_test(t, fetch_is_checked);
	tcase_add_unchecked_fixture(d, set_up, tear_down);
	tcase_add_loop_test(d, every_graph_is_drawn, 0, 11);
	tcase_set_timeout(d, 60);
	suite_add_tcase(s, t);
	suite_add_tcase(s, d);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
