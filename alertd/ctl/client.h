/*
 * client.h - one request to alertd's control socket and its answer.
 */
#pragma once

#include <stddef.h>

struct json_t;

enum client_result {
	CLIENT_OK = 0,			/* *data is owned by the caller */
	CLIENT_REFUSED,			/* *data is the error object: code, zh, en */
	CLIENT_AWAY,			/* nobody listens, or it does not answer: a line in why */
};

/* Waits at most 30 s.  args (may be NULL) is taken over. */
enum client_result client_call(const char *socket, const char *cmd, struct json_t *args,
    struct json_t **data, char *why, size_t n);
