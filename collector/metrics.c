/*
 * metrics.c - the text format of Prometheus.
 */
#include "collector/metrics.h"

#include <event2/buffer.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

void
metrics_family(struct metrics *m, const char *name, const char *type, const char *help)
{
	m->name = name;
	evbuffer_add_printf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_escaped(struct evbuffer *out, const char *s)
{
	while (*s != '\0') {
		size_t plain = strcspn(s, "\\\"\n");

		evbuffer_add(out, s, plain);
		s += plain;
		if (*s == '\0')
			return;
		evbuffer_add(out, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\", 2);
		s++;
	}
}

void
metrics_add(struct metrics *m, double value, ...)
{
	const char *label, *sep = "{";
	va_list ap;

	if (!isfinite(value))
		return;
	evbuffer_add(m->out, m->name, strlen(m->name));
	va_start(ap, value);
	while ((label = va_arg(ap, const char *)) != NULL) {
		evbuffer_add_printf(m->out, "%s%s=\"", sep, label);
		add_escaped(m->out, va_arg(ap, const char *));
		evbuffer_add(m->out, "\"", 1);
		sep = ",";
	}
	va_end(ap);
	evbuffer_add_printf(m->out, "%s %.15g\n", *sep == ',' ? "}" : "", value);
}

void
metrics_one(struct metrics *m, const char *name, const char *type, const char *help, double value)
{
	if (!isfinite(value))
		return;
	metrics_family(m, name, type, help);
	metrics_add(m, value, NULL);
}
