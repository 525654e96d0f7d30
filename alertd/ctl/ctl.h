/*
 * ctl.h - what the commands of linkctl share.
 *
 * A command is one row of a table: noun, verb, options that it knows, how many
 * words it takes, and a function that returns the exit status: 0 done,
 * 1 refused or failed, 2 misused.
 */
#pragma once

#include "alertd/ctl/out.h"

struct json_t;

enum ctl_option {
	OPT_NOTE, OPT_ETA, OPT_CAUSE, OPT_ROOT_CAUSE, OPT_RESPONSIBLE, OPT_MEASURE,
	OPT_GRADE_FINAL, OPT_STATE, OPT_VENDOR, OPT_AGENT, OPT_ALL, OPT_LIMIT,
	OPT_MAX
};

#define OPTION(o) (1U << (o))
#define FIELD_OPTIONS (OPTION(OPT_CAUSE) | OPTION(OPT_ROOT_CAUSE) | OPTION(OPT_RESPONSIBLE) | \
	OPTION(OPT_MEASURE) | OPTION(OPT_GRADE_FINAL))

struct ctl {
	struct out out;
	FILE *err;
	const char *socket;
	bool socket_given;		/* named by hand: repeat it in advice */
	const char *option[OPT_MAX];	/* NULL: not given; OPT_ALL: "" */
};

struct ctl_command {
	const char *noun, *verb;	/* verb NULL: the noun alone */
	unsigned options;		/* bits OPTION() */
	int min, max;			/* words after it; max -1: any number */
	int (*run)(struct ctl *, int argc, char **argv);
	const char *words;		/* "NUMBER [OPTIONS]" */
	const char *zh, *en;		/* what it does */
};

extern const struct ctl_command ctl_commands[];	/* ended by noun == NULL */

/* Parses and runs one command line; tests call it with streams of their own. */
int ctl_main(int argc, char **argv, FILE *out, FILE *err);
const char *ctl_option_name(enum ctl_option option);	/* "root-cause" */

/*
 * Asks alertd.  args (may be NULL) is taken over.  NULL: it was told on err
 * why, and 1 is the exit status.  With --json the caller prints the data.
 */
struct json_t *ctl_ask(struct ctl *, const char *cmd, struct json_t *args);
/* A mistake of the person who types: tells it, returns 2. */
int ctl_misuse(struct ctl *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A positive number, or 0. */
unsigned long long ctl_number(const char *s);

/* Shorthands for objects: "" and 0 where there is nothing. */
const char *ctl_str(const struct json_t *object, const char *key);
double ctl_num(const struct json_t *object, const char *key);
/* The one of name_zh and name_en that the person reads; else the other. */
const char *ctl_name(const struct ctl *, const struct json_t *object, const char *zh, const char *en);

/* Words of the protocol as people read them, and how they look. */
const char *ctl_state(const struct ctl *, const char *state, enum style *style);	/* of links, incidents, messages */
const char *ctl_kind(const struct ctl *, const char *kind);		/* "loss" -> "丢包" */
const char *ctl_grade(const struct ctl *, int grade);			/* "二级", "P2" */
const char *ctl_deed(const struct ctl *, const char *what);		/* of the time line: "ack" -> "受理" */
/* "segment 7" -> "应用", "ambiguous: 3 or 4" -> "政务外网或云边界（不确定）"; returns buf. */
char *ctl_located(const struct ctl *, char *buf, size_t n, const char *located);
/* The note of a row of the time line of inc, the known notes of alertd in Chinese; returns buf. */
char *ctl_note(const struct ctl *, char *buf, size_t n, const struct json_t *row,
    const struct json_t *inc);

/* cmd_NOUN.c */
int cmd_status(struct ctl *, int argc, char **argv);
int cmd_incident_list(struct ctl *, int argc, char **argv);
int cmd_incident_show(struct ctl *, int argc, char **argv);
int cmd_incident_ack(struct ctl *, int argc, char **argv);
int cmd_incident_note(struct ctl *, int argc, char **argv);
int cmd_incident_set(struct ctl *, int argc, char **argv);
int cmd_incident_close(struct ctl *, int argc, char **argv);
int cmd_incident_reopen(struct ctl *, int argc, char **argv);
int cmd_incident_cancel(struct ctl *, int argc, char **argv);
int cmd_link_list(struct ctl *, int argc, char **argv);
int cmd_link_show(struct ctl *, int argc, char **argv);
int cmd_why(struct ctl *, int argc, char **argv);
int cmd_agent_list(struct ctl *, int argc, char **argv);
int cmd_reload(struct ctl *, int argc, char **argv);
int cmd_check(struct ctl *, int argc, char **argv);
