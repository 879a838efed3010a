/* Sound of any file as an MP3 file: decoded, brought to the wanted rate, encoded by LAME at a constant bit
 * rate, by libav in process. Costs about 0.4 CPU s per minute of sound at 320 kbit/s.
 *
 * The size is stated before the first byte and kept, whatever the source does: up to a second of silence is
 * added, or of sound left out, where the source is not as long as was said; beyond that audio_run() fails
 * rather than give out half a song as a whole one. The same bytes come out for the same source, shape and
 * audio_engine(). Reads forward, opens nothing (media/input.h); blocks in reader and sink. Everything read is
 * hostile. Threads: one at a time. */
#ifndef SLUICE_MEDIA_AUDIO_H
#define SLUICE_MEDIA_AUDIO_H

#include "media/mp3.h"
#include "media/reader.h"
#include "media/sink.h"

struct audio;

struct audio_opts {
    struct mp3_shape shape; /* samples 0: as many as there are, and no size */
    const struct mp4_tags *tags;
};

/* Opens the source; *out: audio_close(). `reader` and the tags are borrowed until then. Where the headers of
 * the source say that it is not as long as `shape` has it, the size is given up. Errors: ERR_UNSUPPORTED_SITE
 * no sound that we can decode; what the reader said. */
int audio_open(struct audio **out, const struct media_reader *reader, const struct audio_opts *opts,
               struct err *err);
/* Of the file to come; 0: not known. */
uint64_t audio_size(const struct audio *a);
/* Makes the file. Errors: ERR_UPSTREAM_FAILED broken media, or not as long as announced; what the reader
 * said; ERR_OK (with -1): the sink wants no more. */
int audio_run(struct audio *a, const struct media_sink *sink, struct err *err);
void audio_close(struct audio *a); /* NULL is fine */

DEFINE_AUTO_PTR(audio, audio_close)

/* The rate an MP3 of a source of this rate has: 48000 for what is higher than 44100, else 44100. */
int audio_rate(int source_hz);
/* The versions and the kind of processor that decide about every bit: part of an ETag. Static. */
const char *audio_engine(void);

#endif
