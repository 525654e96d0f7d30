/*
 * utf.h - UTF-8 text: is it valid, how long is it in a short message, how wide
 * on a terminal (pure, no locale).
 *
 * Strict: overlong forms, surrogates and numbers above U+10FFFF are invalid.
 * Functions that take a NUL-terminated string count an invalid byte as one
 * character of one unit and one column, so they never fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the character that s (len bytes) begins with, and its number in *cp.  0: none or
 * invalid; *cp is then not touched. */
size_t utf_next(const char *s, size_t len, uint32_t *cp);
bool utf_is_valid(const char *s, size_t len);
/* May cp stand in one line of a log or a message?  Not: control characters, line and paragraph
 * separators, marks that turn the direction of writing. */
bool utf_is_printable(uint32_t cp);
/* Are all characters valid and printable? */
bool utf_is_line(const char *s);

/* UTF-16 code units, as a gateway counts them: 2 for what lies beyond U+FFFF. */
size_t utf_units(const char *s);
/* Bytes of the longest beginning of s with at most so many units; never splits a character. */
size_t utf_cut(const char *s, size_t units);

/* Columns on a terminal: 2 for Chinese and other wide characters, 0 for combining marks. */
size_t utf_width(const char *s);
/* Bytes of the longest beginning of s that is at most so many columns wide. */
size_t utf_cut_width(const char *s, size_t columns);
