/*
 * site.h - the directory of a load: what `prepare` makes and the others read.
 *
 *   pki/         ca.pem, crl-less; collector-main and load-N, each with .pem and .key
 *   links.yaml collector.yaml     for a collector of its own
 *   collector/   its state
 *   load.json    the shape of the load and the collector's address
 *   state.json   how far each agent has come (fleet.c writes it)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/loadgen/source.h"

struct site {
	const char *dir;		/* borrowed */
	struct load_shape shape;
	char address[64];		/* of the collector: numeric */
	uint16_t port;
};

/* Makes it; what stands there is written anew.  -errno with a line in why. */
int site_prepare(const struct site *, char *why, size_t n);
/* Reads load.json.  -errno with a line in why. */
int site_load(struct site *, const char *dir, char *why, size_t n);
/* Is it a shape that can be had?  -EINVAL with a line in why. */
int site_check(const struct load_shape *, char *why, size_t n);
/* "DIR/a" or "DIR/a/b" (b may be NULL), owned by the caller. */
char *site_path(const char *dir, const char *a, const char *b);

/* ---- pki.c */
struct pki;
/* A new authority in DIR/pki; NULL with a line in why. */
struct pki *pki_new(const char *dir, char *why, size_t n);
/* DIR/pki/NAME.pem and .key for linkwatch://ROLE/ID; a server's (address: its IP) or a client's (NULL). */
int pki_issue(struct pki *, const char *name, const char *role, const char *id, const char *address);
void pki_free(struct pki *);
