/*
 * page.h - files of the page that are built into the program, and their filling-in (pure).
 */
#pragma once

#include <stddef.h>

struct page_asset {
	const char *name;		/* "app.css" */
	const unsigned char *data, *end;
};

/* From collector/assets/, made at build time; ended by name == NULL. */
extern const struct page_asset page_assets[];

const struct page_asset *page_asset(const char *name);	/* NULL: none */
const char *page_type(const char *name);	/* the media type by the ending; never NULL */

struct page_var { const char *name, *value; };	/* ended by name == NULL */

/*
 * The text with each {{name}} replaced by the value, escaped; malloc'd, owned
 * by the caller, *len without the NUL.  A name that no variable has becomes empty.
 */
char *page_render(const struct page_asset *, const struct page_var *vars, size_t *len);
