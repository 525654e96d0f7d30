/*
 * snmp_glob.h - names of interfaces against a pattern (pure, fuzzed).
 *
 * '*' stands for any bytes, also none; '?' for one character (of UTF-8, or one
 * byte of what is not UTF-8); every other byte for itself.  The whole text must
 * match.  Time grows with pattern times text, never faster.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool snmp_glob(const char *pattern, const uint8_t *text, size_t n);
