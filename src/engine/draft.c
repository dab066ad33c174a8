// Speculation: tokens that are proposed cheaply and checked by the model in one batch. A proposal stands if the sampler, which draws by
// seed and position alone, takes that very token from the row before; so answers are the same, token for token, with drafts or
// without, sampled or greedy. Proposals come from the text itself (the tokens that followed its last words when they came before:
// prompt lookup, apoorvumang/prompt-lookup-decoding) or from the model's draft layers (multi-token prediction).
#include "engine/engine_internal.h"

#include <time.h>

enum {
    NGRAM_MOST = 4,       // last tokens that are looked for, at most and
    NGRAM_LEAST = 2,      // at least
    NGRAM_BACK = 1 << 16, // tokens that are looked through
    PROBE_EVERY = 48,     // tokens: the way that loses is tried again
    SAMPLES_LEAST = 6,
    GIVE_UP_AFTER = 48
};

// ---- Proposals from the text ---------------------------------------------------------------------------------------

// Where the last n tokens came before, the latest time; the place behind them. 0: nowhere.
static size_t came_before(const Ids *tokens, size_t n)
{
    const int32_t *end = tokens->at + tokens->n - n;
    const size_t least = tokens->n > NGRAM_BACK ? tokens->n - NGRAM_BACK : 0;
    for (size_t at = tokens->n - n; at-- > least;)
        if (tokens->at[at] == end[0] && !memcmp(tokens->at + at, end, n * sizeof *end)) return at + n;
    return 0;
}

static void propose_from_text(DureSession *s)
{
    const Ids *tokens = &s->tokens;
    s->draft_count = 0;
    for (size_t n = NGRAM_MOST; n >= NGRAM_LEAST; n--) {
        const size_t at = tokens->n > n ? came_before(tokens, n) : 0;
        if (!at) continue;
        for (size_t i = at; i < tokens->n && s->draft_count < s->engine->draft_tokens; i++)
            s->draft[s->draft_count++] = tokens->at[i];
        return;
    }
}

// ---- Whether they are worth it -------------------------------------------------------------------------------------

static double mean_seconds(const DraftPace *pace)
{
    return pace->tokens > 0 ? pace->seconds / pace->tokens : 0;
}

// Older steps count less and less.
static void pace_add(DraftPace *pace, double seconds, double tokens)
{
    const double fade = 0.95;
    pace->seconds = pace->seconds * fade + seconds;
    pace->tokens = pace->tokens * fade + tokens;
    pace->samples++;
}

static bool worth_it(DureEngine *engine)
{
    if (engine->draft_choice != DURE_DRAFT_AUTO) return true;
    const DraftPace *with = &engine->pace[true], *without = &engine->pace[false];
    if (with->samples < SAMPLES_LEAST) return true;
    if (without->samples < SAMPLES_LEAST) return false;
    const bool wins = mean_seconds(with) < mean_seconds(without);
    return ++engine->since_probe % PROBE_EVERY == 0 ? !wins : wins;
}

void draft_measure(DureEngine *engine, bool drafted, double seconds, int64_t tokens)
{
    pace_add(&engine->pace[drafted], seconds, (double)tokens);
}

// ---- In a step -----------------------------------------------------------------------------------------------------

int64_t draft_rows(DureSession *s, int64_t room)
{
    const DureEngine *engine = s->engine;
    const Reply *reply = &s->reply;
    if (engine->draft_kind == DURE_DRAFT_OFF || s->state != SESSION_REPLYING || s->watch.logits || s->watch.tensor)
        return 0;
    if (engine->draft_kind == DURE_DRAFT_NGRAM) propose_from_text(s);
    if (!s->draft_count || !worth_it(s->engine)) return 0;
    int64_t most = engine->plan.context - (int64_t)s->tokens.n - 1; // each is followed by one more token
    const int64_t wanted = reply->options.max_tokens ? reply->options.max_tokens - reply->tokens - 1 : most;
    if (wanted < most) most = wanted;
    if (room < most) most = room;
    return s->draft_count < most ? s->draft_count : most > 0 ? most : 0;
}

Err draft_accept(DureSession *s, const float *logits, int64_t drafted)
{
    const int64_t vocab = s->engine->model->recipe->vocab;
    Err e = OK;
    for (int64_t i = 0; i <= drafted && !e.code && s->state == SESSION_REPLYING; i++) {
        e = session_sample(s, logits + i * vocab);
        if (e.code || s->state != SESSION_REPLYING || i == drafted) break;
        if (s->tokens.at[s->tokens.n - 1] != s->draft[i]) break;
        s->stats.draft_accepted++;
    }
    s->stats.draft_tokens += drafted;
    s->draft_count = 0;
    if (e.code && s->state != SESSION_IDLE) session_finish(s, DURE_REASON_CANCELLED);
    session_trim(s);
    return e;
}

// ---- The draft layers ----------------------------------------------------------------------------------------------

// Rows [begin, end) of the main pass that stand, with the token behind each.
static void add_rows(DureEngine *engine, DureSession *s, int64_t row, int64_t begin, int64_t end)
{
    const int64_t last = (int64_t)s->tokens.n - 1;
    for (int64_t p = begin; p < end && p < last; p++) {
        engine->draft_from[engine->draft_T] = (int32_t)(row + p - begin);
        engine->draft_rows[engine->draft_T++] =
            (BatchRow){ s->sequence, (int32_t)p, s->tokens.at[p + 1],
                        s->watch.draft || (s->state == SESSION_REPLYING && p + 1 == last) };
    }
}

static int32_t likeliest(const float *logits, int64_t n)
{
    int32_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = (int32_t)i;
    return best;
}

// Shows the rows that are watched, takes the proposals of those behind which a reply goes on, and makes the rows of pass number
// `pass` + 1 out of them. logits: of the wanted rows in order.
static void take_proposals(DureEngine *engine, int64_t pass, const float *logits)
{
    const int64_t vocab = engine->model->recipe->vocab;
    int64_t kept = 0;
    for (int64_t i = 0; i < engine->draft_T; i++) {
        const BatchRow row = engine->draft_rows[i];
        DureSession *s = engine->first;
        if (!row.want_logits) continue;
        while (s->sequence != row.sequence) s = s->after;
        if (s->watch.draft) s->watch.draft(s->watch.user, row.position, logits, vocab);
        const bool goes_on = s->state == SESSION_REPLYING && row.position == (int64_t)s->tokens.n - 2 + pass;
        if (goes_on) {
            s->draft[s->draft_count] = likeliest(logits, vocab);
            engine->draft_rows[kept] = (BatchRow){ row.sequence, row.position + 1, s->draft[s->draft_count++], true };
            engine->draft_from[kept++] = (int32_t)i;
        }
        logits += vocab;
    }
    engine->draft_T = kept;
}

// Passes of layers that do not pay are a price of their own: then the text serves, which costs nothing.
static bool give_up(const DureEngine *engine)
{
    const DraftPace *with = &engine->pace[true], *without = &engine->pace[false];
    return engine->draft_choice == DURE_DRAFT_AUTO && with->samples > GIVE_UP_AFTER &&
           without->samples >= SAMPLES_LEAST && mean_seconds(with) > mean_seconds(without);
}

void draft_begin(DureEngine *engine)
{
    engine->draft_T = 0;
    if (engine->draft_kind != DURE_DRAFT_MTP || !give_up(engine)) return;
    engine->draft_kind = DURE_DRAFT_NGRAM;
    engine->pace[true] = (DraftPace){ 0 };
}

void draft_add(DureEngine *engine, DureSession *s, int64_t row, int64_t begin)
{
    if (engine->draft_kind != DURE_DRAFT_MTP) return;
    s->draft_count = 0;
    add_rows(engine, s, row, begin, cache_length(s->sequence));
}

Err draft_run(DureEngine *engine, const Trace *trace)
{
    const int64_t layers = engine->model->recipe->draft_layers;
    Err e = OK;
    for (int64_t i = 0; engine->draft_T && i < engine->draft_tokens && !e.code; i++) {
        const Batch batch = { .rows = engine->draft_rows, .T = engine->draft_T };
        const float *logits = NULL;
        for (int64_t r = 0; i && r < batch.T && !e.code; r++) e = cache_reserve(batch.rows[r].sequence, i);
        if (!e.code)
            e = decoder_draft(engine->decoder, &batch, engine->draft_from, i < layers ? i : layers - 1,
                              i ? NULL : trace, &logits);
        if (!e.code) take_proposals(engine, i, logits);
    }
    engine->draft_T = 0;
    return e.code == ERR_LIMIT || e.code == ERR_MEMORY ? OK : e; // without room for drafts there are none
}
