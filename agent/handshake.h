/*
 * handshake.h - one TLS handshake as a client, to see that a service shakes
 * hands, how long that takes and when its certificate ends.
 *
 * Nothing is verified: neither chain nor name nor date.  Nothing is kept: no
 * session, no ticket, no key or certificate of ours; each handshake is a full
 * one.  TLS 1.2 and 1.3.  A server that insists on a certificate of the client
 * fails with TLS 1.2; with 1.3 its refusal comes behind the handshake.
 *
 * The far side is not trusted.  It may send HANDSHAKE_BYTES_MAX in all; key
 * exchanges whose cost it could choose (finite-field Diffie-Hellman) are not
 * offered; time is the caller's to bound.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HANDSHAKE_BYTES_MAX (128 * 1024)

struct handshake;
struct ssl_ctx_st;

/* What all handshakes share; the caller's (SSL_CTX_free).  NULL: OpenSSL lets us down. */
struct ssl_ctx_st *handshake_context(void);

/* server_name is asked for (SNI); NULL: none.  The context outlives it.  NULL as above. */
struct handshake *handshake_new(struct ssl_ctx_st *, const char *server_name);
/*
 * Goes on over fd, connected and not blocking, as far as it can.  0: hands are
 * shaken.  -EAGAIN: call again when fd can be read or written.  Else it has
 * failed: -EPROTO, -EMSGSIZE (too many bytes), -ECONNRESET (closed by the far
 * side) or the socket's error.
 */
int handshake_go(struct handshake *, int fd);
/* Why it failed, for people; good until handshake_free(). */
const char *handshake_why(const struct handshake *);
/* notAfter of the server's certificate, seconds since 1970; false: none was seen, or no date. */
bool handshake_cert_end(const struct handshake *, int64_t *end_s);
/* Tells the far side, once hands are shaken, that we leave (close_notify). */
void handshake_leave(struct handshake *, int fd);
/* Has it closed the connection too, or ceased to matter?  Reads and forgets what it still sends. */
bool handshake_is_left(struct handshake *, int fd);
void handshake_free(struct handshake *);	/* NULL is allowed */
