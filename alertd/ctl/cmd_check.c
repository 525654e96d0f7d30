/*
 * cmd_check.c - linkctl check: every configuration file, then each against the
 * others.
 *
 * What a file is, its name tells: agent.yaml, collector.yaml, links.yaml,
 * alertd.yaml, policy.yaml, also with a word before the suffix (agent-bj.yaml).
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alertd/alertd_conf.h"
#include "alertd/ctl/ctl.h"
#include "alertd/policy.h"
#include "common/agent_conf.h"
#include "common/collector_conf.h"
#include "common/links.h"
#include "common/mem.h"

#define DEFAULT_DIRECTORY "/etc/linkwatch"
#define FILES_MAX 256

enum file_kind { FILE_NONE = -1, FILE_AGENT, FILE_COLLECTOR, FILE_LINKS, FILE_ALERTD, FILE_POLICY };

static const char *const kind_names[] = { "agent", "collector", "links", "alertd", "policy" };

struct checked {		/* of each kind the first one, for the checks across */
	char *path[FILES_MAX];
	struct conf_errors errs[FILES_MAX];
	size_t n;
	struct agent_conf agent;
	struct collector_conf *collector;
	Linkwatch__Pb__Plan *plan;
	struct alertd_conf alertd;
	struct policy *policy;
	const char *file[5];	/* NULL: none, or it has errors */
	struct conf_errors across;
};

static enum file_kind
kind_of(const char *path)
{
	const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	size_t len = strlen(name);

	if (len < 5 || strcmp(name + len - 5, ".yaml") != 0)
		return FILE_NONE;
	for (int i = 0; i < 5; i++) {
		size_t n = strlen(kind_names[i]);
		if (strncmp(name, kind_names[i], n) == 0 && (name[n] == '.' || name[n] == '-'))
			return (enum file_kind)i;
	}
	return FILE_NONE;
}

/* Loads one file; keeps the first good one of its kind. */
static void
check_file(struct checked *ck, const char *path, enum file_kind kind)
{
	struct conf_errors *errs = &ck->errs[ck->n];
	bool keep = ck->file[kind] == NULL, good = false;
	struct agent_conf agent;
	struct alertd_conf alertd;
	struct collector_conf *collector = NULL;
	Linkwatch__Pb__Plan *plan = NULL;
	struct policy *policy = NULL;

	ck->path[ck->n++] = xstrdup(path);
	switch (kind) {
	case FILE_AGENT:
		good = agent_conf_load(path, &agent, errs) == 0;
		if (good && keep)
			ck->agent = agent;
		else if (good)
			agent_conf_free(&agent);
		break;
	case FILE_COLLECTOR:
		good = collector_conf_load(path, &collector, errs) == 0;
		if (good && keep)
			ck->collector = collector;
		else if (good)
			collector_conf_free(collector);
		break;
	case FILE_LINKS:
		good = links_load(path, &plan, errs) == 0;
		if (good && keep)
			ck->plan = plan;
		else if (good)
			links_free(plan);
		break;
	case FILE_ALERTD:
		good = alertd_conf_load(path, &alertd, errs) == 0;
		if (good && keep)
			ck->alertd = alertd;
		else if (good)
			alertd_conf_free(&alertd);
		break;
	case FILE_POLICY:
		good = policy_load(path, &policy, errs) == 0;
		if (good && keep)
			ck->policy = policy;
		else if (good)
			policy_free(policy);
		break;
	case FILE_NONE:
		break;
	}
	if (good && keep)
		ck->file[kind] = ck->path[ck->n - 1];
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every file of ours in a directory; 0 or -errno. */
static int
check_directory(struct checked *ck, const char *path)
{
	DIR *dir = opendir(path);
	char *name[FILES_MAX];
	size_t n = 0;
	struct dirent *d;

	if (dir == NULL)
		return -errno;
	while ((d = readdir(dir)) != NULL)
		if (kind_of(d->d_name) != FILE_NONE && n < FILES_MAX)
			name[n++] = xasprintf("%s/%s", path, d->d_name);
	closedir(dir);
	qsort(name, n, sizeof(name[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		if (ck->n < FILES_MAX)
			check_file(ck, name[i], kind_of(name[i]));
		free(name[i]);
	}
	return 0;
}

/* ------------------------------------------------- policy against the rest */

static void
check_channels(struct checked *ck, const struct conf_list *list, struct conf_where where,
    const char *what)
{
	for (size_t i = 0; i < list->n; i++) {
		const char *name = ((char **)list->v)[i];
		if (alertd_conf_channel(&ck->alertd, name) == NULL)
			conf_error(&ck->across, ck->file[FILE_POLICY], where,
			    "%s names channel '%s', which %s does not have", what, name,
			    ck->file[FILE_ALERTD]);
	}
}

static void
check_policy_channels(struct checked *ck)
{
	const struct policy *p = ck->policy;
	const struct policy_route *r = p->routes.v;
	const struct policy_step *s = p->escalation.v;

	check_channels(ck, &p->sms_channels, p->where, "sms_channels");
	check_channels(ck, &p->mail_channels, p->where, "mail_channels");
	if (p->trap_channel != NULL && *p->trap_channel != '\0' &&
	    alertd_conf_channel(&ck->alertd, p->trap_channel) == NULL)
		conf_error(&ck->across, ck->file[FILE_POLICY], p->where,
		    "trap_channel '%s' is not in %s", p->trap_channel, ck->file[FILE_ALERTD]);
	for (size_t i = 0; i < p->routes.n; i++) {
		check_channels(ck, &r[i].channels, r[i].where, "a route");
		check_channels(ck, &r[i].fallback, r[i].where, "a route's fallback");
	}
	for (size_t i = 0; i < p->escalation.n; i++)
		check_channels(ck, &s[i].channels, s[i].where, "a step of the escalation");
}

static bool
plan_has_vendor(const Linkwatch__Pb__Plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->n_vendor; i++)
		if (strcmp(plan->vendor[i]->id, id) == 0)
			return true;
	return false;
}

static bool
plan_has_agent(const Linkwatch__Pb__Plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->n_agent; i++)
		if (strcmp(plan->agent[i]->id, id) == 0)
			return true;
	return false;
}

static void
check_vendor(struct checked *ck, const char *vendor, struct conf_where where, const char *what)
{
	if (vendor != NULL && *vendor != '\0' && !plan_has_vendor(ck->plan, vendor))
		conf_error(&ck->across, ck->file[FILE_POLICY], where,
		    "%s names vendor '%s', which %s does not have", what, vendor,
		    ck->file[FILE_LINKS]);
}

static bool
plan_has_link(const Linkwatch__Pb__Plan *plan, const char *agent, const char *link)
{
	for (size_t i = 0; i < plan->n_link; i++)
		if (strcmp(plan->link[i]->id, link) == 0 &&
		    (agent == NULL || *agent == '\0' || strcmp(plan->link[i]->agent, agent) == 0))
			return true;
	return false;
}

static void
check_windows(struct checked *ck, const struct conf_list *list, const char *what)
{
	const struct policy_window *w = list->v;

	for (size_t i = 0; i < list->n; i++) {
		check_vendor(ck, w[i].vendor, w[i].where, what);
		if (w[i].agent != NULL && *w[i].agent != '\0' &&
		    !plan_has_agent(ck->plan, w[i].agent))
			conf_error(&ck->across, ck->file[FILE_POLICY], w[i].where,
			    "%s names agent '%s', which %s does not have", what, w[i].agent,
			    ck->file[FILE_LINKS]);
		for (size_t k = 0; k < w[i].links.n; k++) {
			const char *link = ((char **)w[i].links.v)[k];
			if (!plan_has_link(ck->plan, w[i].agent, link))
				conf_error(&ck->across, ck->file[FILE_POLICY], w[i].where,
				    "%s names link '%s', which %s does not have", what, link,
				    ck->file[FILE_LINKS]);
		}
	}
}

static void
check_policy_names(struct checked *ck)
{
	const struct policy *p = ck->policy;
	const struct policy_contact *c = p->contacts.v;
	const struct policy_route *r = p->routes.v;

	for (size_t i = 0; i < p->contacts.n; i++)
		check_vendor(ck, c[i].vendor, c[i].where, "a contact");
	for (size_t i = 0; i < p->routes.n; i++)
		check_vendor(ck, r[i].vendor, r[i].where, "a route");
	check_windows(ck, &p->planned, "a planned window");
	check_windows(ck, &p->guarded, "a guarded window");
}

/* ---------------------------------------------- collector against the rest */

static void
check_collector(struct checked *ck)
{
	const struct collector_conf *c = ck->collector;
	const struct conf_where nowhere = { 0, 0 };

	if (ck->file[FILE_ALERTD] == NULL)
		return;
	if (c->web.control != NULL && strcmp(c->web.control, ck->alertd.control.socket) != 0)
		conf_error(&ck->across, ck->file[FILE_COLLECTOR], nowhere,
		    "the page looks for alertd at '%s', which listens at '%s'", c->web.control,
		    ck->alertd.control.socket);
	if (ck->alertd.collector.id != NULL && strcmp(ck->alertd.collector.id, c->id) != 0)
		conf_error(&ck->across, ck->file[FILE_ALERTD], ck->alertd.collector.where,
		    "collector '%s' calls itself '%s'", ck->alertd.collector.id, c->id);
}

/* SNMP links whose credential the agent's own file does not have. */
static void
check_credentials(struct checked *ck)
{
	const struct snmp_credential *have = ck->agent.snmp_credentials.v;

	for (size_t i = 0; i < ck->plan->n_link; i++) {
		const Linkwatch__Pb__Link *l = ck->plan->link[i];
		bool found = l->probe != PROBE_SNMP || l->credential[0] == '\0';
		for (size_t k = 0; !found && k < ck->agent.snmp_credentials.n; k++)
			found = strcmp(have[k].name, l->credential) == 0;
		if (!found)
			conf_warning(&ck->across, ck->file[FILE_LINKS],
			    (struct conf_where){ 0, 0 },
			    "link '%s/%s' needs SNMP credential '%s', which %s does not have",
			    l->agent, l->id, l->credential, ck->file[FILE_AGENT]);
	}
}

static void
check_across(struct checked *ck)
{
	if (ck->file[FILE_POLICY] != NULL && ck->file[FILE_ALERTD] != NULL)
		check_policy_channels(ck);
	if (ck->file[FILE_POLICY] != NULL && ck->file[FILE_LINKS] != NULL)
		check_policy_names(ck);
	if (ck->file[FILE_COLLECTOR] != NULL)
		check_collector(ck);
	if (ck->file[FILE_AGENT] != NULL && ck->file[FILE_LINKS] != NULL && ck->plan->n_agent <= 1)
		check_credentials(ck);
}

static void
checked_free(struct checked *ck)
{
	if (ck->file[FILE_AGENT] != NULL)
		agent_conf_free(&ck->agent);
	if (ck->file[FILE_ALERTD] != NULL)
		alertd_conf_free(&ck->alertd);
	if (ck->file[FILE_COLLECTOR] != NULL)
		collector_conf_free(ck->collector);
	if (ck->file[FILE_LINKS] != NULL)
		links_free(ck->plan);
	if (ck->file[FILE_POLICY] != NULL)
		policy_free(ck->policy);
	for (size_t i = 0; i < ck->n; i++) {
		conf_errors_free(&ck->errs[i]);
		free(ck->path[i]);
	}
	conf_errors_free(&ck->across);
	free(ck);
}

/* ------------------------------------------------------------------ printing */

static json_t *
lines_json(const struct conf_errors *errs)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < errs->n; i++)
		json_array_append_new(lines, json_string(errs->line[i]));
	return lines;
}

static void
print_json(const struct ctl *ctl, const struct checked *ck, bool good)
{
	json_t *files = json_array(), *all;

	for (size_t i = 0; i < ck->n; i++)
		json_array_append_new(files, json_pack("{ss sb so}", "path", ck->path[i], "ok",
		    !conf_failed(&ck->errs[i]), "lines", lines_json(&ck->errs[i])));
	all = json_pack("{sb so so}", "ok", good, "files", files, "across",
	    lines_json(&ck->across));
	out_json(&ctl->out, all);
	json_decref(all);
}

static int
report(struct ctl *ctl, const struct checked *ck)
{
	bool good = !conf_failed(&ck->across);

	for (size_t i = 0; i < ck->n; i++)
		good = good && !conf_failed(&ck->errs[i]);
	if (ctl->out.json) {
		print_json(ctl, ck, good);
		return good ? 0 : 1;
	}
	for (size_t i = 0; i < ck->n; i++) {
		conf_errors_print(&ck->errs[i], ctl->err);
		if (!conf_failed(&ck->errs[i]))
			out_line(&ctl->out, out_lang(&ctl->out, "%s：正确", "%s: ok"), ck->path[i]);
	}
	conf_errors_print(&ck->across, ctl->err);
	return good ? 0 : 1;
}

static int
check_path(struct ctl *ctl, struct checked *ck, const char *path)
{
	struct stat sb;
	enum file_kind kind = kind_of(path);
	size_t before = ck->n;
	int rc = stat(path, &sb) == 0 ? 0 : -errno;

	if (rc == 0 && S_ISDIR(sb.st_mode))
		rc = check_directory(ck, path);
	else if (rc == 0 && kind == FILE_NONE)
		return ctl_misuse(ctl, out_lang(&ctl->out, "%s：文件名应为 agent、collector、"
		    "links、alertd 或 policy 加 .yaml", "%s: the name must be agent, collector, links, "
		    "alertd or policy with .yaml"), path);
	else if (rc == 0 && ck->n < FILES_MAX)
		check_file(ck, path, kind);
	if (rc != 0) {
		fprintf(ctl->err, "linkctl: %s: %s\n", path, strerror(-rc));
		return 1;
	}
	if (ck->n == before) {
		fprintf(ctl->err, out_lang(&ctl->out, "linkctl: %s：没有配置文件\n",
		    "linkctl: %s: no configuration files\n"), path);
		return 1;
	}
	return 0;
}

int
cmd_check(struct ctl *ctl, int argc, char **argv)
{
	char directory[] = DEFAULT_DIRECTORY, *standard[] = { directory };
	struct checked *ck = xcalloc(1, sizeof(*ck));
	int rc = 0, status = 0;

	if (argc == 0) {
		argv = standard;
		argc = 1;
	}
	for (int i = 0; i < argc && status != 2; i++) {
		rc = check_path(ctl, ck, argv[i]);
		status = rc > status ? rc : status;
	}
	if (status != 2) {
		check_across(ck);
		rc = report(ctl, ck);
		status = rc > status ? rc : status;
	}
	checked_free(ck);
	return status;
}
