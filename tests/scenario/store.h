/*
 * store.h - what a core decided, kept as the database would, so that another
 * core can be made of it.
 */
#pragma once

#include "alertd/core.h"

struct store;

struct store *store_new(void);
void store_free(struct store *);
void store_plan(struct store *, const Linkwatch__Pb__Plan *);
/* Keeps what a decision says must be kept; incidents go through JSON as they do in the database. */
void store_decisions(struct store *, const struct decisions *);
/* A fresh core with all of it. */
struct core *store_restore(const struct store *, const struct policy *, struct wall now);
