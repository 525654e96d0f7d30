/*
 * metrics.h - writes figures in Prometheus' text format, version 0.0.4 (pure).
 *
 * A family is begun once, then its samples follow; names and help are ours,
 * the values of labels may be anybody's UTF-8 and are escaped.
 */
#pragma once

struct evbuffer;

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics { struct evbuffer *out; const char *name; };

/* type: "gauge" or "counter" (whose name then ends in _total). */
void metrics_family(struct metrics *, const char *name, const char *type, const char *help);
/* One sample of the family: labels are name, value, name, value ... ended by NULL.  A value that is no number is left out. */
void metrics_add(struct metrics *, double value, ...) __attribute__((sentinel));
/* A family of one sample without labels. */
void metrics_one(struct metrics *, const char *name, const char *type, const char *help, double value);
