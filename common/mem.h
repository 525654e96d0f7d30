/*
 * mem.h - allocation that cannot fail: out of memory ends the process (the
 * supervisor restarts it, the journal keeps the data).  Sizes that a peer
 * chose are bounded before they come here.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* All of these abort when there is no memory; free() what they return. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
/* n elements of size bytes, zeroed. */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* p grown or shrunk to n elements of size bytes. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
