/* What a player response has besides formats: chapters, as the author's own words about the video name them,
 * and storyboards. Everything in it is hostile. */
#ifndef SLUICE_SITE_YOUTUBE_EXTRAS_H
#define SLUICE_SITE_YOUTUBE_EXTRAS_H

#include "site/description.h"

enum { EXTRAS_CHAPTERS_MAX = 300, EXTRAS_STORYBOARDS_MAX = 8 };

/* Lines that begin with a time ("1:02:03 Title", "- 00:00 - Intro"), if they are what the site itself takes
 * for chapters: at least three, the first at 0:00, each later than the one before, within d->duration_ms. -1:
 * out of memory. */
int extras_read_chapters(struct description *d, const char *text);

/* The site's one-line specification: a template, then levels, separated by '|'; a level is width, height,
 * count, columns, rows, interval in ms (0: evenly over the video), name and signature, separated by '#'. What
 * does not make sense is passed over. -1: out of memory. */
int extras_read_storyboards(struct description *d, const char *spec);

#endif
