/*
 * web.h - the process that faces browsers: pages, graphs, JSON, log-in.
 *
 * Started by the collector's supervisor as `--role web`.  It reads the journal
 * (latest samples, plan, agents), the RRD files (through graph workers, which
 * it starts itself as `--role graph`) and alertd's control socket (states and
 * incidents).  It writes no data, holds no key of an agent, and any of its
 * three sources may be away: the page then says which.
 *
 * What it takes from the configuration (common/collector_conf.h):
 *   web.address, web.port	where to listen (port 0: the kernel chooses, and the log tells)
 *   web.cert, web.key		PEM of the page's own certificate
 *   web.users			file of web_users.h
 *   web.control		alertd's control socket; empty: none
 *   web.connections		cap on connections
 *   web.graph_workers		warm drawing processes
 *   web.session_idle, web.session_max
 *   journal, rrd, links, store socket, user: as ingest and store
 */
#pragma once

struct collector_conf;

/* Runs until SIGTERM or SIGINT; SIGHUP reads users, certificate and plan again.  Returns the exit status. */
int web_main(const struct collector_conf *conf);

/*
 * `linkwatch-collector passwd FILE USER [ROLE]`: reads a password from the
 * terminal (twice) or the first line of standard input and puts USER into
 * FILE; argv[0] is "passwd".  Returns the exit status 0, 1 or 2.
 */
int web_passwd_main(int argc, char **argv);
/* `linkwatch-collector token add|list|revoke FILE ...`: tokens of programs; argv[0] is "token". */
int web_token_main(int argc, char **argv);
