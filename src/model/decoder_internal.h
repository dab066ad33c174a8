// The decoder's own state, and what its files share. Symbols: T rows, H hidden, NH query heads, KV key/value heads, D head width.
#ifndef DURE_DECODER_INTERNAL_H
#define DURE_DECODER_INTERNAL_H

#include "model/model.h"

enum {
    LATENT_PIECE = 512, // keys that the mixed form expands at once; a multiple of ATTEND_BLOCK
    LATENT_SPAN = 16    // rows of one sequence from which on expanding pays
};

typedef struct MappedExperts {
    ExpertSource source;
    const Weights *weights;
} MappedExperts;

struct Decoder {
    const Recipe *r;
    const Weights *w;
    Backend *b;
    Ledger *ledger;
    DecoderOptions options;
    MappedExperts mapped;
    ExpertSource *experts;

    void *memory; // all of the following, in backend memory
    size_t memory_bytes;
    float *x;         // [T, H] residual stream
    Rows in;          // [T, H] normed input of a block
    Rows mid;         // [T, max(NH * D, widths of dense feed-forwards)] what o and down read
    float *q;         // [T, NH * D]
    float *k, *v;     // [T, KV * D]; latent attention: [T, kv_rank] the latent, [T, rope] the rotary key
    Rows low;         // [T, q_rank] the latent query
    float *absorbed;  // [T, NH, kv_rank + rope] queries against the latent
    float *mixed;     // [T, NH, kv_rank] latents by their weights
    Rows latents;     // expanded and mixed: [S, kv_rank] latents that are expanded at once
    float *rotary;    // [S, rope] their rotary keys
    float *expanded;  // [S, NH, nope + value_width]
    float *keys;      // [S, NH, D]
    float *values;    // [S, NH, value_width]
    float *carry;     // mixed: [T, NH, 2]
    float *gate, *up; // [T, widest dense feed-forward]
    float *out;       // [T, H] a block's output
    float *shared;    // [T, H]
    float *scores;    // [T, E]
    int32_t *ids;     // [T, K]
    float *routes;    // [T, K]
    float *hidden;    // with drafts, [T, H]: states of the last pass, normed
    Rows joined;      // with drafts, [T, 2 H]: what fc reads

    int32_t *positions, *tokens; // [T], host
    AttendSpan *spans;           // [T]
    uint8_t **pieces;            // mixed: page tables of expanded keys and values, [2, piece_count]
    int64_t piece_count;
    float *logits; // device, then host: [most_logits, vocab]
    float *host_logits;
    int64_t most_logits;
    float *seen; // host, for traces: [T, widest]
};

// The first T rows of `rows`, read from x and narrowed to n.
static inline Rows rows_of(const Rows *rows, float *x, int64_t T, int64_t n)
{
    Rows view = *rows;
    view.T = T, view.n = n, view.x = x;
    return view;
}

// Integers of the rows, if any of the formats reads them.
void decoder_quantize(Decoder *d, const Rows *x, const Matrix *const *matrices, int count);
void decoder_norm(Decoder *d, float *y, const float *x, const float *gain, NormKind kind, int64_t rows, int64_t n);
// A block's input: the residual stream, normed where the recipe norms it.
Rows decoder_block_input(Decoder *d, const float *gain, NormKind kind, int64_t T);
// x += residual_multiplier * norm(out)
void decoder_add_block(Decoder *d, const float *gain, NormKind kind, int64_t T);
// The attention block of a layer, over the first span_count of d->spans.
Err decoder_attention(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer);
// Its parts: out [T, NH, value_width].
Err decoder_latent(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer, float *out);
// Rows of the two streams go into the cache, and the spans see all that is stored.
void decoder_store(Decoder *d, const Batch *batch, const float *first, const float *second, int64_t span_count,
                   int64_t layer);
// Heads of x stand `width` apart; their first rope->d elements are turned.
void decoder_turn(Decoder *d, float *x, const Rope *rope, int64_t heads, int64_t width, int64_t T);
AttendIn decoder_attend_in(const Decoder *d, int64_t layer, int64_t span_count); // all but q and widths

Err decoder_feed_forward(Decoder *d, int64_t T, int64_t layer, const Trace *trace);
// Cuts the batch into spans of one sequence each and checks what the caller promised; returns their number, 0 when it is wrong.
// anywhere: rows need not begin at the sequence's length, as those of draft passes do not.
int64_t decoder_cut_spans(Decoder *d, const Batch *batch, bool anywhere);
// The last norm and the head, for rows that want logits; all normed rows stay in d->hidden where there are drafts.
Err decoder_head(Decoder *d, const Batch *batch, const float *gain, const Trace *trace, const char *name,
                 const float **logits);
void decoder_show(Decoder *d, const Trace *trace, const char *name, const float *x, int64_t T, int64_t n);
Err decoder_room_for_traces(Decoder *d, const Trace *trace);

#endif
