/*
 * log.h - one line for each change of state, subject first.
 *
 * To stderr, as "2026-01-15 08:31:07 warning link=sh-gw: down after 3 steps"
 * (or with <N> prefixes when under systemd's journal).  Control characters in
 * arguments come out escaped.  log_init() is called by main; the only state.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

enum log_level {
	LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFORM = 6, LOG_DEBUGGING = 7,
};

void log_init(const char *program, enum log_level max);
void log_set_level(enum log_level max);
/* Stamps and minutes by this clock from now on; borrowed, outlives the process.  For tests. */
void log_set_clock(const struct clock *);
void log_msg(enum log_level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_inform(...)  log_msg(LOG_INFORM, __VA_ARGS__)
#define log_debug(...)   log_msg(LOG_DEBUGGING, __VA_ARGS__)

/* At most `burst` lines per `key` and minute; says how many were left out. */
void log_limited(enum log_level, const char *key, int burst, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Copies s with every byte that is no printable UTF-8 as \xNN; returns out. */
char *log_escape(char *out, size_t n, const char *s, size_t len);
