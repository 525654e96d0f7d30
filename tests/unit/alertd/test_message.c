/*
 * test_message.c - the words: as they should be, never too long, never with
 * what a gateway refuses.
 */
#include "alertd/message.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf.h"
#include "tests/unit/alertd/suite.h"

/* 2026-01-15 08:31:00 at UTC+8 */
#define T0 (INT64_C(1768437060) * NS_PER_S)
#define MIN (60 * NS_PER_S)

static struct incident *
example(void)
{
	struct incident *i = xcalloc(1, sizeof(*i));

	i->number = 17;
	i->code = 3721;
	i->kind = ANOMALY_DOWN;
	i->state = INC_OPEN;
	i->grade = 2;
	i->link_state = LINK_DOWN;
	i->figure = 1;
	strcpy(i->object_zh, "A云浦东外网专线");
	strcpy(i->object_en, "A-Pudong");
	strcpy(i->title_zh, "A云浦东外网专线中断");
	strcpy(i->title_en, "A-Pudong DOWN");
	i->first_fail.ns = i->outage_start.ns = i->opened.ns = T0;
	i->announced.ns = T0 + MIN;
	i->ack_due.ns = T0 + 16 * MIN;
	return i;
}

static void
drop(struct incident *i)
{
	incident_clear(i);
	free(i);
}

START_TEST(test_open)
{
	struct policy *p = policy_default();
	struct incident *i = example();
	struct message_facts f = { .event = MSG_OPEN, .inc = i, .now.ns = T0 + MIN };
	char buf[MESSAGE_SMS_BYTES];

	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】二级故障3721:A云浦东外网专线中断,08:31起,丢包100%,请15分钟内确认");
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_EN),
	    "[CloudReg] P2 3721 A-Pudong DOWN since 08:31 loss 100%, ack in 15m");
	i->kind = ANOMALY_LATENCY;
	i->figure = 37.2e6;
	i->limit = 10e6;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】二级告警3721:A云浦东外网专线时延升高,08:31起,38毫秒超限10,请15分钟内确认");
	i->kind = ANOMALY_LOSS;
	i->figure = 0.004;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】二级告警3721:A云浦东外网专线丢包,08:31起,丢包不足1%,请15分钟内确认");
	i->figure = 0.12;
	ck_assert_ptr_nonnull(strstr(message_sms(buf, sizeof(buf), p, &f, LANG_EN), "loss 12%"));
	i->kind = ANOMALY_UTILISATION;
	i->figure = 0.93;
	ck_assert_ptr_nonnull(strstr(message_sms(buf, sizeof(buf), p, &f, LANG_ZH), "负载过高,08:31起,达93%"));
	free(p->signature);
	p->signature = xstrdup("");
	ck_assert_int_ne((unsigned char)message_sms(buf, sizeof(buf), p, &f, LANG_ZH)[0], 0xe3);
	drop(i);
	policy_free(p);
}
END_TEST

START_TEST(test_life)
{
	struct policy *p = policy_default();
	struct incident *i = example();
	struct message_facts f = { .event = MSG_REMIND, .inc = i, .now.ns = T0 + 16 * MIN };
	char buf[MESSAGE_SMS_BYTES];

	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】催办:二级故障3721已15分钟未确认,A云浦东外网专线中断,请立即处理");
	f.event = MSG_RAISE;
	f.grade_from = 3;
	f.now.ns = T0 + 240 * MIN;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_EN),
	    "[CloudReg] RAISED 3721 P3 to P2: A-Pudong DOWN 4h, act and report");
	f.event = MSG_ACK;
	strcpy(i->handler, "张三");
	i->acked.ns = T0 + 8 * MIN;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】受理:二级故障3721已由张三于08:39确认");
	i->eta.ns = T0 + 89 * MIN;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】受理:二级故障3721已由张三于08:39确认,预计10:00恢复");
	f.event = MSG_RECOVER;
	i->outage_start.ns = 0;
	i->outage_ns = 41 * MIN;
	i->recovered.ns = T0 + 41 * MIN;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】恢复:二级故障3721,A云浦东外网专线09:12恢复,历时41分钟,请补报原因");
	f.event = MSG_PAST;
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】补报:二级故障3721,A云浦东外网专线曾于08:31至09:12中断,现已恢复");
	f.event = MSG_CLOSE;
	i->field[FIELD_ROOT_CAUSE] = xstrdup("光缆中断");
	i->field[FIELD_RESPONSIBLE] = xstrdup("A云");
	ck_assert_str_eq(message_sms(buf, sizeof(buf), p, &f, LANG_ZH),
	    "【云监管】办结:二级故障3721已闭环,原因光缆中断,责任A云,历时41分钟");
	drop(i);
	policy_free(p);
}
END_TEST

static struct message_facts
facts_of(int event, const struct incident *i)
{
	return (struct message_facts){ .event = (enum message_event)event,
		.inc = event >= MSG_STORM ? NULL : i, .now.ns = T0 + 100000 * MIN, .grade_from = 3,
		.note = "客户反映业务正常经核实为探针侧网络调整导致的误报请知悉并关注后续",
		.vendor_zh = "很长名字的云服务商甲乙丙丁戊己庚辛", .vendor_en = "a-vendor-with-a-very-long-name",
		.count = 4000000000u, .count_open = 4000000000u, .count_grade = { 4000000, 999999, 0, 0 },
		.period_ns = 100000 * MIN };
}

/* Every event in both languages with the longest of everything: 70 units, one line, no dots, no
 * half characters, and still the number that people need. */
START_TEST(test_never_too_long)
{
	struct policy *p = policy_default();
	struct incident *i = example();
	char buf[MESSAGE_SMS_BYTES];

	i->grade = 3;
	memset(i->object_zh, 0, sizeof(i->object_zh));
	for (int k = 0; k < 15; k++)
		strcat(i->object_zh, k % 5 == 0 ? "𠀀" : "链");
	strcpy(i->object_en, "Provincial-Government-Extranet-Backbone-Ring-West-Section");
	strcpy(i->handler, "欧阳明日上官婉儿司马相如诸葛孔明");
	i->kind = ANOMALY_LATENCY;
	i->figure = 123456789e6;
	i->limit = 123456e6;
	i->eta.ns = i->acked.ns = i->recovered.ns = T0;
	i->field[FIELD_ROOT_CAUSE] = xstrdup("道路施工单位挖断光缆造成多条业务中断并影响备用路由切换失败");
	i->field[FIELD_RESPONSIBLE] = xstrdup("某某省通信运营公司某某市分公司网络运维部");
	for (int e = 0; e < MSG_EVENTS; e++)
		for (int lang = LANG_ZH; lang <= LANG_EN; lang++) {
			struct message_facts f = facts_of(e, i);
			const char *s = message_sms(buf, sizeof(buf), p, &f, (enum policy_lang)lang);
			char *mail = message_mail(p, &f, (enum policy_lang)lang);
			char *subject = message_subject(p, &f, (enum policy_lang)lang);

			ck_assert_msg(utf_units(s) <= MESSAGE_SMS_UNITS, "%zu units: %s", utf_units(s), s);
			ck_assert_msg(utf_is_line(s), "no line: %s", s);
			ck_assert_msg(strpbrk(s, ".<>{}") == NULL, "a dot or a bracket: %s", s);
			ck_assert(f.inc == NULL || strstr(s, "3721") != NULL);
			ck_assert(utf_is_valid(mail, strlen(mail)));
			ck_assert(utf_is_line(subject));
			ck_assert(utf_units(subject) < 160);
			free(mail);
			free(subject);
		}
	drop(i);
	policy_free(p);
}
END_TEST

START_TEST(test_mail)
{
	struct policy *p = policy_default();
	struct incident *i = example();
	struct message_facts f = { .event = MSG_OPEN, .inc = i, .now.ns = T0 + MIN };
	char *mail;

	i->links = 70;
	for (int k = 0; k < INCIDENT_LINKS; k++) {
		strcpy(i->link_list[k].agent, "a1");
		strcpy(i->link_list[k].link, "gw");
		i->link_list[k].state = LINK_DOWN;
	}
	strcpy(i->located, "ambiguous: 3 or 4");
	mail = message_mail(p, &f, LANG_ZH);
	ck_assert_ptr_nonnull(strstr(mail, "首次失败：2026-01-15 08:31:00"));
	ck_assert_ptr_nonnull(strstr(mail, "定界：政务外网或云边界（不确定）"));
	ck_assert_ptr_nonnull(strstr(mail, "故障类型：中断"));
	ck_assert_ptr_nonnull(strstr(mail, "  a1/gw  中断"));
	ck_assert_ptr_nonnull(strstr(mail, "..."));
	ck_assert_ptr_nonnull(strstr(mail, "linkctl incident show 17"));
	free(mail);
	i->kind = ANOMALY_LOSS;
	i->figure = 0.0123;
	i->limit = 0.01;
	strcpy(i->located, "segment 7");
	mail = message_mail(p, &f, LANG_EN);
	ck_assert_ptr_nonnull(strstr(mail, "Loss: 1.230% (limit 1.000%)"));
	ck_assert_ptr_nonnull(strstr(mail, "Located: application\n"));
	ck_assert_ptr_nonnull(strstr(mail, "  a1/gw  down"));
	free(mail);
	drop(i);
	policy_free(p);
}
END_TEST

START_TEST(test_durations)
{
	char buf[32];

	ck_assert_str_eq(message_duration(buf, sizeof(buf), -5, LANG_ZH), "0秒");
	ck_assert_str_eq(message_duration(buf, sizeof(buf), 59 * NS_PER_S, LANG_EN), "59s");
	ck_assert_str_eq(message_duration(buf, sizeof(buf), 41 * MIN, LANG_ZH), "41分钟");
	ck_assert_str_eq(message_duration(buf, sizeof(buf), 119 * MIN, LANG_EN), "119m");
	ck_assert_str_eq(message_duration(buf, sizeof(buf), 120 * MIN, LANG_ZH), "2小时");
	ck_assert_str_eq(message_duration(buf, sizeof(buf), 72 * 60 * MIN, LANG_EN), "3d");
	ck_assert_str_eq(message_state(ANOMALY_DOWN, LANG_ZH), "中断");
	ck_assert_str_eq(message_state((enum anomaly_kind)99, LANG_EN), "FAULT");
	ck_assert_str_eq(message_event_name(MSG_STORM_END), "storm-end");
	ck_assert_str_eq(message_event_name(MSG_EVENTS), "?");
}
END_TEST

RUN_SUITE("message", test_open, test_life, test_never_too_long, test_mail, test_durations)
