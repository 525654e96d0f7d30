/*
 * graph_png.c - pixels to PNG, quickly; for the drawing worker alone.
 *
 * cairo's own writer tries all filters of PNG on each row and packs at zlib's
 * level 6: nearly half of what a graph costs.  A graph is flat colour, which no
 * filter helps and level 1 packs to about the same size: 600x200, one day of
 * smoke, 14.2 ms and 36.6 kB by cairo's writer, 8.2 ms and 38.5 kB by this one.
 *
 * librrd calls cairo_surface_write_to_png_stream() and has no option for it, so
 * the program has a function of that name, which the dynamic linker finds first.
 */
#include <cairo.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "collector/graph_worker.h"
#include "common/mem.h"

#define COLORS 256
#define SLOTS 2048			/* of the table that finds a colour's number */
#define NONE UINT32_MAX

struct output { cairo_write_func_t write; void *closure; };

/* The colours of an image, numbered as they come. */
struct colors {
	size_t n;			/* COLORS + 1: more than a palette holds */
	png_color list[COLORS];
	uint32_t key[SLOTS];		/* 0xrrggbb or NONE */
	uint8_t number[SLOTS];
};

static void
write_data(png_structp png, png_bytep data, size_t n)
{
	const struct output *o = png_get_io_ptr(png);

	if (o->write(o->closure, data, (unsigned)n) != CAIRO_STATUS_SUCCESS)
		png_error(png, "write");
}

static void
flush_data(png_structp png)
{
	(void)png;
}

/* The number of a colour; false: the palette is full. */
static bool
color_number(struct colors *c, uint32_t rgb, uint8_t *number)
{
	uint32_t at = rgb * UINT32_C(2654435761) >> 21;	/* 11 bits: SLOTS */

	while (c->key[at] != rgb && c->key[at] != NONE)
		at = (at + 1) % SLOTS;
	if (c->key[at] == NONE) {
		if (c->n == COLORS)
			return false;
		c->key[at] = rgb;
		c->number[at] = (uint8_t)c->n;
		c->list[c->n++] = (png_color){ (png_byte)(rgb >> 16), (png_byte)(rgb >> 8), (png_byte)rgb };
	}
	*number = c->number[at];
	return true;
}

/* One byte for each pixel, owned by the caller; NULL: there are too many colours for that. */
static uint8_t *
to_palette(const uint8_t *pixels, size_t stride, size_t width, size_t height, struct colors *c)
{
	uint8_t *out = xmalloc(width * height), *p = out, number = 0;
	uint32_t last = NONE;

	for (size_t i = 0; i < SLOTS; i++)
		c->key[i] = NONE;
	c->n = 0;
	for (size_t y = 0; y < height; y++) {
		const uint32_t *row = (const void *)(pixels + y * stride);

		for (size_t x = 0; x < width; x++) {
			uint32_t rgb = row[x] & 0xffffff;

			if (rgb != last && !color_number(c, rgb, &number)) {
				free(out);
				return NULL;
			}
			last = rgb;
			*p++ = number;
		}
	}
	return out;
}

/* false: libpng gave up.  It jumps, so this function has nothing of its own to lose. */
static bool __attribute__((noinline))
write_image(png_structp png, png_infop info, const uint8_t *pixels, size_t stride, uint32_t width,
    uint32_t height, const uint8_t *indexed, const struct colors *c)
{
	if (setjmp(png_jmpbuf(png)) != 0)
		return false;
	png_set_compression_level(png, 1);
	png_set_compression_strategy(png, Z_DEFAULT_STRATEGY);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
	png_set_IHDR(png, info, width, height, 8, indexed != NULL ? PNG_COLOR_TYPE_PALETTE :
	    PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (indexed != NULL)
		png_set_PLTE(png, info, c->list, (int)c->n);
	png_write_info(png, info);
	if (indexed == NULL) {
		png_set_bgr(png);
		png_set_filler(png, 0, PNG_FILLER_AFTER);
	}
	for (size_t y = 0; y < height; y++)
		png_write_row(png, indexed != NULL ? indexed + y * width : pixels + y * stride);
	png_write_end(png, info);
	return true;
}

/* In place of cairo's: an opaque picture of 32 bits a pixel, which is what librrd draws. */
cairo_status_t
cairo_surface_write_to_png_stream(cairo_surface_t *surface, cairo_write_func_t write, void *closure)
{
	struct output out = { write, closure };
	int width = cairo_image_surface_get_width(surface);
	int height = cairo_image_surface_get_height(surface);
	size_t stride = (size_t)cairo_image_surface_get_stride(surface);
	const uint8_t *pixels;
	struct colors colors;
	uint8_t *indexed;
	png_structp png;
	png_infop info;
	bool good;

	cairo_surface_flush(surface);
	pixels = cairo_image_surface_get_data(surface);
	if (pixels == NULL || width <= 0 || height <= 0)
		return CAIRO_STATUS_SURFACE_TYPE_MISMATCH;
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	info = png == NULL ? NULL : png_create_info_struct(png);
	if (info == NULL) {
		png_destroy_write_struct(&png, NULL);
		return CAIRO_STATUS_NO_MEMORY;
	}
	indexed = to_palette(pixels, stride, (size_t)width, (size_t)height, &colors);
	png_set_write_fn(png, &out, write_data, flush_data);
	good = write_image(png, info, pixels, stride, (uint32_t)width, (uint32_t)height, indexed, &colors);
	png_destroy_write_struct(&png, &info);
	free(indexed);
	return good ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

void
graph_png_use(void)
{
}
