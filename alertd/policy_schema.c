/*
 * policy_schema.c - the keys of policy.yaml: one row each.
 */
#include "alertd/policy.h"

#define S NS_PER_S
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define KEY(strct, member, ...) { .offset = offsetof(struct strct, member), __VA_ARGS__ }
#define TIME(strct, member, key, dflt, low, high, text) \
	KEY(strct, member, .name = key, .type = CONF_DURATION, .def = dflt, .min = (low), \
	    .max = (high), .help = text)
#define INT(strct, member, key, dflt, low, high, text) \
	KEY(strct, member, .name = key, .type = CONF_INT, .def = dflt, .min = (low), \
	    .max = (high), .help = text)
#define RATIO(strct, member, key, dflt, text) \
	KEY(strct, member, .name = key, .type = CONF_RATIO, .def = dflt, .help = text)
#define STR(strct, member, key, text) \
	KEY(strct, member, .name = key, .type = CONF_STR, .help = text)
#define ID(strct, member, key, text) \
	KEY(strct, member, .name = key, .type = CONF_ID, .help = text)
#define LIST(strct, member, key, kind, text) \
	KEY(strct, member, .name = key, .type = kind, .help = text)
#define MAP(strct, member, key, schema, text) \
	KEY(strct, member, .name = key, .type = CONF_MAP, .sub = &(schema), .help = text)
#define MAPS(strct, member, key, schema, text) \
	KEY(strct, member, .name = key, .type = CONF_MAP_LIST, .sub = &(schema), .help = text)
#define SCHEMA(id, what, strct, rows) \
	static const struct conf_schema id = { .noun = what, .size = sizeof(struct strct), \
		.keys = rows, .where = SIZE_MAX }
#define SCHEMA_AT(id, what, strct, rows) \
	static const struct conf_schema id = { .noun = what, .size = sizeof(struct strct), \
		.keys = rows, .where = offsetof(struct strct, where) }

static const char *const segment_names[] = {
	"user", "access", "extranet", "edge", "vpc", "host", "app", NULL
};
static const char *const loss_names[] = { "extreme", "serious", "moderate", "minor", NULL };
static const char *const state_names[] = { "down", "degraded", "any", NULL };
static const char *const severity_names[] = { "critical", "major", "minor", "info", NULL };
static const char *const lang_names[] = { "zh", "en", NULL };

static const struct conf_key down_keys[] = {
	INT(policy_down, after_a, "class_a", "3", 1, 1000, "Lost steps in a row: class A."),
	INT(policy_down, after_b, "class_b", "3", 1, 1000, "The same, class B."),
	INT(policy_down, after_c, "class_c", "5", 1, 1000, "The same, class C."),
	INT(policy_down, up_after, "up_after", "2", 1, 1000, "Good steps in a row that end it."),
	INT(policy_down, snmp_after, "snmp_after", "2", 1, 1000,
	    "SNMP: readings in a row with ifOperStatus not up, or without an answer."),
	{ 0 }
};
SCHEMA(down_schema, "down", policy_down, down_keys);

static const struct conf_key loss_keys[] = {
	RATIO(policy_loss, warning, "warning", "0.1%", "Limit over the warning window; 0: none."),
	RATIO(policy_loss, critical, "critical", "1%", "Limit over the critical window; 0: none."),
	TIME(policy_loss, warning_window, "warning_window", "1h", MINUTE, DAY,
	    "Made longer where the limit needs more packets to be seen."),
	TIME(policy_loss, critical_window, "critical_window", "15m", MINUTE, DAY, "The same."),
	INT(policy_loss, min_lost, "min_lost", "3", 1, 1000, "Fewer lost packets prove nothing."),
	RATIO(policy_loss, confidence, "confidence", "95%",
	    "That the true ratio is above the limit."),
	RATIO(policy_loss, hysteresis, "hysteresis", "20%", "Ends so far below the limit."),
	{ 0 }
};
SCHEMA(loss_schema, "loss", policy_loss, loss_keys);

static const struct conf_key latency_keys[] = {
	TIME(policy_latency, slot, "slot", "1m", S, HOUR, "Slots that are judged one by one."),
	INT(policy_latency, bad, "bad", "3", 1, 15, "So many bad slots raise it ..."),
	INT(policy_latency, of, "of", "5", 1, 15, "... of the last so many."),
	RATIO(policy_latency, share, "share", "5%",
	    "Packets above the limit that make a slot bad (5%: its 95th percentile)."),
	RATIO(policy_latency, hysteresis, "hysteresis", "20%", "Ends so far below the limit."),
	{ 0 }
};
SCHEMA(latency_schema, "latency", policy_latency, latency_keys);

static const struct conf_key segment_keys[] = {
	KEY(policy_segment, segment, .name = "segment", .type = CONF_ENUM,
	    .flags = CONF_REQUIRED | CONF_UNIQUE, .min = SEG_USER, .max = SEG_APP,
	    .names = segment_names, .help = "Of links.yaml."),
	TIME(policy_segment, rtt_warning, "rtt_warning", "0s", 0, 60 * S, "RTT; 0s: none."),
	TIME(policy_segment, rtt_critical, "rtt_critical", "0s", 0, 60 * S, "RTT; 0s: none."),
	{ 0 }
};
SCHEMA_AT(segment_schema, "segment", policy_segment, segment_keys);

static const struct conf_key service_keys[] = {
	INT(policy_service, after, "after", "3", 1, 1000, "Steps in a row in which every connection is refused, or has no TLS."),
	{ 0 }
};
SCHEMA(service_schema, "service", policy_service, service_keys);

static const struct conf_key snmp_keys[] = {
	RATIO(policy_snmp, utilisation_warning, "utilisation_warning", "70%", "Of the speed."),
	RATIO(policy_snmp, utilisation_critical, "utilisation_critical", "85%", "The same."),
	RATIO(policy_snmp, load_warning, "load_warning", "80%", "CPU, memory, storage."),
	RATIO(policy_snmp, load_critical, "load_critical", "90%", "The same."),
	KEY(policy_snmp, errors, .name = "errors", .type = CONF_DOUBLE, .def = "1", .min = 0,
	    .max = 1000000, .help = "Errors and discards per second; 0: none."),
	TIME(policy_snmp, slot, "slot", "1m", S, HOUR, "Slots that are judged one by one."),
	INT(policy_snmp, bad, "bad", "3", 1, 15, "So many bad slots raise it ..."),
	INT(policy_snmp, of, "of", "5", 1, 15, "... of the last so many."),
	{ 0 }
};
SCHEMA(snmp_schema, "snmp", policy_snmp, snmp_keys);

static const struct conf_key silent_keys[] = {
	TIME(policy_silent, after, "after", "15s", S, DAY, "No word from an agent for so long ..."),
	INT(policy_silent, steps, "steps", "3", 1, 100,
	    "... and for so many steps of its quickest link."),
	{ 0 }
};
SCHEMA(silent_schema, "silent", policy_silent, silent_keys);

static const struct conf_key clock_keys[] = {
	TIME(policy_clock, offset, "offset", "1s", 1000000, DAY,
	    "Between an agent's clock and the collector's."),
	INT(policy_clock, reports, "reports", "3", 1, 100, "Reports in a row that show it."),
	{ 0 }
};
SCHEMA(clock_schema, "clock", policy_clock, clock_keys);

static const struct conf_key self_keys[] = {
	TIME(policy_self, feed_after, "feed_after", "30s", S, DAY,
	    "No feed from the collector for so long."),
	TIME(policy_self, collector_after, "collector_after", "30s", S, DAY,
	    "The collector gave no sign of life for so long."),
	TIME(policy_self, certificate, "certificate", "30d", 0, 365 * DAY,
	    "An agent's certificate ends within so long; 0s: not watched."),
	{ 0 }
};
SCHEMA(self_schema, "self", policy_self, self_keys);

#define ROW_KEYS(id, e, s, m, n) \
	static const struct conf_key id[] = { \
		INT(policy_matrix_row, grade[0], "extreme", e, 1, 4, "Grade."), \
		INT(policy_matrix_row, grade[1], "serious", s, 1, 4, "Grade."), \
		INT(policy_matrix_row, grade[2], "moderate", m, 1, 4, "Grade."), \
		INT(policy_matrix_row, grade[3], "minor", n, 1, 4, "Grade."), \
		{ 0 } \
	}
ROW_KEYS(row_a_keys, "1", "2", "3", "4");
ROW_KEYS(row_b_keys, "2", "3", "4", "4");
ROW_KEYS(row_c_keys, "3", "4", "4", "4");
SCHEMA(row_a_schema, "class", policy_matrix_row, row_a_keys);
SCHEMA(row_b_schema, "class", policy_matrix_row, row_b_keys);
SCHEMA(row_c_schema, "class", policy_matrix_row, row_c_keys);

static const struct conf_key matrix_keys[] = {
	MAP(policy_matrix, a, "A", row_a_schema, "Core, backbone, cloud edge."),
	MAP(policy_matrix, b, "B", row_b_schema, "District backbone, departments' own lines."),
	MAP(policy_matrix, c, "C", row_c_schema, "All others."),
	{ 0 }
};
SCHEMA(matrix_schema, "matrix", policy_matrix, matrix_keys);

static const struct conf_key rule_keys[] = {
	KEY(policy_rule, loss, .name = "loss", .type = CONF_ENUM, .flags = CONF_REQUIRED,
	    .min = LOSS_EXTREME, .max = LOSS_MINOR, .names = loss_names,
	    .help = "Column of the matrix."),
	KEY(policy_rule, state, .name = "state", .type = CONF_ENUM, .def = "down",
	    .min = RULE_DOWN, .max = RULE_ANY, .names = state_names, .help = "Of the link."),
	KEY(policy_rule, severity, .name = "severity", .type = CONF_ENUM, .def = "info",
	    .min = SEVERITY_CRITICAL, .max = SEVERITY_INFO, .names = severity_names,
	    .help = "Of the anomaly: at least so severe."),
	TIME(policy_rule, after, "after", "0s", 0, 30 * DAY, "Lasting so long."),
	RATIO(policy_rule, vendor_share, "vendor_share", "0",
	    "With this part of the vendor's class A and B links down at once."),
	INT(policy_rule, links, "links", "1", 1, 100000, "And at least so many of them."),
	{ 0 }
};
SCHEMA_AT(rule_schema, "rule", policy_rule, rule_keys);

static const struct conf_key fixed_keys[] = {
	INT(policy_fixed, silent, "silent", "3", 1, 4, "An agent is silent."),
	INT(policy_fixed, clock, "clock", "4", 1, 4, "An agent's clock is wrong."),
	INT(policy_fixed, self, "self", "3", 1, 4, "The monitor itself is at fault."),
	{ 0 }
};
SCHEMA(fixed_schema, "fixed", policy_fixed, fixed_keys);

#define LIMIT_KEYS(id, ack, recover_, progress_, remind_, group_, tell_, hold_, raise_) \
	static const struct conf_key id[] = { \
		TIME(policy_limits, acknowledge, "acknowledge", ack, 0, 30 * DAY, \
		    "To be acknowledged within; 0s: no limit."), \
		TIME(policy_limits, recover, "recover", recover_, 0, 30 * DAY, \
		    "To be recovered within; 0s: no limit."), \
		TIME(policy_limits, progress, "progress", progress_, 0, 30 * DAY, \
		    "Acknowledged and not recovered: a reminder so often; 0s: none."), \
		TIME(policy_limits, remind, "remind", remind_, 0, 30 * DAY, \
		    "Not acknowledged: a reminder so often; 0s: none."), \
		INT(policy_limits, remind_max, "remind_max", "6", 0, 1000, \
		    "So many reminders at most."), \
		TIME(policy_limits, group, "group", group_, 0, DAY, \
		    "What breaks so soon after and is related is the same fault."), \
		TIME(policy_limits, tell, "tell", tell_, 0, DAY, \
		    "The first message waits so long, to name what broke together."), \
		TIME(policy_limits, hold, "hold", hold_, 0, DAY, \
		    "Clean so long before it counts as recovered."), \
		TIME(policy_limits, watch, "watch", "10m", 0, 30 * DAY, \
		    "Clean so long before it may be closed."), \
		KEY(policy_limits, raise, .name = "raise", .type = CONF_BOOL, .def = raise_, \
		    .help = "One grade up when the recovery limit expires."), \
		{ 0 } \
	}
LIMIT_KEYS(limit1_keys, "10m", "2h", "30m", "10m", "30s", "5s", "5m", "false");
LIMIT_KEYS(limit2_keys, "15m", "4h", "1h", "15m", "1m", "5s", "5m", "true");
LIMIT_KEYS(limit3_keys, "30m", "8h", "4h", "30m", "1m", "5s", "2m", "true");
LIMIT_KEYS(limit4_keys, "2h", "3d", "0s", "0s", "5m", "1m", "2m", "true");
SCHEMA(limit1_schema, "grade", policy_limits, limit1_keys);
SCHEMA(limit2_schema, "grade", policy_limits, limit2_keys);
SCHEMA(limit3_schema, "grade", policy_limits, limit3_keys);
SCHEMA(limit4_schema, "grade", policy_limits, limit4_keys);

struct policy_all_limits { struct policy_limits grade[GRADES]; };
static const struct conf_key limits_keys[] = {
	MAP(policy_all_limits, grade[0], "grade_1", limit1_schema, "Gravest."),
	MAP(policy_all_limits, grade[1], "grade_2", limit2_schema, "Grave."),
	MAP(policy_all_limits, grade[2], "grade_3", limit3_schema, "Larger."),
	MAP(policy_all_limits, grade[3], "grade_4", limit4_schema, "Ordinary."),
	{ 0 }
};
SCHEMA(limits_schema, "limits", policy_all_limits, limits_keys);

static const struct conf_key flap_keys[] = {
	INT(policy_flap, changes, "changes", "4", 2, 8, "Between up and down, so many ..."),
	TIME(policy_flap, within, "within", "1h", MINUTE, DAY, "... within so long are flapping."),
	TIME(policy_flap, mute, "mute", "2h", 0, DAY, "No messages about changes for so long."),
	TIME(policy_flap, settle, "settle", "10m", 10 * S, DAY,
	    "In one state for so long: that is the verdict."),
	{ 0 }
};
SCHEMA(flap_schema, "flapping", policy_flap, flap_keys);

static const struct conf_key storm_keys[] = {
	INT(policy_storm, incidents, "incidents", "10", 2, 15, "More new ones of a vendor ..."),
	TIME(policy_storm, within, "within", "5m", S, HOUR, "... within so long are a storm."),
	TIME(policy_storm, every, "every", "15m", S, DAY, "One summary so often."),
	{ 0 }
};
SCHEMA(storm_schema, "storm", policy_storm, storm_keys);

static const struct conf_key budget_keys[] = {
	INT(policy_budget, minute, "per_minute", "3", 1, 50, "Short messages to one person."),
	INT(policy_budget, hour, "per_hour", "10", 1, 50, "The same."),
	INT(policy_budget, day, "per_day", "50", 1, 50, "The same, in 24 hours."),
	RATIO(policy_budget, reserve, "reserve", "50%", "Of each, for grades 1 and 2 alone."),
	{ 0 }
};
SCHEMA(budget_schema, "budget", policy_budget, budget_keys);

static const struct conf_key quiet_keys[] = {
	KEY(policy_quiet, from, .name = "from", .type = CONF_STR, .def = "22:00",
	    .help = "UTC+8; the same as `to`: no quiet hours."),
	KEY(policy_quiet, to, .name = "to", .type = CONF_STR, .def = "07:00", .help = "UTC+8."),
	INT(policy_quiet, grade, "grade", "3", 2, 4, "This grade and lower ones wait."),
	{ 0 }
};
SCHEMA(quiet_schema, "quiet", policy_quiet, quiet_keys);

static const struct conf_key digest_keys[] = {
	KEY(policy_digest, at, .name = "at", .type = CONF_STR, .def = "09:00", .help = "UTC+8."),
	INT(policy_digest, grade, "grade", "4", 2, 5,
	    "This grade and lower ones are told only in the daily digest; 5: none."),
	{ 0 }
};
SCHEMA(digest_schema, "digest", policy_digest, digest_keys);

static const struct conf_key life_keys[] = {
	TIME(policy_life, relapse, "relapse", "24h", 0, 30 * DAY,
	    "A fault that returns within so long is the same incident."),
	TIME(policy_life, lapse, "lapse", "30m", 0, 30 * DAY,
	    "So long after the promised end an acknowledgement is void; 0s: never."),
	TIME(policy_life, keep, "keep", "7d", MINUTE, 365 * DAY,
	    "Closed ones are archived after so long."),
	TIME(policy_life, hold_stale, "hold_stale", "15m", 0, DAY,
	    "A fault found in a backlog waits so long for the present before it is told."),
	KEY(policy_life, announce_past, .name = "announce_past", .type = CONF_BOOL, .def = "true",
	    .help = "Tell of faults that were over before they could be told."),
	{ 0 }
};
SCHEMA(life_schema, "life", policy_life, life_keys);

static const struct conf_key contact_keys[] = {
	KEY(policy_contact, id, .name = "id", .type = CONF_ID,
	    .flags = CONF_REQUIRED | CONF_UNIQUE, .help = "Named in routes and in messages."),
	STR(policy_contact, name, "name", "As in messages."),
	STR(policy_contact, name_en, "name_en", "The same in English."),
	KEY(policy_contact, lang, .name = "lang", .type = CONF_ENUM, .def = "zh",
	    .names = lang_names, .help = "Of the messages to this person."),
	STR(policy_contact, phone, "phone", "Digits, perhaps a + in front."),
	STR(policy_contact, mail, "mail", "Mail address."),
	KEY(policy_contact, role, .name = "role", .type = CONF_ID, .def = "duty",
	    .help = "What routes and escalation steps name."),
	ID(policy_contact, vendor, "vendor", "Hears of this vendor's links alone."),
	{ 0 }
};
SCHEMA_AT(contact_schema, "contact", policy_contact, contact_keys);

static const struct conf_key route_keys[] = {
	INT(policy_route, grade, "grade", "4", 1, 4, "This grade and graver ones."),
	ID(policy_route, vendor, "vendor", "Only this vendor's."),
	STR(policy_route, kind, "kind", "Only this kind of fault (down, silent, self ...)."),
	LIST(policy_route, contacts, "contacts", CONF_ID_LIST, "These people ..."),
	LIST(policy_route, roles, "roles", CONF_ID_LIST, "... and all of these roles."),
	LIST(policy_route, channels, "channels", CONF_ID_LIST,
	    "One message on each (alertd.yaml names them)."),
	LIST(policy_route, fallback, "fallback", CONF_ID_LIST,
	    "Taken in this order when a channel fails."),
	{ 0 }
};
SCHEMA_AT(route_schema, "route", policy_route, route_keys);

struct grade_times { int64_t ns[GRADES]; };
static const struct conf_key grade_time_keys[] = {
	TIME(grade_times, ns[0], "grade_1", "0s", 0, 30 * DAY, "0s: never."),
	TIME(grade_times, ns[1], "grade_2", "0s", 0, 30 * DAY, "0s: never."),
	TIME(grade_times, ns[2], "grade_3", "0s", 0, 30 * DAY, "0s: never."),
	TIME(grade_times, ns[3], "grade_4", "0s", 0, 30 * DAY, "0s: never."),
	{ 0 }
};
SCHEMA(grade_time_schema, "time", grade_times, grade_time_keys);

static const struct conf_key step_keys[] = {
	LIST(policy_step, roles, "roles", CONF_ID_LIST, "All of these roles ..."),
	LIST(policy_step, contacts, "contacts", CONF_ID_LIST, "... and these people are told,"),
	LIST(policy_step, channels, "channels", CONF_ID_LIST, "on each of these channels,"),
	MAP(policy_step, unacked, "unacknowledged", grade_time_schema,
	    "so long after it was told, if nobody acknowledged it,"),
	MAP(policy_step, unrecovered, "unrecovered", grade_time_schema,
	    "or if it has not recovered."),
	{ 0 }
};
SCHEMA_AT(step_schema, "step", policy_step, step_keys);

static const struct conf_key window_keys[] = {
	KEY(policy_window, name, .name = "name", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "As in reports."),
	KEY(policy_window, from, .name = "from", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "\"2026-01-10 23:00\" at UTC+8."),
	KEY(policy_window, to, .name = "to", .type = CONF_STR, .flags = CONF_REQUIRED,
	    .help = "The same."),
	ID(policy_window, vendor, "vendor", "Only this vendor's links."),
	ID(policy_window, agent, "agent", "Only this agent's links."),
	LIST(policy_window, links, "links", CONF_ID_LIST, "Only these; none: all."),
	{ 0 }
};
SCHEMA_AT(window_schema, "window", policy_window, window_keys);

static const struct conf_key policy_keys[] = {
	MAPS(policy, contacts, "contacts", contact_schema, "Who may be told."),
	MAPS(policy, routes, "routes", route_schema, "Who is told of what at once."),
	MAPS(policy, escalation, "escalation", step_schema, "Who is told later, and when."),
	LIST(policy, sms_channels, "sms_channels", CONF_ID_LIST,
	    "Channels that carry short texts to phones; the budget counts them."),
	LIST(policy, mail_channels, "mail_channels", CONF_ID_LIST,
	    "Channels that carry long texts to mail addresses."),
	ID(policy, trap_channel, "trap_channel",
	    "Channel of SNMP notifications: opened, raised, recovered, closed."),
	KEY(policy, signature, .name = "signature", .type = CONF_STR, .def = "云监管",
	    .help = "In front of short messages; empty: the gateway adds one."),
	KEY(policy, signature_en, .name = "signature_en", .type = CONF_STR, .def = "CloudReg",
	    .help = "The same in English."),
	MAP(policy, down, "down", down_schema, "When a link is down."),
	MAP(policy, loss, "loss", loss_schema, "When it loses too much."),
	MAP(policy, latency, "latency", latency_schema, "When it is too slow."),
	MAPS(policy, segments, "segments", segment_schema,
	    "Limits of RTT by segment, where links.yaml sets none."),
	MAP(policy, service, "service", service_schema, "When a service refuses."),
	MAP(policy, snmp, "snmp", snmp_schema, "What devices report."),
	MAP(policy, silent, "silent", silent_schema, "When an agent is silent."),
	MAP(policy, clock, "clock", clock_schema, "When an agent's clock is wrong."),
	MAP(policy, self, "self", self_schema, "When the monitor itself is at fault."),
	MAP(policy, matrix, "matrix", matrix_schema, "Grade from class and loss."),
	MAPS(policy, rules, "rules", rule_schema,
	    "What loss means; the first row that fits decides, none: minor."),
	MAP(policy, fixed, "fixed", fixed_schema, "Grades of faults that have no link."),
	MAP(policy, limits, "limits", limits_schema, "Time limits of each grade."),
	MAP(policy, flap, "flapping", flap_schema, "Links that come and go."),
	MAP(policy, storm, "storm", storm_schema, "Many at once."),
	MAP(policy, budget, "budget", budget_schema, "Limits of short messages."),
	MAP(policy, quiet, "quiet", quiet_schema, "Hours of the night."),
	MAP(policy, digest, "digest", digest_schema, "The daily digest."),
	MAP(policy, life, "life", life_schema, "The life of an incident."),
	MAPS(policy, planned, "planned", window_schema,
	    "Approved maintenance: recorded, not told, and out of the availability sum."),
	MAPS(policy, guarded, "guarded", window_schema,
	    "Times of special care: everything is one grade graver, nothing waits for morning."),
	{ 0 }
};

const struct conf_schema policy_schema = {
	.noun = "policy", .size = sizeof(struct policy), .keys = policy_keys,
	.where = offsetof(struct policy, where),
};
