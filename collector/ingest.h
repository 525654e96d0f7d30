/*
 * ingest.h - the process that talks to agents and alertd and writes the journal.
 *
 * A thin shell around hub (session.h): TLS listener, timers, signals, links.yaml.
 * SIGHUP or a RELOAD from alertd reads links.yaml again (a bad one changes
 * nothing and is told), and certificate, key, CA and CRL too.
 */
#pragma once

struct collector_conf;

/* Runs until SIGTERM or SIGINT; the exit status. conf_path: collector.yaml, for messages. */
int ingest_main(const struct collector_conf *, const char *conf_path);
