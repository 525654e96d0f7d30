/*
 * adhoc_print.c - lines, tables, histograms and JSON.
 */
#include "agent/adhoc_print.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define BAR 40
#define SPARK 8
#define NS_PER_MS_F 1e6

static const char *const eighth[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };
static const char *const level_utf8[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const level_ascii[] = { " ", ".", ".", ":", "-", "=", "+", "*", "#" };

static uint32_t
beside(const struct adhoc_view *v, uint32_t cause)
{
	return v->more != NULL ? v->more->beside[cause] : 0;
}

/* ", timeout 3, duplicate 1"; first: what stands before the first one. */
static void
print_causes(FILE *f, const struct adhoc_view *v, const char *first)
{
	for (uint32_t c = 1; c <= CAUSE_MAX; c++) {
		uint32_t n = v->stats.cause[c] + beside(v, c);

		if (n == 0)
			continue;
		fprintf(f, "%s%s %" PRIu32, first, cause_name(c), n);
		first = ", ";
	}
	if (v->stats.pending > 0)
		fprintf(f, "%sstill in flight %" PRIu32, first, v->stats.pending);
}

static const char *
value_name(const struct adhoc_view *v, uint32_t role)
{
	if (role >= ROLE_OID0 && role - ROLE_OID0 < v->opts->oids)
		return v->opts->oid[role - ROLE_OID0];
	return value_role_name(role);
}

void
adhoc_print_fate(FILE *f, const char *name, uint32_t round, uint32_t fate, uint32_t causes)
{
	const char *between = "  ";

	fprintf(f, "%s: ", name);
	if (round != UINT32_MAX)
		fprintf(f, "%" PRIu32, round + 1);
	if (fate >= FATE_RTT)
		fprintf(f, "  %.3f ms", (double)fate_rtt(fate) / NS_PER_MS_F);
	else if (fate == CAUSE_NOT_SENT)
		fputs("  not sent", f);
	else if (fate != FATE_NONE)
		fprintf(f, "  %s: %s", fate_is_unsent(fate) ? "not counted" : "lost", cause_name(fate));
	for (uint32_t c = 1; c <= CAUSE_MAX; c++) {
		if ((causes & CAUSE_BIT(c)) == 0)
			continue;
		fprintf(f, "%s%s", between, cause_name(c));
		between = ", ";
	}
	fputc('\n', f);
	fflush(f);
}

/* ------------------------------------------------------------------ pictures */

static void
print_bar(FILE *f, uint32_t n, uint32_t most, bool utf8)
{
	uint64_t eighths = ((uint64_t)n * BAR * 8 + most - 1) / most;

	for (; eighths >= 8; eighths -= 8)
		fputs(utf8 ? eighth[8] : "#", f);
	if (eighths > 0)
		fputs(utf8 ? eighth[eighths] : "#", f);
}

void
adhoc_print_hist(FILE *f, const uint32_t *sorted, size_t n, bool utf8)
{
	struct adhoc_hist h;
	uint32_t most = 0;
	int decimals = 0;

	adhoc_hist(&h, sorted, n, n < ADHOC_ROWS * ADHOC_ROWS ? 4 + n / 18 : ADHOC_ROWS);
	for (size_t i = 0; i < h.rows; i++)
		most = h.count[i] > most ? h.count[i] : most;
	for (double w = h.width / NS_PER_MS_F; w < 0.999 && decimals < 6; w *= 10)
		decimals++;
	for (size_t i = 0; i < h.rows; i++) {
		bool last = h.open && i + 1 == h.rows;

		fprintf(f, "  %s%*.*f ms  ", last ? (utf8 ? "≥ " : "> ") : "  ", 9, decimals,
		    (h.base + (double)i * h.width) / NS_PER_MS_F);
		print_bar(f, h.count[i], most, utf8);
		fprintf(f, " %" PRIu32 "\n", h.count[i]);
	}
}

static void
print_spark(FILE *f, const struct adhoc_view *v, bool utf8)
{
	const char *const *level = utf8 ? level_utf8 : level_ascii;
	struct adhoc_hist h = { 0 };
	uint32_t most = 1;

	if (v->stats.received > 0)
		adhoc_hist(&h, v->sorted, v->stats.received, SPARK);
	for (size_t i = 0; i < h.rows; i++)
		most = h.count[i] > most ? h.count[i] : most;
	for (size_t i = 0; i < SPARK; i++)
		fputs(level[(h.count[i] * UINT64_C(8) + most - 1) / most], f);
}

/* -------------------------------------------------------------------- one target */

static double
loss(const struct adhoc_stats *s)
{
	return s->sent > 0 ? 100.0 * (s->sent - s->received) / s->sent : 0;
}

static void
print_values(FILE *f, const struct adhoc_view *v)
{
	for (uint32_t i = 0; v->more != NULL && i < v->more->values; i++)
		fprintf(f, "  %s = %.15g\n", value_name(v, v->more->value[i].role),
		    v->more->value[i].value);
}

void
adhoc_print_lone(FILE *f, const struct adhoc_view *v, bool utf8)
{
	const struct adhoc_stats *s = &v->stats;

	fprintf(f, "%s", v->name);
	if (v->address == NULL) {
		fprintf(f, ": no address: %s\n", v->more != NULL && v->more->error != NULL ?
		    v->more->error : "not looked up");
		return;
	}
	if (strcmp(v->name, v->address) != 0)
		fprintf(f, " (%s)", v->address);
	if (v->port != 0)
		fprintf(f, " port %u", v->port);
	fprintf(f, ": %s, %" PRIu32 " sent", probe_kind_name(v->opts->kind), s->sent);
	if (s->sent > 0)
		fprintf(f, ", %" PRIu32 " answered, %.1f %% lost", s->received, loss(s));
	print_causes(f, v, "; ");
	fputc('\n', f);
	print_values(f, v);
	if (s->received == 0)
		return;
	fprintf(f, "  min %.3f  median %.3f  p90 %.3f  max %.3f ms   PDV (p90 - min) %.3f ms\n",
	    s->min / NS_PER_MS_F, s->p50 / NS_PER_MS_F, s->p90 / NS_PER_MS_F, s->max / NS_PER_MS_F,
	    s->pdv / NS_PER_MS_F);
	if (s->received > 1)
		adhoc_print_hist(f, v->sorted, s->received, utf8);
}

/* ---------------------------------------------------------------------- a table */

void
adhoc_print_head(FILE *f, int width)
{
	fprintf(f, "%-*s %6s %6s  %7s %9s %9s %9s %9s %9s  ms\n", width, "target", "sent", "got",
	    "loss", "min", "median", "p90", "max", "PDV");
}

void
adhoc_print_row(FILE *f, const struct adhoc_view *v, int width, bool utf8)
{
	const struct adhoc_stats *s = &v->stats;

	fprintf(f, "%-*s ", width, v->name);
	if (v->address == NULL) {
		fprintf(f, "no address: %s\n", v->more != NULL && v->more->error != NULL ?
		    v->more->error : "not looked up");
		return;
	}
	fprintf(f, "%6" PRIu32 " %6" PRIu32, s->sent, s->received);
	if (s->sent > 0)
		fprintf(f, "  %5.1f %% ", loss(s));
	else
		fprintf(f, "  %7s ", "-");
	if (s->received > 0)
		fprintf(f, "%9.3f %9.3f %9.3f %9.3f %9.3f  ", s->min / NS_PER_MS_F,
		    s->p50 / NS_PER_MS_F, s->p90 / NS_PER_MS_F, s->max / NS_PER_MS_F,
		    s->pdv / NS_PER_MS_F);
	else
		fprintf(f, "%9s %9s %9s %9s %9s  ", "-", "-", "-", "-", "-");
	print_spark(f, v, utf8);
	print_causes(f, v, "  ");
	fputc('\n', f);
	print_values(f, v);
}

/* --------------------------------------------------------------------------- JSON */

static void
json_text(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void
json_number(FILE *f, const char *name, double v)
{
	if (isfinite(v))
		fprintf(f, ",\"%s\":%.0f", name, v);
	else
		fprintf(f, ",\"%s\":null", name);
}

static void
json_rtts(FILE *f, const struct adhoc_view *v)
{
	const char *comma = "";

	fputs(",\"rtt_ns\":[", f);
	for (uint32_t i = 0; i < v->opts->count; i++) {
		uint32_t fate = v->fate[i];

		if (fate == FATE_NONE || fate == FATE_PENDING || fate == FATE_EXCUSED)
			continue;
		if (fate >= FATE_RTT)
			fprintf(f, "%s%" PRId64, comma, fate_rtt(fate));
		else
			fprintf(f, "%snull", comma);
		comma = ",";
	}
	fputc(']', f);
}

static void
json_causes(FILE *f, const struct adhoc_view *v)
{
	const char *comma = "";

	fputs(",\"causes\":{", f);
	for (uint32_t c = 1; c <= CAUSE_MAX; c++) {
		uint32_t n = v->stats.cause[c] + beside(v, c);

		if (n == 0)
			continue;
		fprintf(f, "%s\"%s\":%" PRIu32, comma, cause_name(c), n);
		comma = ",";
	}
	fputc('}', f);
}

static void
json_values(FILE *f, const struct adhoc_view *v)
{
	if (v->more == NULL || v->more->values == 0)
		return;
	fputs(",\"values\":{", f);
	for (uint32_t i = 0; i < v->more->values; i++) {
		const struct sample_value *x = &v->more->value[i];

		fputs(i > 0 ? "," : "", f);
		json_text(f, value_name(v, x->role));
		if (isfinite(x->value))
			fprintf(f, ":%.17g", x->value);
		else
			fputs(":null", f);
	}
	fputc('}', f);
}

void
adhoc_print_json(FILE *f, const struct adhoc_view *v)
{
	const struct adhoc_stats *s = &v->stats;

	fputs("{\"target\":", f);
	json_text(f, v->name);
	fputs(",\"address\":", f);
	if (v->address != NULL)
		json_text(f, v->address);
	else
		fputs("null", f);
	if (v->port != 0)
		fprintf(f, ",\"port\":%u", v->port);
	fprintf(f, ",\"probe\":\"%s\"", probe_kind_name(v->opts->kind));
	if (v->more != NULL && v->more->error != NULL) {
		fputs(",\"error\":", f);
		json_text(f, v->more->error);
	}
	fprintf(f, ",\"sent\":%" PRIu32 ",\"received\":%" PRIu32, s->sent, s->received);
	if (s->sent > 0)
		fprintf(f, ",\"loss\":%.9g", loss(s) / 100);
	else
		fputs(",\"loss\":null", f);
	json_number(f, "min_ns", s->min);
	json_number(f, "median_ns", s->p50);
	json_number(f, "p90_ns", s->p90);
	json_number(f, "max_ns", s->max);
	json_number(f, "pdv_ns", s->pdv);
	json_rtts(f, v);
	json_causes(f, v);
	json_values(f, v);
	fputs("}\n", f);
}
