// A pass of a draft layer: the normed embedding of the next token and the normed hidden state are joined, narrowed by fc, and go through
// one layer that has a cache of its own; the head is the main model's (K-EXAONE, arXiv 2601.01739; after DeepSeek-V3, arXiv
// 2412.19437, 2.2, with the embedding's half first).
#include "model/decoder_internal.h"

#include <assert.h>

// Row i: the embedding of its token, then hidden state from[i], each normed by its own gain.
static Rows join(Decoder *d, const DraftWeights *w, const Batch *batch, const int32_t *from)
{
    const int64_t H = d->r->hidden, T = batch->T;
    d->b->embed(d->b, d->x, &d->w->embed, d->tokens, T, (float)d->r->embedding_multiplier);
    decoder_norm(d, d->x, d->x, w->norm_embed, d->r->norm, T, H);
    d->b->place(d->b, d->joined.x, 2 * H, d->x, H, T, H);
    for (int64_t i = 0; i < T; i++) d->b->place(d->b, d->x + i * H, H, d->hidden + from[i] * H, H, 1, H);
    decoder_norm(d, d->x, d->x, w->norm_hidden, d->r->norm, T, H);
    d->b->place(d->b, d->joined.x + H, 2 * H, d->x, H, T, H);
    return rows_of(&d->joined, d->joined.x, T, 2 * H);
}

Err decoder_draft(Decoder *d, const Batch *batch, const int32_t *from, int64_t draft, const Trace *trace,
                  const float **logits)
{
    const DraftWeights *w = &d->w->draft[draft];
    assert(d->options.drafts && draft >= 0 && draft < d->r->draft_layers);
    assert(batch->T > 0 && batch->T <= d->options.most_rows);
    const int64_t layer = d->r->layers + draft, span_count = decoder_cut_spans(d, batch, true);
    if (!span_count)
        return err(ERR_USAGE, "a draft has a token outside the vocabulary or positions that do not follow");
    Err e = decoder_room_for_traces(d, trace);
    if (e.code) return e;
    Rows joined = join(d, w, batch, from);
    decoder_quantize(d, &joined, (const Matrix *const[]){ &w->fc }, 1);
    d->b->linear(d->b, d->x, d->r->hidden, &joined, &w->fc, NULL);
    e = decoder_attention(d, batch, span_count, layer);
    if (!e.code) e = decoder_feed_forward(d, batch->T, layer, NULL);
    return e.code ? e : decoder_head(d, batch, w->norm, trace, "mtp.hidden", logits);
}
