/*
 * message.c - templates of short messages and mails, and how they are filled.
 *
 * In a template {x} is a field; <...> is a part that is left out when one of
 * its fields is empty.  <m...> (figure) and <p...> (request) are also left out
 * to keep a short message short.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/grade.h"
#include "alertd/message.h"
#include "common/mem.h"
#include "common/utf.h"

#define VALUE_MAX 200

/*
 * Fields: g grade, w word for it, c code, o object, s state, t time of the
 * first failure, m figure, a minutes to acknowledge, n minutes since it was
 * told, d duration, f grade before, h handler, k time acknowledged, e expected
 * end, r time recovered, q cause, u responsible, x note, v vendor, i count,
 * j count by grade, b period in minutes, l count still open, z location.
 */
static const struct { const char *name, *zh, *en; } events[MSG_EVENTS] = {
	[MSG_OPEN] = { "open",
	    "{g}{w}{c}:{o}{s},{t}起<m,{m}><p,请{a}分钟内确认>",
	    "{g} {c} {o} {s} since {t}<m {m}><p, ack in {a}m>" },
	[MSG_REMIND] = { "remind",
	    "催办:{g}{w}{c}已{n}分钟未确认,{o}{s}<p,请立即处理>",
	    "REMIND {g} {c} no ack {n}m, {o} {s}<p, please act>" },
	[MSG_PROGRESS] = { "progress",
	    "续报提醒:{g}{w}{c},{o}{s}已{d}<p,请报进展>",
	    "REPORT {g} {c} {o} {s} {d}<p, progress please>" },
	[MSG_ESCALATE] = { "escalate",
	    "升级通知:{g}{w}{c}超时{x},{o}{s}已{d}<p,请督办>",
	    "ESCALATED {g} {c} {x}, {o} {s} {d}<p, please act>" },
	[MSG_RAISE] = { "raise",
	    "故障升级:{c}由{f}升为{g},{o}{s}已{d}<p,请加紧处置并报进展>",
	    "RAISED {c} {f} to {g}: {o} {s} {d}<p, act and report>" },
	[MSG_ACK] = { "ack",
	    "受理:{g}{w}{c}已由{h}于{k}确认<,预计{e}恢复>",
	    "ACK {g} {c} by {h} {k}<, ETA {e}>" },
	[MSG_LAPSE] = { "lapse",
	    "催办:{g}{w}{c}预计恢复时间已过,{o}仍{s}<p,请重新确认>",
	    "LAPSED {g} {c}: ETA is over, {o} still {s}<p, ack again>" },
	[MSG_RECOVER] = { "recover",
	    "恢复:{g}{w}{c},{o}{r}恢复,历时{d}<p,请补报原因>",
	    "RECOVERED {g} {c} {o} {r}, {d}<p, cause please>" },
	[MSG_RELAPSE] = { "relapse",
	    "复发:{g}{w}{c},{o}{t}再次{s}<p,请立即处理>",
	    "RELAPSE {g} {c} {o} {s} again {t}<p, please act>" },
	[MSG_FLAP] = { "flap",
	    "抖动:{g}{w}{c},{o}反复通断<p,通知暂停{b}分钟>",
	    "FLAPPING {g} {c} {o}<p, muted {b}m>" },
	[MSG_VERDICT] = { "verdict",
	    "抖动结论:{g}{w}{c},{o}持续{s}<p,请立即处理>",
	    "VERDICT {g} {c} {o} stays {s}<p, please act>" },
	[MSG_PAST] = { "past",
	    "补报:{g}{w}{c},{o}曾于{t}至{r}{s},现已恢复",
	    "PAST {g} {c} {o} was {s} {t}-{r}, recovered" },
	[MSG_CLOSE] = { "close",
	    "办结:{g}{w}{c}已闭环<m,原因{q}><,责任{u}>,历时{d}",
	    "CLOSED {g} {c}<m {q}><, resp {u}>, {d}" },
	[MSG_CANCEL] = { "cancel",
	    "撤销:{g}{w}{c}经核实为误报,{o}<m,{x}>",
	    "CANCELLED {g} {c} false alarm, {o}<m, {x}>" },
	[MSG_REOPEN] = { "reopen",
	    "重开:{g}{w}{c},{o}<m,{x}><p,请继续处理>",
	    "REOPENED {g} {c} {o}<m, {x}>" },
	[MSG_STORM] = { "storm",
	    "告警汇总:{v}{b}分钟内{i}起故障<m,{j}><p,详见平台>",
	    "STORM {v}: {i} incidents in {b}m<m ({j})><p, see page>" },
	[MSG_STORM_END] = { "storm-end",
	    "告警汇总结束:{v}共{i}起故障,未恢复{l}起<p,详见平台>",
	    "STORM OVER {v}: {i} incidents, {l} not recovered" },
	[MSG_DIGEST] = { "digest",
	    "告警日报:一般告警{i}起,未恢复{l}起<p,详见平台>",
	    "DIGEST {i} minor incidents, {l} not recovered" },
	[MSG_WITHHELD] = { "withheld",
	    "通知合并:{i}条通知因限量未逐条发送<p,详见平台>",
	    "WITHHELD {i} notices over the limit<p, see page>" },
};

const char *
message_event_name(enum message_event e)
{
	return (unsigned)e < MSG_EVENTS ? events[e].name : "?";
}

const char *
message_state(enum anomaly_kind kind, enum policy_lang lang)
{
	static const char *const zh[] = { "异常", "中断", "丢包", "时延升高", "时延变化", "服务拒绝",
		"负载过高", "错包增多", "无数据", "时钟偏差", "" };
	static const char *const en[] = { "FAULT", "DOWN", "LOSS", "SLOW", "VARIES", "REFUSED",
		"BUSY", "ERRORS", "SILENT", "CLOCK OFF", "" };
	size_t i = kind <= ANOMALY_SELF ? kind : 0;

	return lang == LANG_ZH ? zh[i] : en[i];
}

char *
message_duration(char *buf, size_t n, int64_t ns, enum policy_lang lang)
{
	int64_t s = ns < 0 ? 0 : ns / NS_PER_S, m = s / 60, h = m / 60;
	bool zh = lang == LANG_ZH;

	if (m == 0)
		snprintf(buf, n, "%" PRId64 "%s", s, zh ? "秒" : "s");
	else if (m < 120)
		snprintf(buf, n, "%" PRId64 "%s", m, zh ? "分钟" : "m");
	else if (h < 72)
		snprintf(buf, n, "%" PRId64 "%s", h, zh ? "小时" : "h");
	else
		snprintf(buf, n, "%" PRId64 "%s", h / 24, zh ? "天" : "d");
	return buf;
}

/* Is it an interruption ("故障"), or does it only do badly ("告警")? */
static bool
is_fault(const struct incident *inc)
{
	return inc->kind == ANOMALY_DOWN || inc->kind == ANOMALY_SERVICE;
}

/* The figure without decimals or dots; empty: there is none worth telling. */
static void
put_figure(char *buf, size_t n, const struct incident *inc, enum policy_lang lang)
{
	bool zh = lang == LANG_ZH;
	double percent = inc->figure * 100;

	buf[0] = '\0';
	if (inc->kind == ANOMALY_DOWN && inc->figure > 0)
		snprintf(buf, n, "%s", zh ? "丢包100%" : "loss 100%");
	else if (inc->kind == ANOMALY_LOSS && percent >= 1)
		snprintf(buf, n, zh ? "丢包%.0f%%" : "loss %.0f%%", percent);
	else if (inc->kind == ANOMALY_LOSS && percent > 0)
		snprintf(buf, n, "%s", zh ? "丢包不足1%" : "loss under 1%");
	else if (inc->kind == ANOMALY_LATENCY && inc->figure > 0)
		snprintf(buf, n, zh ? "%.0f毫秒超限%.0f" : "%.0fms over %.0f",
		    ceil(inc->figure / 1e6), inc->limit / 1e6);
	else if (inc->kind == ANOMALY_UTILISATION && percent > 0)
		snprintf(buf, n, zh ? "达%.0f%%" : "%.0f%%", percent);
}

static void
put_time(char *buf, size_t n, struct wall t)
{
	if (t.ns == 0)
		buf[0] = '\0';
	else
		wall_format_hm(buf, n, t);
}

/* How long it lasts now, or has lasted in all. */
static int64_t
outage_of(const struct incident *inc, struct wall now)
{
	if (inc->outage_start.ns == 0)
		return inc->outage_ns;
	return now.ns > inc->outage_start.ns ? now.ns - inc->outage_start.ns : 0;
}

static void
put_text(char *buf, size_t n, const char *s)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len >= n)
		len = utf_cut(s, (n - 1) / 4);
	if (len > 0)
		memcpy(buf, s, len);
	buf[len] = '\0';
}

static void
put_grades(char *buf, size_t n, const struct message_facts *f, enum policy_lang lang)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned g = 1; g <= 2; g++)
		if (f->count_grade[g - 1] > 0 && lang == LANG_ZH)
			at += (size_t)snprintf(buf + at, n - at, "%s%" PRIu32 "起", grade_zh(g),
			    f->count_grade[g - 1]);
		else if (f->count_grade[g - 1] > 0)
			at += (size_t)snprintf(buf + at, n - at, "%sP%ux%" PRIu32,
			    at > 0 ? " " : "", g, f->count_grade[g - 1]);
}

static void
put_grade(char *buf, size_t n, unsigned grade, enum policy_lang lang)
{
	if (lang == LANG_ZH)
		snprintf(buf, n, "%s", grade_zh(grade));
	else
		snprintf(buf, n, "P%u", grade);
}

/* Fields that need no incident; false: it is none of them. */
static bool
put_common(char *buf, size_t n, char field, const struct message_facts *f, enum policy_lang lang)
{
	switch (field) {
	case 'v':
		put_text(buf, n, lang == LANG_ZH ? f->vendor_zh : f->vendor_en);
		return true;
	case 'i':
		snprintf(buf, n, "%" PRIu32, f->count);
		return true;
	case 'l':
		snprintf(buf, n, "%" PRIu32, f->count_open);
		return true;
	case 'j':
		put_grades(buf, n, f, lang);
		return true;
	case 'b':
		snprintf(buf, n, "%" PRId64, f->period_ns / NS_PER_S / 60);
		return true;
	case 'x':
		if (f->event != MSG_ESCALATE)
			put_text(buf, n, f->note);
		else if (lang == LANG_ZH)
			snprintf(buf, n, "%s", f->unrecovered ? "未恢复" : "未确认");
		else
			snprintf(buf, n, "%s", f->unrecovered ? "not recovered" : "no ack");
		return true;
	default:
		return false;
	}
}

/* Fields of a number or a time of the incident; false: it is none of them. */
static bool
put_number(char *buf, size_t n, char field, const struct message_facts *f, enum policy_lang lang)
{
	const struct incident *inc = f->inc;

	switch (field) {
	case 'c':
		snprintf(buf, n, "%04u", inc->code);
		return true;
	case 't':
		put_time(buf, n, f->event != MSG_PAST && inc->outage_start.ns != 0 ?
		    inc->outage_start : inc->first_fail);
		return true;
	case 'k':
		put_time(buf, n, inc->acked);
		return true;
	case 'e':
		put_time(buf, n, inc->eta);
		return true;
	case 'r':
		put_time(buf, n, inc->recovered.ns != 0 ? inc->recovered : inc->clean_since);
		return true;
	case 'a':
		if (inc->ack_due.ns > f->now.ns)
			snprintf(buf, n, "%" PRId64, (inc->ack_due.ns - f->now.ns + 59 * NS_PER_S) /
			    NS_PER_S / 60);
		return true;
	case 'n':
		snprintf(buf, n, "%" PRId64, (f->now.ns - inc->announced.ns) / NS_PER_S / 60);
		return true;
	case 'd':
		message_duration(buf, n, outage_of(inc, f->now), lang);
		return true;
	default:
		return false;
	}
}

/* The value of one field of an incident, "" when there is none. */
static void
put_field(char *buf, size_t n, char field, const struct message_facts *f, enum policy_lang lang)
{
	const struct incident *inc = f->inc;
	bool zh = lang == LANG_ZH;

	buf[0] = '\0';
	if (put_common(buf, n, field, f, lang) || inc == NULL ||
	    put_number(buf, n, field, f, lang))
		return;
	switch (field) {
	case 'g':
		put_grade(buf, n, inc->grade, lang);
		break;
	case 'f':
		put_grade(buf, n, f->grade_from, lang);
		break;
	case 'w':
		snprintf(buf, n, "%s", is_fault(inc) ? "故障" : "告警");
		break;
	case 'o':
		put_text(buf, n, zh ? inc->object_zh : inc->object_en);
		break;
	case 's':
		snprintf(buf, n, "%s", message_state(inc->kind, lang));
		break;
	case 'm':
		put_figure(buf, n, inc, lang);
		break;
	case 'h':
		put_text(buf, n, inc->handler);
		break;
	case 'q':
		put_text(buf, n, inc->field[FIELD_ROOT_CAUSE]);
		break;
	case 'u':
		put_text(buf, n, inc->field[FIELD_RESPONSIBLE]);
		break;
	}
}

/* ------------------------------------------------------------------- filling */

struct filling {
	char *buf;
	size_t n, at;
	const struct message_facts *facts;
	enum policy_lang lang;
	size_t object_units;		/* 0: whole */
	bool no_figure, no_request;
	bool empty;			/* a field of this part was empty */
};

static void
add(struct filling *o, const char *s, size_t len)
{
	size_t room = o->n - o->at - 1;

	if (len > room)
		len = 0;		/* a buffer that is too small loses whole pieces */
	memcpy(o->buf + o->at, s, len);
	o->at += len;
	o->buf[o->at] = '\0';
}

static void
add_field(struct filling *o, char field)
{
	char v[VALUE_MAX];
	size_t len;

	put_field(v, sizeof(v), field, o->facts, o->lang);
	len = strlen(v);
	if (len == 0)
		o->empty = true;
	if (field == 'o' && o->object_units > 0)
		len = utf_cut(v, o->object_units);
	if ((field == 'q' || field == 'u' || field == 'x' || field == 'h') && o->object_units > 0)
		len = utf_cut(v, o->object_units);
	add(o, v, len);
}

/* Fills s up to its end or to '>'; returns where it stopped. */
static const char *
fill(struct filling *o, const char *s)
{
	while (*s != '\0' && *s != '>') {
		if (*s == '{') {
			add_field(o, s[1]);
			s += 3;
		} else if (*s == '<') {
			bool drop = (s[1] == 'm' && o->no_figure) || (s[1] == 'p' && o->no_request);
			bool outer = o->empty;
			size_t mark = o->at;

			o->empty = false;
			s = fill(o, s + 1 + (s[1] == 'm' || s[1] == 'p')) + 1;
			if (drop || o->empty) {
				o->at = mark;
				o->buf[mark] = '\0';
			}
			o->empty = outer;
		} else {
			if (*s != ' ' || o->at == 0 || o->buf[o->at - 1] != ' ')
				add(o, s, 1);
			s++;
		}
	}
	return s;
}

static size_t
put_signature(char *buf, size_t n, const struct policy *p, enum policy_lang lang)
{
	const char *sign = lang == LANG_ZH ? p->signature : p->signature_en;

	buf[0] = '\0';
	if (sign == NULL || *sign == '\0')
		return 0;
	return (size_t)snprintf(buf, n, lang == LANG_ZH ? "【%s】" : "[%s] ", sign);
}

char *
message_sms(char *buf, size_t n, const struct policy *p, const struct message_facts *f,
    enum policy_lang lang)
{
	static const struct { size_t units; bool no_figure, no_request; } level[] = {
		{ 16, false, false }, { 10, false, false }, { 10, true, false },
		{ 10, true, true }, { 6, true, true }, { 4, true, true },
	};
	const char *template = lang == LANG_ZH ? events[f->event].zh : events[f->event].en;
	size_t start = put_signature(buf, n, p, lang);

	for (size_t i = 0; i < sizeof(level) / sizeof(level[0]); i++) {
		struct filling o = { .buf = buf, .n = n, .at = start, .facts = f, .lang = lang,
			.object_units = level[i].units, .no_figure = level[i].no_figure,
			.no_request = level[i].no_request };

		fill(&o, template);
		if (utf_units(buf) <= MESSAGE_SMS_UNITS)
			return buf;
	}
	buf[utf_cut(buf, MESSAGE_SMS_UNITS)] = '\0';
	return buf;
}

/* The sentence of the event, in full. */
static void
put_sentence(char *buf, size_t n, const struct message_facts *f, enum policy_lang lang)
{
	struct filling o = { .buf = buf, .n = n, .facts = f, .lang = lang };

	buf[0] = '\0';
	fill(&o, lang == LANG_ZH ? events[f->event].zh : events[f->event].en);
}

char *
message_subject(const struct policy *p, const struct message_facts *f, enum policy_lang lang)
{
	char sentence[800], sign[64];

	put_signature(sign, sizeof(sign), p, lang);
	put_sentence(sentence, sizeof(sentence), f, lang);
	sentence[utf_cut(sentence, 120)] = '\0';
	return xasprintf("%s%s", sign, sentence);
}

/* ---------------------------------------------------------------------- mails */

static void
line_text(FILE *o, bool zh, const char *name_zh, const char *name_en, const char *value)
{
	if (value != NULL && *value != '\0')
		fprintf(o, "%s%s%s\n", zh ? name_zh : name_en, zh ? "：" : ": ", value);
}

static void
line_time(FILE *o, bool zh, const char *name_zh, const char *name_en, struct wall t)
{
	char buf[32];

	if (t.ns != 0)
		line_text(o, zh, name_zh, name_en, wall_format(buf, sizeof(buf), t));
}

static const char *
link_state_word(enum link_state s, bool zh)
{
	return zh ? incident_link_zh(s) : link_state_name(s);
}

/* "segment 3", "ambiguous: 3 or 4" with the words of the segments. */
static void
put_located(char *buf, size_t n, const char *located, bool zh)
{
	static const char *const words[][2] = { [SEG_USER] = { "用户侧", "user" },
		[SEG_ACCESS] = { "接入线路", "access line" }, [SEG_EXTRANET] = { "政务外网", "extranet" },
		[SEG_EDGE] = { "云边界", "cloud edge" }, [SEG_VPC] = { "云内网络", "VPC" },
		[SEG_HOST] = { "主机", "host" }, [SEG_APP] = { "应用", "application" } };
	int a = 0, b = 0;
	char to[4];

	if (sscanf(located, "segment %d", &a) == 1 && a >= SEG_USER && a <= SEG_APP)
		snprintf(buf, n, "%s", words[a][!zh]);
	else if (sscanf(located, "ambiguous: %d %3[a-z] %d", &a, to, &b) == 3 && a >= SEG_USER &&
		 a <= SEG_APP && b >= SEG_USER && b <= SEG_APP)
		snprintf(buf, n, zh ? "%s%s%s（不确定）" : "%s %s %s (unclear)", words[a][!zh],
		    !zh ? to : strcmp(to, "or") == 0 ? "或" : "至", words[b][!zh]);
	else
		snprintf(buf, n, "%s", located);
}

static void
mail_times(FILE *o, const struct incident *inc, struct wall now, enum policy_lang lang)
{
	bool zh = lang == LANG_ZH;
	char buf[32];

	fprintf(o, "\n%s\n", zh ? "时间线（UTC+8）" : "Time line (UTC+8)");
	line_time(o, zh, "首次失败", "First failure", inc->first_fail);
	line_time(o, zh, "建单", "Opened", inc->opened);
	line_time(o, zh, "通知", "Told", inc->announced);
	line_time(o, zh, "确认时限", "Acknowledge by", inc->ack_due);
	line_time(o, zh, "确认", "Acknowledged", inc->acked);
	line_time(o, zh, "预计恢复", "Expected end", inc->eta);
	line_time(o, zh, "恢复时限", "Recover by", inc->recover_due);
	line_time(o, zh, "恢复", "Recovered", inc->recovered);
	line_time(o, zh, "办结", "Closed", inc->closed);
	line_text(o, zh, "累计历时", "Lasted", message_duration(buf, sizeof(buf),
	    outage_of(inc, now), lang));
}

static void
mail_figures(FILE *o, const struct incident *inc, enum policy_lang lang)
{
	bool zh = lang == LANG_ZH;
	uint32_t n = inc->links < INCIDENT_LINKS ? inc->links : INCIDENT_LINKS;

	if (inc->kind == ANOMALY_LATENCY)
		fprintf(o, zh ? "时延：%.3f 毫秒（门限 %.3f）\n" : "RTT: %.3f ms (limit %.3f)\n",
		    inc->figure / 1e6, inc->limit / 1e6);
	else if (inc->kind == ANOMALY_LOSS)
		fprintf(o, zh ? "丢包率：%.3f%%（门限 %.3f%%）\n" : "Loss: %.3f%% (limit %.3f%%)\n",
		    inc->figure * 100, inc->limit * 100);
	if (n > 0)
		fprintf(o, zh ? "\n涉及 %" PRIu32 " 项\n" : "\nConcerned: %" PRIu32 "\n", inc->links);
	for (uint32_t i = 0; i < n; i++)
		fprintf(o, "  %s%s%s  %s\n", inc->link_list[i].agent,
		    inc->link_list[i].link[0] != '\0' ? "/" : "", inc->link_list[i].link,
		    link_state_word(inc->link_list[i].state, zh));
	if (inc->links > n)
		fprintf(o, "  ...\n");
}

static void
mail_incident(FILE *o, const struct message_facts *f, enum policy_lang lang)
{
	const struct incident *inc = f->inc;
	bool zh = lang == LANG_ZH;
	char grade[16], located[96];

	put_grade(grade, sizeof(grade), inc->grade, lang);
	put_located(located, sizeof(located), inc->located, zh);
	fprintf(o, "\n%s%s%" PRIu64 "\n", zh ? "编号" : "Number", zh ? "：" : ": ", inc->number);
	line_text(o, zh, "标题", "Title", zh ? inc->title_zh : inc->title_en);
	line_text(o, zh, "级别", "Grade", grade);
	line_text(o, zh, "状态", "State", zh ? incident_state_zh(inc->state) :
	    incident_state_name(inc->state));
	line_text(o, zh, "链路状态", "Link state", link_state_word(inc->link_state, zh));
	line_text(o, zh, "故障类型", "Kind", zh && inc->kind != ANOMALY_SELF ?
	    message_state(inc->kind, LANG_ZH) : anomaly_kind_name(inc->kind));
	line_text(o, zh, "定界", "Located", located);
	line_text(o, zh, "处理人", "Handler", inc->handler);
	line_text(o, zh, "原因", "Cause", inc->field[FIELD_ROOT_CAUSE]);
	line_text(o, zh, "责任单位", "Responsible", inc->field[FIELD_RESPONSIBLE]);
	line_text(o, zh, "措施", "Measure", inc->field[FIELD_MEASURE]);
	line_text(o, zh, "备注", "Note", f->note);
	mail_figures(o, inc, lang);
	mail_times(o, inc, f->now, lang);
	fprintf(o, "\nlinkctl incident show %" PRIu64 "\n", inc->number);
}

char *
message_mail(const struct policy *p, const struct message_facts *f, enum policy_lang lang)
{
	char sentence[800], *text = NULL;
	size_t size = 0;
	FILE *o = open_memstream(&text, &size);

	(void)p;
	if (o == NULL)
		abort();
	put_sentence(sentence, sizeof(sentence), f, lang);
	fprintf(o, "%s\n", sentence);
	if (f->inc != NULL)
		mail_incident(o, f, lang);
	if (fclose(o) != 0)
		abort();
	return text;
}
