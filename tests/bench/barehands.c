/*
 * barehands.c - TLS 1.3 handshakes with certificates on both sides and nothing else, in memory.
 *
 *   barehands N CA SERVER-CERTIFICATE SERVER-KEY CLIENT-CERTIFICATE CLIENT-KEY
 *
 * Prints, as JSON, the CPU of the server's side of one, in microseconds: N full ones and N
 * that resume a session (with a new key exchange).  No socket, no loop, nothing said after it.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static SSL_SESSION *session;		/* owned: the last one offered */

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = s;
	return 1;
}

static SSL_CTX *
context_new(bool server, const char *ca, const char *certificate, const char *key)
{
	SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (c == NULL || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_load_verify_locations(c, ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(c, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (server) {
		SSL_CTX_set_session_id_context(c, (const void *)"bare", 4);
		SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_num_tickets(c, 1);
	} else {
		SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(c, on_session);
	}
	return c;
}

/* One handshake; *spent grows by the server's seconds.  Was a session resumed?  -1: it failed. */
static int
shake(SSL_CTX *server, SSL_CTX *client, SSL_SESSION *with, double *spent)
{
	double t = cpu_s();
	SSL *s = SSL_new(server), *c;
	int server_done = 0, client_done = 0, reused = -1;
	BIO *a, *b;
	char byte;

	*spent += cpu_s() - t;
	c = SSL_new(client);
	if (BIO_new_bio_pair(&a, 65536, &b, 65536) != 1)
		exit(1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	if (with != NULL)
		SSL_set_session(c, with);
	for (int i = 0; i < 10 && !(server_done == 1 && client_done == 1); i++) {
		client_done = SSL_do_handshake(c);
		t = cpu_s();
		server_done = SSL_do_handshake(s);
		*spent += cpu_s() - t;
	}
	if (server_done == 1 && client_done == 1) {
		SSL_read(c, &byte, 1);		/* the ticket */
		reused = SSL_session_reused(s);
	}
	SSL_set_shutdown(c, SSL_RECEIVED_SHUTDOWN | SSL_SENT_SHUTDOWN);
	SSL_set_shutdown(s, SSL_RECEIVED_SHUTDOWN | SSL_SENT_SHUTDOWN);
	SSL_free(c);
	t = cpu_s();
	SSL_free(s);
	*spent += cpu_s() - t;
	return reused;
}

int
main(int argc, char **argv)
{
	double full = 0, resumed = 0;
	SSL_CTX *server, *client;
	int n = argc == 7 ? atoi(argv[1]) : 0;

	if (n <= 0) {
		fprintf(stderr, "usage: barehands N CA SERVER-CERTIFICATE SERVER-KEY CLIENT-CERTIFICATE CLIENT-KEY\n");
		return 2;
	}
	server = context_new(true, argv[2], argv[3], argv[4]);
	client = context_new(false, argv[2], argv[5], argv[6]);
	for (int i = 0; i < n; i++)
		if (shake(server, client, NULL, &full) != 0)
			return 1;
	for (int i = 0; i < n; i++) {
		SSL_SESSION *with = session;
		int r;

		session = NULL;
		r = shake(server, client, with, &resumed);
		SSL_SESSION_free(with);
		if (r != 1) {
			fprintf(stderr, "barehands: a session was not resumed\n");
			return 1;
		}
	}
	printf("{\"full_us\": %.1f, \"resumed_us\": %.1f}\n", full * 1e6 / n, resumed * 1e6 / n);
	SSL_SESSION_free(session);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return 0;
}
