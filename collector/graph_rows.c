/*
 * graph_rows.c - drawing of what is read by value: ports, hosts, named objects,
 * TLS handshakes and certificates (pure).
 */
#include <stdio.h>

#include "collector/graph_parts.h"
#include "common/model.h"

const struct line_row graph_traffic_rows[] = {
	{ ROLE_IN_BPS, "入方向", "in ", 1 }, { ROLE_OUT_BPS, "出方向", "out", 1 }, { 0, 0, 0, 0 },
};
const struct line_row graph_error_rows[] = {
	{ ROLE_IN_ERRORS, "入方向错包", "in errors   ", 1 },
	{ ROLE_OUT_ERRORS, "出方向错包", "out errors  ", 1 },
	{ ROLE_IN_DISCARDS, "入方向丢弃", "in discards ", 1 },
	{ ROLE_OUT_DISCARDS, "出方向丢弃", "out discards", 1 },
	{ 0, 0, 0, 0 },
};
const struct line_row graph_host_rows[] = {
	{ ROLE_CPU_RATIO, "处理器", "CPU    ", 100 },
	{ ROLE_MEM_RATIO, "内存　", "memory ", 100 },
	{ ROLE_STORAGE_RATIO, "存储　", "storage", 100 },
	{ 0, 0, 0, 0 },
};
const struct line_row graph_tls_rows[] = {
	{ ROLE_TLS_S, "TLS 握手", "TLS handshake", 1000 }, { 0, 0, 0, 0 },
};
const struct line_row graph_cert_rows[] = {
	{ ROLE_CERT_DAYS, "证书剩余", "certificate left", 1 }, { 0, 0, 0, 0 },
};

#define BIT(role) (UINT32_C(1) << (role))

uint32_t
graph_rows_mask(const struct line_row *r)
{
	uint32_t m = 0;

	for (; r != NULL && r->role != 0; r++)
		m |= BIT(r->role);
	return m;
}

/* Row i as it was q->before ago; the first one says what the dashes mean. */
static void
row_before(struct builder *b, const struct line_row *r, int i, double factor, bool first)
{
	char var[16];

	if (b->q->before == 0)
		return;
	snprintf(var, sizeof var, "old%d", i);
	graph_def_before(b, var, value_role_name(r->role));
	graph_add(b, "CDEF:oldv%d=%s,%g,*", i, var, factor);
	graph_add(b, "LINE1:oldv%d%s%s%s:dashes=5,3", i, first ? b->p->before : b->p->line[i % 6],
	    first ? ": " : ":", first ? graph_before_text(b) : "");
}

/* The ground under rows: gaps are told by the first row, of TCP by its loss. */
static void
rows_ground(struct builder *b, const struct line_row *rows, const char *ds)
{
	/* a connection without its handshake was seen all the same */
	const char *seen = rows == graph_tls_rows || rows == graph_cert_rows ? "loss" : ds;

	if (seen != ds)
		graph_def(b, 0, seen, seen, "AVERAGE");
	graph_ground(b, seen);
	graph_add(b, "COMMENT:\\l");
}

void
graph_build_rows(struct builder *b, const struct line_row *rows, const char *unit)
{
	bool first = true;

	for (int i = 0; rows[i].role != 0; i++) {
		const char *ds = value_role_name(rows[i].role);
		char var[16];

		if ((b->q->roles & BIT(rows[i].role)) == 0)
			continue;
		snprintf(var, sizeof var, "v%d", i);
		graph_def(b, 0, ds, ds, "AVERAGE");
		if (first)
			rows_ground(b, rows, ds);
		graph_add(b, "CDEF:%s=%s,%g,*", var, ds, rows[i].factor);
		if (first)
			graph_add(b, "AREA:%s%s", var, b->p->fill);
		row_before(b, &rows[i], i, rows[i].factor, first);
		graph_add(b, "LINE1.5:%s%s: %s", var, b->p->line[i % 6],
		    graph_say(b, rows[i].zh, rows[i].en));
		graph_print_row(b, var, "", unit);
		first = false;
	}
}

/* Red on the ground where packets were damaged or dropped at all. */
static void
traffic_errors(struct builder *b)
{
	char sum[120] = "0";
	size_t n = 1;

	if ((b->q->roles & graph_rows_mask(graph_error_rows)) == 0)
		return;
	for (int i = 0; graph_error_rows[i].role != 0; i++) {
		const char *ds = value_role_name(graph_error_rows[i].role);

		if ((b->q->roles & BIT(graph_error_rows[i].role)) == 0)
			continue;
		graph_def(b, 0, ds, ds, "MAX");
		n += (size_t)snprintf(sum + n, sizeof sum - n, ",%s,ADDNAN", ds);
	}
	graph_add(b, "CDEF:bad=%s,0,GT,1,UNKN,IF", sum);
	graph_add(b, "TICK:bad%s:0.05:  %s\\l", b->p->line[4], graph_say(b, "有错包或丢弃",
	    "errors or discards"));
}

void
graph_build_traffic(struct builder *b)
{
	static const char unit[] = "%7.2lf %sbit/s";
	bool first = true;

	if (!b->q->mirror) {
		graph_build_rows(b, graph_traffic_rows, unit);
		traffic_errors(b);
		return;
	}
	for (int i = 0; i < 2; i++) {
		const struct line_row *r = &graph_traffic_rows[i];
		const char *ds = value_role_name(r->role);

		if ((b->q->roles & BIT(r->role)) == 0)
			continue;
		graph_def(b, 0, ds, ds, "AVERAGE");
		if (first)
			rows_ground(b, graph_traffic_rows, ds);
		graph_add(b, "CDEF:v%d=%s,%d,*", i, ds, i == 0 ? 1 : -1);
		graph_add(b, "AREA:v%d%s", i, i == 0 ? b->p->fill : b->p->fill_down);
		row_before(b, r, i, i == 0 ? 1 : -1, first);
		graph_add(b, "LINE1.5:v%d%s: %s %s", i, b->p->line[i], i == 0 ? "↑" : "↓",
		    graph_say(b, r->zh, r->en));
		graph_print_row(b, ds, "", unit);	/* as measured, not as mirrored */
		first = false;
	}
	traffic_errors(b);
}

/* One line for each named object, under the name and with the unit that people gave it. */
void
graph_build_objects(struct builder *b)
{
	bool first = true;

	for (uint32_t i = 0; i < GRAPH_OBJECTS; i++) {
		const char *ds = value_role_name(ROLE_OID0 + i);
		const char *name = b->q->object_name[i], *unit = b->q->object_unit[i];
		char name_text[256], unit_text[64], format[80];

		if ((b->q->roles & BIT(ROLE_OID0 + i)) == 0)
			continue;
		graph_escape(name_text, sizeof name_text, name != NULL ? name : ds);
		graph_escape(unit_text, sizeof unit_text, unit != NULL ? unit : "");
		graph_def(b, 0, ds, ds, "AVERAGE");
		if (first) {
			graph_ground(b, ds);
			graph_add(b, "COMMENT:\\l");
		}
		first = false;
		snprintf(format, sizeof format, "%%8.2lf %%s%s", unit_text);
		graph_add(b, "LINE1.5:%s%s: %s", ds, b->p->line[i % 6], name_text);
		graph_print_row(b, ds, "", format);
	}
}

void
graph_build_status(struct builder *b)
{
	const char *ds = value_role_name(ROLE_OPER_STATUS);

	graph_def(b, 0, "st", ds, "MAX");
	graph_ground(b, "st");
	graph_add(b, "CDEF:up=st,1,LE,1,UNKN,IF");
	graph_add(b, "CDEF:down=st,1,GT,1,UNKN,IF");
	graph_add(b, "AREA:up%s: %s", graph_loss_steps[0].color[b->q->theme],
	    graph_say(b, "端口正常", "port up"));
	graph_add(b, "AREA:down%s: %s\\l", b->p->line[4], graph_say(b, "端口不正常", "port not up"));
}
