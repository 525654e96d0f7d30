/*
 * tls_resume.h - TLS sessions taken up again: a reconnect at a third of its price.
 *
 * Inside the modules of tls.h.  What is resumed is a proof of identity, so a
 * resumption must never stand where a full handshake would be refused:
 *
 *  - The server keeps nothing for a peer.  The session, with the peer's
 *    certificate, travels in a ticket sealed with a key that is made anew each
 *    day (RFC 8446, 4.6.1).  Who the peer is comes from that certificate, by the
 *    same function as after a full handshake.
 *  - A ticket carries the digest of whom the server believed (CA and CRL) when
 *    it was made, and the time until which every certificate and list that it
 *    rests on is good.  If either does not hold any more, the ticket is ignored
 *    and a full handshake follows, which then says what is wrong.  So a changed
 *    CRL costs every agent one full handshake, at its next connect.
 *  - A client keeps its sessions inside its context: another certificate, CA or
 *    CRL is another context, and begins without any.
 *  - Never early data (0-RTT); each resumption has its own key exchange.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

struct tls_tickets;

/* Prepares a context whose CA and CRL are loaded: digest, memory.  0, or -ENOMEM. */
int tls_resume_init(SSL_CTX *, bool server);
/* Before a client's handshake with the peer that key names ("collector c1 at 192.0.2.7:4433"): offers
 * the session that the context holds for it, if that is still good. */
void tls_resume_offer(SSL *, const char *key);
/* The handshake failed for what was said in it: the session will not be offered again. */
void tls_resume_forget(SSL_CTX *, const char *key);
/* Do both believe the same CA certificates and lists? */
bool tls_resume_same_trust(const SSL_CTX *, const SSL_CTX *);
/* The key that OpenSSL's callback has for a connection, or NULL; conn_tls.c knows. */
const char *tls_resume_key(const SSL *);
