/*
 * rrdmove.h - the history of one RRD file in the shape of another (pure).
 *
 * For a link whose step, data sources or retention changed, for a file that is
 * made anew while its old rows reach further back than the journal, and for
 * one that must forget its last rows after a power cut.
 *
 * Data sources are matched by name; one that the old file has not is unknown.
 * A row comes from the coarsest old archive that is fine enough, weighted by
 * time, else from the finest that reaches so far back.  What was an average of
 * ten minutes stays one: nothing is invented but that it is repeated in a
 * finer archive.
 */
#pragma once

#include <stdint.h>

#include "collector/series.h"

/*
 * Makes the whole file `to`, rrdimage_size(to_def) bytes, of the rows of `from`, a whole file that
 * rrdimage_check() found sound, up to the stamp upto (INT64_MAX: all).  Returns the stamp of the last row,
 * at most upto, on the grid of to_def.
 */
int64_t rrdmove(uint8_t *to, const struct series_def *to_def, const uint8_t *from,
    const struct series_def *from_def, int64_t last, int64_t upto);
