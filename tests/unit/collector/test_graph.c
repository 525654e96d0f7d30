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

/* What the drawing libraries keep for ever is none of ours: who has drawn does not look for leaks. */
static bool has_drawn;
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return has_drawn;
}

static char dir[] = "/tmp/lw-graph-XXXXXX";

static struct graph_request
good(enum graph_kind kind)
{
	return (struct graph_request){ .kind = kind, .tracks = 1,
		.track = { { "/x/a.rrd", NULL } }, .from = NOW - 3600, .to = NOW, .now = NOW,
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
	struct graph_request q[20];
	struct graph_args a;

	for (size_t i = 0; i < sizeof q / sizeof *q; i++)
		q[i] = good(i == 11 ? GRAPH_HOST : GRAPH_RTT);

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
	q[13].track[0].rrd = NULL;
	q[14].marks = GRAPH_MARKS_MAX + 1;
	q[15].lang = 7;
	q[16].before = -1;
	q[17].before = GRAPH_BEFORE_MAX + 1;
	q[18].format = 2;
	q[19].tracks = 0;
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

	q.track[0].rrd = "/x/a:b.rrd";
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

/* What several series ask of the way they are drawn. */
START_TEST(tracks_fit_their_way)
{
	static const struct { enum graph_way way; enum graph_kind kind; size_t tracks; int64_t before; int rc; } rows[] = {
		{ GRAPH_OVERLAY, GRAPH_RTT, 2, 0, 0 }, { GRAPH_OVERLAY, GRAPH_LOSS, GRAPH_TRACKS_MAX, 0, 0 },
		{ GRAPH_PAIR, GRAPH_PDV, 2, 0, 0 }, { GRAPH_ONE, GRAPH_RTT, 1, 604800, 0 },
		{ GRAPH_OVERLAY, GRAPH_RTT, 1, 0, -EINVAL }, { GRAPH_PAIR, GRAPH_RTT, 3, 0, -EINVAL },
		{ GRAPH_OVERLAY, GRAPH_RTT, GRAPH_TRACKS_MAX + 1, 0, -EINVAL },
		{ GRAPH_ONE, GRAPH_RTT, 2, 0, -EINVAL }, { GRAPH_OVERLAY, GRAPH_TRAFFIC, 2, 0, -EINVAL },
		{ GRAPH_PAIR, GRAPH_RTT, 2, 604800, -EINVAL }, { GRAPH_PAIR + 1, GRAPH_RTT, 2, 0, -EINVAL },
	};
	struct graph_args a;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct graph_request q = good(rows[i].kind);

		for (size_t t = 0; t < GRAPH_TRACKS_MAX; t++)
			q.track[t] = (struct graph_track){ "/x/a.rrd", "a:b" };
		q.way = rows[i].way;
		q.tracks = rows[i].tracks;
		q.before = rows[i].before;
		ck_assert_msg(graph_build(&q, &a) == rows[i].rc, "row %zu", i);
		ck_assert_msg(rows[i].rc != 0 || q.way == GRAPH_ONE || has(&a, "a\\:b"), "row %zu has no name", i);
		graph_args_free(&a);
	}
	/* names are asked for where they are drawn */
	struct graph_request q = good(GRAPH_RTT);
	q.way = GRAPH_PAIR;
	q.tracks = 2;
	q.track[1].rrd = "/x/b.rrd";
	ck_assert_int_eq(graph_build(&q, &a), -EINVAL);
}
END_TEST

/* A gap, a loss of 0 and a loss of everything are three things, and none is the future. */
START_TEST(gap_is_not_loss_and_not_the_future)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:gap=loss,UN,TIME,1767225570,LT,*,INF,UNKN,IF"));
	ck_assert(has(&a, "CDEF:lost=loss,0.999,GE,INF,UNKN,IF"));
	ck_assert(has(&a, "全部丢失"));
	ck_assert(!has(&a, "mark"));
	graph_args_free(&a);
	q.kind = GRAPH_PDV;		/* it has no value where all was lost, and yet that is no gap */
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:gap=loss,UN,") && has(&a, "CDEF:lost=loss,"));
	graph_args_free(&a);
	q.kind = GRAPH_LOSS;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:none=loss,0,EQ,0,UNKN,IF"));
	graph_args_free(&a);
	q.kind = GRAPH_RTT;
	q.lang = GRAPH_EN;
	q.theme = GRAPH_DARK;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "all lost"));
	ck_assert(!has(&a, "丢"));
	ck_assert(has(&a, "BACK#161c24"));
	graph_args_free(&a);
}
END_TEST

START_TEST(marks_are_told_apart)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	graph_mark(&q, MARK_INCIDENT, NOW - 900, NOW - 600);
	graph_mark(&q, MARK_INCIDENT, NOW - 300, NOW + 999);	/* cut at the end of the graph */
	graph_mark(&q, MARK_PLANNED, NOW - 9000, NOW - 3500);	/* and at its beginning */
	graph_mark(&q, MARK_UNSEEN, NOW - 50, NOW - 50);	/* an instant is seen all the same */
	graph_mark(&q, MARK_PLANNED, NOW - 9000, NOW - 8000);	/* outside */
	graph_mark(&q, MARK_KINDS, NOW - 900, NOW - 600);
	ck_assert_uint_eq(q.marks, 4);
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:mark2=loss,POP,0,TIME,1767224700,GE,TIME,1767225000,LE,*,+,"
	    "TIME,1767225300,GE,TIME,1767225600,LE,*,+,INF,UNKN,IF"));
	ck_assert(has(&a, "CDEF:mark1=loss,POP,0,TIME,1767222000,GE,TIME,1767222100,LE,*,+,INF,UNKN,IF"));
	ck_assert(has(&a, "TIME,1767225550,GE,TIME,1767225562,LE"));	/* two pixels of 6 s */
	ck_assert(has(&a, "故障") && has(&a, "计划维护") && has(&a, "未观测"));
	graph_args_free(&a);
	for (int i = 0; i < 2 * GRAPH_MARKS_MAX; i++)
		graph_mark(&q, MARK_INCIDENT, NOW - 900 + i, NOW - 600);
	ck_assert_uint_eq(q.marks, GRAPH_MARKS_MAX);
	ck_assert_int_eq(graph_build(&q, &a), 0);
	graph_args_free(&a);
}
END_TEST

/* Red, green, blue and opacity of an area, 0 to 255. */
static void
colour(const struct graph_args *a, const char *area, unsigned v[4])
{
	v[3] = 255;
	for (int i = 0; i < a->argc; i++)
		if (strncmp(a->argv[i], area, strlen(area)) == 0) {
			ck_assert_int_ge(sscanf(a->argv[i] + strlen(area), "%2x%2x%2x%2x", &v[0], &v[1], &v[2], &v[3]), 3);
			return;
		}
	ck_abort_msg("no area %s", area);
}

/* A time without data stays apart from one in which all was lost, also while a mark lies over it. */
START_TEST(marked_gaps_are_no_loss)
{
	for (int dark = 0; dark < 2; dark++) {
		struct graph_request q = good(GRAPH_RTT);
		unsigned gap[4], lost[4], mark[4], apart = 0;
		struct graph_args a;

		q.theme = dark ? GRAPH_DARK : GRAPH_LIGHT;
		graph_mark(&q, MARK_INCIDENT, NOW - 900, NOW - 600);
		ck_assert_int_eq(graph_build(&q, &a), 0);
		colour(&a, "AREA:gap#", gap);
		colour(&a, "AREA:lost#", lost);
		colour(&a, "AREA:mark2#", mark);
		for (int k = 0; k < 3; k++) {
			unsigned over = (gap[k] * (255 - mark[3]) + mark[k] * mark[3]) / 255;

			apart += over > lost[k] ? over - lost[k] : lost[k] - over;
		}
		ck_assert_uint_gt(apart, 80);
		graph_args_free(&a);
	}
}
END_TEST

/* The week before stands behind, moved by a week and named. */
START_TEST(compares_with_the_week_before)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	q.before = 7 * 86400;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "DEF:old=/x/a.rrd:rtt_p50:AVERAGE:start=1766617200:end=1766620800"));
	ck_assert(has(&a, "SHIFT:old:604800"));
	ck_assert(has(&a, "上周同期"));
	graph_args_free(&a);
	q.kind = GRAPH_TRAFFIC;
	q.mirror = true;
	q.lang = GRAPH_EN;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "CDEF:oldv1=old1,-1,*"));
	ck_assert(has(&a, "a week before"));
	ck_assert(has(&a, "TICK:bad"));		/* errors and discards on the ground */
	ck_assert(!has(&a, "--lower-limit"));
	graph_args_free(&a);
}
END_TEST

/* A picture in a report says what it is, from when, and by which clock. */
START_TEST(a_picture_says_its_time)
{
	struct graph_request q = good(GRAPH_RTT);
	struct graph_args a;

	q.title = "专线 %s:\\n<b>\n\x1b";
	setenv("TZ", "America/Lima", 1);	/* of the machine: means nothing */
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "COMMENT:2026-01-01 07\\:00 – 2026-01-01 08\\:00  UTC+8\\r"));
	ck_assert(has(&a, "--title=专线 %s:/n<b>  "));
	ck_assert(has(&a, "--imgformat=PNG"));
	graph_args_free(&a);
	q.format = GRAPH_SVG;
	ck_assert_int_eq(graph_build(&q, &a), 0);
	ck_assert(has(&a, "--imgformat=SVG"));
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
make_file(const char *file, uint32_t probe, bool host)
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
	ck_assert_int_eq(rrdfile_create(file, &def, NOW - 6010, why, sizeof why), 0);
	for (int i = 0; i < 600; i++) {
		rows[i].t = NOW - 6000 + 10 * i;
		for (size_t d = 0; d < def.ds_n; d++)
			rows[i].v[d] = i % 50 == 7 ? NAN : i % 50 == 9 ? 1.0 : d == 0 ? 0.0 : 0.01 * (double)(d + 1);
	}
	ck_assert_int_eq(rrdfile_update(file, &def, rows, 600, why, sizeof why), 0);
}

/* Size of the picture that librrd draws, or 0 with its words on the console. */
static size_t
draw(const struct graph_request *q)
{
	const char *magic = q->format == GRAPH_SVG ? "<?xml" : "\x89PNG";
	struct graph_args a, moved;
	rrd_info_t *info, *i;
	size_t size = 0;

	has_drawn = true;
	ck_assert_int_eq(graph_build(q, &a), 0);
	ck_assert_int_lt(a.argc, GRAPH_ARGS_MAX);
	moved = a;			/* librrd moves the pointers about */
	rrd_clear_error();
	info = rrd_graph_v(moved.argc, moved.argv);
	if (info == NULL)
		fprintf(stderr, "%s: %s\n", graph_kind_name(q->kind), rrd_get_error());
	for (i = info; i != NULL; i = i->next)
		if (strcmp(i->key, "image") == 0 && memcmp(i->value.u_blo.ptr, magic, strlen(magic)) == 0)
			size = i->value.u_blo.size;
	if (info != NULL)
		rrd_info_free(info);
	graph_args_free(&a);
	return size;
}

static char path[4][64];		/* icmp, port, host, tcp */

static const struct { enum graph_kind kind; int file; uint32_t roles; } drawn[] = {
	{ GRAPH_RTT, 0, 0 }, { GRAPH_LOSS, 0, 0 }, { GRAPH_PDV, 0, 0 }, { GRAPH_TRAFFIC, 1, SNMP_ROLES },
	{ GRAPH_ERRORS, 1, SNMP_ROLES }, { GRAPH_STATUS, 1, SNMP_ROLES }, { GRAPH_HOST, 2, HOST_ROLES },
	{ GRAPH_OID, 2, ~0u << ROLE_OID0 }, { GRAPH_TLS, 3, TLS_ROLES }, { GRAPH_CERT, 3, TLS_ROLES },
};
#define DRAWN ((int)(sizeof drawn / sizeof *drawn))

/* Hostile names, marks without end, all at once: what is said is text, and librrd takes it. */
static void
fill(struct graph_request *q, int variant)
{
	static const char *const names[] = { "温度:50%\\n %s", "</text><script>x</script>", "\xe4\xba\x91 ' \" & <b>", "" };

	q->lang = variant & 1;
	q->theme = variant >> 1 & 1;
	q->format = variant % 3 == 2 ? GRAPH_SVG : GRAPH_PNG;
	q->scale = 1 + variant % 3;
	q->title = variant % 2 ? names[variant % 4] : NULL;
	for (size_t o = 0; o < GRAPH_OBJECTS; o++) {
		q->object_name[o] = names[o % 4];
		q->object_unit[o] = variant % 2 ? "%" : ":°C";
	}
	for (int m = 0; variant > 0 && m < GRAPH_MARKS_MAX; m++)
		graph_mark(q, (enum graph_mark_kind)(m % MARK_KINDS), q->to - 600 + m, q->to - 300);
	for (size_t t = 0; t < q->tracks; t++)
		q->track[t] = (struct graph_track){ path[t % 2 ? 3 : 0], names[t % 4] };
}

/* Every kind at three spans, in every language, theme and format by turns. */
START_TEST(every_graph_is_drawn)
{
	static const int64_t spans[] = { 60, 3600, 86400, 7 * 86400, 31 * 86400, 366 * 86400, GRAPH_SPAN_MAX };

	for (int v = 0; v < 3; v++) {
		struct graph_request q = good(drawn[_i].kind);
		int64_t span = spans[(2 * _i + 3 * v) % 7];

		fill(&q, _i + v);
		q.track[0].rrd = path[drawn[_i].file];
		q.from = NOW - span;
		q.roles = drawn[_i].roles;
		q.mirror = v == 1;
		q.before = v == 2 && q.from > 604800 ? 604800 : 0;
		ck_assert_msg(draw(&q) > 1000, "%s over %lld s, variant %d", graph_kind_name(q.kind),
		    (long long)span, v);
	}
}
END_TEST

START_TEST(several_series_are_drawn)
{
	static const enum graph_kind kind[] = { GRAPH_RTT, GRAPH_LOSS, GRAPH_PDV };

	for (int v = 0; v < 2; v++) {
		struct graph_request q = good(kind[_i]);

		q.way = v == 0 ? GRAPH_OVERLAY : GRAPH_PAIR;
		q.tracks = v == 0 ? GRAPH_TRACKS_MAX : 2;
		fill(&q, _i + 3 * v);
		ck_assert_msg(draw(&q) > 1000, "%s, way %d", graph_kind_name(q.kind), q.way);
	}
}
END_TEST

static void
set_up(void)
{
	static const uint32_t probes[] = { PROBE_ICMP, PROBE_SNMP, PROBE_SNMP, PROBE_TCP };

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (int i = 0; i < 4; i++) {
		snprintf(path[i], sizeof path[i], "%s/%d.rrd", dir, i);
		make_file(path[i], probes[i], i == 2);
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < 4; i++)
		unlink(path[i]);
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
	tcase_add_test(t, tracks_fit_their_way);
	tcase_add_test(t, gap_is_not_loss_and_not_the_future);
	tcase_add_test(t, marks_are_told_apart);
	tcase_add_test(t, marked_gaps_are_no_loss);
	tcase_add_test(t, compares_with_the_week_before);
	tcase_add_test(t, a_picture_says_its_time);
	tcase_add_test(t, fetch_is_checked);
	tcase_add_unchecked_fixture(d, set_up, tear_down);
	tcase_add_loop_test(d, every_graph_is_drawn, 0, DRAWN);
	tcase_add_loop_test(d, several_series_are_drawn, 0, 3);
	tcase_set_timeout(d, 60);
	suite_add_tcase(s, t);
	suite_add_tcase(s, d);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
