/*
 * client.c - see client.h.
 */
#include "alertd/ctl/client.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control.h"
#include "common/mem.h"

#define WAIT_S 30

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const struct timeval wait = { WAIT_S, 0 };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EPIPE;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* One line, malloc'd, or NULL with errno. */
static char *
read_line(int fd)
{
	size_t size = 64 * 1024, n = 0;
	char *buf = xmalloc(size), *end = NULL;

	while (end == NULL && n <= CONTROL_LINE_MAX) {
		ssize_t r;
		if (n + 1 == size)
			buf = xreallocarray(buf, size *= 2, 1);
		r = recv(fd, buf + n, size - n - 1, 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			errno = r == 0 ? ECONNRESET : errno;
			break;
		}
		end = memchr(buf + n, '\n', (size_t)r);
		n += (size_t)r;
	}
	if (end != NULL) {
		*end = '\0';
		return buf;
	}
	if (n > CONTROL_LINE_MAX)
		errno = EMSGSIZE;
	free(buf);
	return NULL;
}

static enum client_result
take_answer(const char *line, json_t **data, char *why, size_t n)
{
	json_t *json = json_loads(line, 0, NULL);
	json_t *error = json_object_get(json, "error");
	enum client_result res = CLIENT_AWAY;

	if (json_is_true(json_object_get(json, "ok"))) {
		*data = json_incref(json_object_get(json, "data"));
		res = CLIENT_OK;
	} else if (json_is_object(error)) {
		*data = json_incref(error);
		res = CLIENT_REFUSED;
	} else {
		snprintf(why, n, "its answer cannot be read");
	}
	json_decref(json);
	return res;
}

enum client_result
client_call(const char *path, const char *cmd, json_t *args, json_t **data, char *why, size_t n)
{
	json_t *request = json_pack("{si ss so*}", "id", 1, "cmd", cmd, "args", args);
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	enum client_result res = CLIENT_AWAY;
	int fd = dial(path);

	*data = NULL;
	if (fd < 0 || text == NULL) {
		snprintf(why, n, "%s", text == NULL ? "a text is no UTF-8" : strerror(-fd));
	} else if (send_all(fd, text, strlen(text)) != 0 || send_all(fd, "\n", 1) != 0 ||
		   (line = read_line(fd)) == NULL) {
		snprintf(why, n, "%s", errno == EAGAIN ? "no answer in time" : strerror(errno));
	} else {
		res = take_answer(line, data, why, n);
	}
	if (fd >= 0)
		close(fd);
	free(line);
	free(text);
	json_decref(request);
	return res;
}
