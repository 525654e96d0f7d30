/*
 * web_users.c - reads the users' file and checks passwords with scrypt.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/web_users.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"

#define FILE_MAX (1024 * 1024)
#define LOG_N 15
#define SCRYPT_MEMORY (UINT64_C(256) * 1024 * 1024)

bool
secret_from_hex(uint8_t *out, size_t n, const char *s)
{
	if (strlen(s) != 2 * n)
		return false;
	for (size_t i = 0; i < 2 * n; i += 2) {
		char two[3] = { s[i], s[i + 1], 0 }, *end;
		unsigned long v;

		if (strspn(two, "0123456789abcdef") != 2)
			return false;
		v = strtoul(two, &end, 16);
		out[i / 2] = (uint8_t)v;
	}
	return true;
}

void
secret_to_hex(char *out, const uint8_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", v[i]);
}

/* Takes one line apart; NULL or what is wrong with it. */
static const char *
parse_line(char *line, struct user *u)
{
	char *save = NULL, *name = strtok_r(line, ":", &save), *role = strtok_r(NULL, ":", &save);
	char *secret = strtok_r(NULL, "", &save), salt[64], hash[128], tail;

	if (name == NULL || role == NULL || secret == NULL)
		return "expected NAME:ROLE:scrypt$...";
	if (!id_is_valid(name) || strlen(name) > SESSION_USER_MAX)
		return "the name is no id ([a-z0-9][a-z0-9-]*, at most 63)";
	if (!web_role_parse(role, &u->role, u->vendor))
		return "the role is none of viewer, operator, admin, vendor=ID";
	if (sscanf(secret, "scrypt$%2u$%2u$%2u$%63[0-9a-f]$%127[0-9a-f]%c", &u->log_n, &u->r, &u->p,
	    salt, hash, &tail) != 5)
		return "expected scrypt$LOGN$R$P$SALT$HASH as `passwd` writes it";
	if (u->log_n < 10 || u->log_n > 17 || u->r < 1 || u->r > 8 || u->p < 1 || u->p > 4 ||
	    !secret_from_hex(u->salt, sizeof u->salt, salt) || !secret_from_hex(u->hash, sizeof u->hash, hash))
		return "scrypt figures out of range";
	snprintf(u->name, sizeof u->name, "%s", name);
	return NULL;
}

static void
take_line(char *line, int number, const char *name, struct users *out, struct conf_errors *errs)
{
	struct conf_where at = { number, 1 };
	struct user u = { 0 };
	const char *wrong;

	line[strcspn(line, "#\r")] = '\0';
	if (line[strspn(line, " \t")] == '\0')
		return;
	wrong = parse_line(line + strspn(line, " \t"), &u);
	if (wrong == NULL && users_find(out, u.name) != NULL)
		wrong = "this name stands twice";
	if (wrong == NULL && out->n == USERS_MAX)
		wrong = "too many users";
	if (wrong != NULL) {
		conf_error(errs, name, at, "%s", wrong);
		return;
	}
	out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
	out->v[out->n++] = u;
}

int
users_parse(const char *text, size_t len, const char *name, struct users *out,
    struct conf_errors *errs)
{
	char *copy = xstrndup(text, len), *line, *rest = copy;
	int number = 0;

	*out = (struct users){ 0 };
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(line, ++number, name, out, errs);
	OPENSSL_cleanse(copy, strlen(copy));
	free(copy);
	return conf_failed(errs) ? -EINVAL : 0;
}

char *
secret_file_read(const char *path, size_t *len, struct conf_errors *errs)
{
	const struct conf_where top = { 1, 1 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st = { 0 };
	char *text;

	if (f == NULL || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		conf_error(errs, path, top, "%s", f != NULL && !S_ISREG(st.st_mode) ? "no plain file" :
		    strerror(errno));
		if (f != NULL)
			fclose(f);
		return NULL;
	}
	if ((st.st_mode & 077) != 0)
		conf_warning(errs, path, top, "others may read the secrets: chmod 600");
	text = xmalloc(FILE_MAX);
	*len = fread(text, 1, FILE_MAX, f);
	fclose(f);
	if (*len < FILE_MAX && memchr(text, '\0', *len) == NULL)
		return text;
	if (*len < FILE_MAX)		/* what stands behind it would not be read */
		conf_error(errs, path, top, "a byte of zero in it");
	else
		conf_error(errs, path, top, "longer than %d bytes", FILE_MAX);
	free(text);
	return NULL;
}

int
secret_file_write(const char *path, const char *text)
{
	char *tmp = xasprintf("%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	struct stat old;

	if (f == NULL) {
		rc = -errno;
		goto out;
	}
	fputs(text, f);
	/* The page may run as another user than the administrator who changes the file. */
	if (stat(path, &old) == 0 && geteuid() == 0 && fchown(fd, old.st_uid, old.st_gid) != 0)
		rc = -errno;
	if (fflush(f) != 0 || fsync(fd) != 0 || ferror(f))
		rc = -errno;
	fclose(f);
	if (rc == 0 && rename(tmp, path) != 0)
		rc = -errno;
	if (rc != 0)
		unlink(tmp);
out:
	free(tmp);
	return rc;
}

int
users_load(const char *path, struct users *out, struct conf_errors *errs)
{
	size_t len;
	char *text = secret_file_read(path, &len, errs);
	int rc = text != NULL ? users_parse(text, len, path, out, errs) : -EINVAL;

	if (text == NULL)
		*out = (struct users){ 0 };
	free(text);
	return rc;
}

void
users_free(struct users *u)
{
	free(u->v);
	*u = (struct users){ 0 };
}

const struct user *
users_find(const struct users *u, const char *name)
{
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->v[i].name, name) == 0)
			return &u->v[i];
	return NULL;
}

static bool
derive(const struct user *u, const char *password, uint8_t out[32])
{
	return EVP_PBE_scrypt(password, strlen(password), u->salt, sizeof u->salt,
	    UINT64_C(1) << u->log_n, u->r, u->p, SCRYPT_MEMORY, out, 32) == 1;
}

bool
user_password_is_good(const struct user *u, const char *password)
{
	const struct user nobody = { .log_n = LOG_N, .r = 8, .p = 1 };
	uint8_t got[32];
	bool good;

	if (!derive(u != NULL ? u : &nobody, password, got))
		return false;
	good = u != NULL && CRYPTO_memcmp(got, u->hash, sizeof got) == 0;
	OPENSSL_cleanse(got, sizeof got);
	return good;
}

void
user_set_password(struct user *u, const char *password, struct rng *rng)
{
	u->log_n = LOG_N;
	u->r = 8;
	u->p = 1;
	rng->fill(rng, u->salt, sizeof u->salt);
	if (!derive(u, password, u->hash))
		abort();	/* fixed figures: only out of memory is left */
}

char *
user_line(const struct user *u)
{
	char salt[33], hash[65], role[WEB_ROLE_TEXT_MAX];

	secret_to_hex(salt, u->salt, sizeof u->salt);
	secret_to_hex(hash, u->hash, sizeof u->hash);
	web_role_text(role, u->role, u->vendor);
	return xasprintf("%s:%s:scrypt$%u$%u$%u$%s$%s", u->name, role, u->log_n,
	    u->r, u->p, salt, hash);
}
