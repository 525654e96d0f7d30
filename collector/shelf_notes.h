/*
 * shelf_notes.h - the small files beside the RRD files (see shelf.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/linkwatch.pb-c.h"

struct shelf_notes;

/* -errno with a line in why. dirfd is borrowed. */
int shelf_notes_open(struct shelf_notes **out, int dirfd, char *why, size_t n);
void shelf_notes_close(struct shelf_notes *);

/* Is s "AGENT/LINK", two ids? */
bool shelf_notes_is_name(const char *s);
/* Adds a line "name" to file. */
int shelf_notes_add(struct shelf_notes *, const char *file, const char *name);
/* Calls back with every name of the file; damaged lines are left out. */
void shelf_notes_each(struct shelf_notes *, const char *file, void (*each)(void *arg, const char *name),
    void *arg);
/* Empties the file. */
int shelf_notes_clear(struct shelf_notes *, const char *file);

/* The store works on name from here on; NULL: on none, and what was noted is done. */
void shelf_notes_opening(struct shelf_notes *, const char *name);
/* This head goes into the file of that inode now; len 0: it stands there. */
void shelf_notes_head(struct shelf_notes *, uint64_t inode, const uint8_t *head, size_t len);
/* What it worked on when the process before ended; false: nothing. */
bool shelf_notes_was_opening(struct shelf_notes *, char *name, size_t n);
/* The head that it was writing, valid until shelf_notes_close(); NULL: none. */
const uint8_t *shelf_notes_was_writing(struct shelf_notes *, uint64_t *inode, size_t *len);
/* Did the machine go down while a store ran here?  From now on this one runs. */
bool shelf_notes_begin(struct shelf_notes *);
/* It has stopped, and all is on disk. */
void shelf_notes_end(struct shelf_notes *);

void shelf_notes_save_plan(struct shelf_notes *, const Linkwatch__Pb__Plan *);
Linkwatch__Pb__Plan *shelf_notes_load_plan(struct shelf_notes *);	/* NULL: none */
