// The plan: what an engine would take, in numbers, before anything of size is taken, so that what cannot fit is refused at once with
// what would.
#include "engine/engine_internal.h"

#include <stdio.h>

enum {
    CHUNK_DEFAULT = 512,
    CHUNK_MOST = 65536,
    THREADS_MOST = 1024,
    SESSIONS_MOST = 4096,
    PAGE_DEFAULT = 64,
    PAGE_MOST = 65536,
    TABLES_BYTES = 128 * 1024 // an arena's chunk, or two for many layers
};

// Marks may hold a quarter of a session's cache, but not more than this, and at least a few pages: two for each of the last turns.
static const int64_t MARKS_MOST_BYTES = (int64_t)256 << 20;
enum { MARKS_LEAST_PAGES = 8 };

// ---- Options -------------------------------------------------------------------------------------------------------

static const char *kv_type_name(KvType type)
{
    static const char *const names[] = { [KV_F32] = "f32", [KV_BF16] = "bf16", [KV_Q8] = "q8" };
    return names[type];
}

static Err number_check(const char *name, int64_t value, int64_t most)
{
    if (value >= 0 && value <= most) return OK;
    return err(ERR_USAGE, "%s is %lld, but must be from 0 (the default) to %lld", name, (long long)value,
               (long long)most);
}

static Err numbers_check(const DureEngineOptions *o)
{
    Err e = number_check("threads", o->threads, THREADS_MOST);
    if (!e.code) e = number_check("chunk", o->chunk, CHUNK_MOST);
    if (!e.code) e = number_check("memory", o->memory, INT64_MAX / 4);
    if (!e.code) e = number_check("sessions", o->sessions, SESSIONS_MOST);
    if (!e.code) e = number_check("page_tokens", o->page_tokens, PAGE_MOST);
    if (!e.code) e = number_check("context", o->context, INT32_MAX);
    if (!e.code) e = number_check("kv", o->kv, DURE_KV_Q8);
    if (!e.code) e = number_check("mla", o->mla, DURE_MLA_MIXED);
    if (!e.code) e = number_check("draft", o->draft, DURE_DRAFT_MTP);
    if (!e.code) e = number_check("draft_tokens", o->draft_tokens, DRAFT_MOST);
    if (!e.code && o->page_tokens % ATTEND_BLOCK)
        e = err(ERR_USAGE, "page_tokens is %lld, but must be a multiple of %d", (long long)o->page_tokens,
                ATTEND_BLOCK);
    return e;
}

static Err level_choose(CpuLevel *out, const char *name)
{
    *out = cpu_level_best();
    if (!name) return OK;
    Buf known = { 0 };
    for (int level = 0; level < CPU_LEVELS; level++)
        if (cpu_level_runs((CpuLevel)level)) buf_printf(&known, " %s", cpu_level_name((CpuLevel)level));
    Err e = OK;
    if (known.failed)
        e = err_memory("the CPU level");
    else if (!cpu_level_from(out, name))
        e = err(ERR_USAGE, "cpu: \"%s\" is not a level; here run:%s", name, known.at);
    else if (!cpu_level_runs(*out))
        e = err(ERR_UNSUPPORTED, "cpu: this processor does not have %s; here run:%s", name, known.at);
    buf_free(&known);
    return e;
}

// What proposes tokens, and the room that it needs.
static Err draft_choose(Settings *s, const DureEngineOptions *o, const Recipe *recipe)
{
    enum { DRAFTS_DEFAULT = 4 };
    const bool has = recipe->draft_layers > 0;
    if (o->draft == DURE_DRAFT_MTP && !has)
        return err(ERR_UNSUPPORTED, "draft: the model has no draft layers; ngram proposes tokens without any");
    s->draft = o->draft == DURE_DRAFT_OFF || o->draft == DURE_DRAFT_NGRAM ? (DureDraft)o->draft
               : has                                                      ? DURE_DRAFT_MTP
                                                                          : DURE_DRAFT_NGRAM;
    s->draft_tokens = s->draft == DURE_DRAFT_OFF ? 0 : o->draft_tokens ? o->draft_tokens : DRAFTS_DEFAULT;
    s->kv.drafts = s->draft == DURE_DRAFT_MTP;
    const int64_t rows = s->sessions * (1 + s->draft_tokens);
    if (s->most_rows < rows) s->most_rows = rows;
    return OK;
}

Err settings_from(Settings *out, const DureEngineOptions *o, const Recipe *recipe)
{
    static const KvType types[] = { KV_BF16, KV_F32, KV_BF16, KV_Q8 }; // by DureKvType
    Settings s = { .context = o->context };
    Err e = numbers_check(o);
    if (!e.code) e = level_choose(&s.level, o->cpu);
    if (e.code) return e;
    if (recipe->context > 0 && s.context > recipe->context)
        return err(ERR_LIMIT, "context is %lld, but the model was made for %lld positions; ask for at most that",
                   (long long)s.context, (long long)recipe->context);
    s.threads = o->threads ? o->threads : cpu_count();
    s.sessions = o->sessions ? o->sessions : 1;
    s.chunk = o->chunk ? o->chunk : CHUNK_DEFAULT;
    if (s.context && s.chunk > s.context * s.sessions) s.chunk = s.context * s.sessions;
    s.most_rows = s.chunk > s.sessions ? s.chunk : s.sessions;
    s.kv = (KvOptions){ .type = types[o->kv], .page_tokens = o->page_tokens ? o->page_tokens : PAGE_DEFAULT };
    s.kv.latent = (LatentForm[]){ LATENT_ABSORBED, LATENT_EXPANDED, LATENT_MIXED }[o->mla];
    if (o->kv == DURE_KV_DEFAULT && s.level == CPU_SCALAR) s.kv.type = KV_F32;
    s.limit = o->memory ? o->memory : memory_available();
    e = draft_choose(&s, o, recipe);
    *out = s;
    return e;
}

// ---- Plan ----------------------------------------------------------------------------------------------------------

static int64_t bytes_sum(int64_t a, int64_t b)
{
    return a > INT64_MAX / 4 - b ? INT64_MAX / 4 : a + b; // what is told and compared, never indexed with
}

static int64_t bytes_product(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX / 4 ? INT64_MAX / 4 : product;
}

static int64_t bytes_of(size_t bytes)
{
    return bytes > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)bytes;
}

// The budget of the marks depends on the context, and lies in settings->kv for the one asked last.
static int64_t kv_bytes(Settings *settings, const Recipe *recipe, int64_t context)
{
    const int64_t one = bytes_of(cache_bytes(recipe, &settings->kv, context, settings->chunk));
    const int64_t page = bytes_of(cache_bytes(recipe, &settings->kv, 1, settings->chunk));
    int64_t marks = one / 4 < MARKS_MOST_BYTES ? one / 4 : MARKS_MOST_BYTES;
    if (marks < bytes_product(page, MARKS_LEAST_PAGES)) marks = bytes_product(page, MARKS_LEAST_PAGES);
    if (marks > one) marks = one;
    settings->kv.mark_budget = marks;
    return bytes_sum(bytes_product(one, settings->sessions), marks);
}

int64_t plan_total(const DurePlan *plan)
{
    return bytes_sum(bytes_sum(plan->mapped, plan->resident), bytes_sum(plan->kv, plan->work));
}

static void human(char out[32], int64_t bytes)
{
    static const char *const units[] = { N_("bytes"), "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < COUNT(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, tr(units[unit]));
}

Err plan_refuse(const DurePlan *plan, const Settings *settings, int64_t fits)
{
    char total[32], mapped[32], resident[32], kv[32], work[32], limit[32], remedy[240];
    human(total, plan_total(plan));
    human(mapped, plan->mapped);
    human(resident, plan->resident);
    human(kv, plan->kv);
    human(work, plan->work);
    human(limit, plan->limit);
    if (fits)
        snprintf(remedy, sizeof remedy, tr("a context of %lld would fit"), (long long)fits);
    else
        snprintf(remedy, sizeof remedy, "%s",
                 tr("no context would fit: take a smaller model or chunk, or allow more memory"));
    return err(ERR_LIMIT,
               "%s would be needed (weights %s, resident %s, cache %s for %lld x %lld tokens, work %s), but %s may be "
               "used; %s",
               total, mapped, resident, kv, (long long)settings->sessions, (long long)plan->context, work, limit,
               remedy);
}

// The largest context up to `most` that fits, in whole pages unless it is `most`; 0: none.
static int64_t context_that_fits(DurePlan plan, Settings *settings, const Recipe *recipe, int64_t most)
{
    const int64_t page = settings->kv.page_tokens;
    plan.kv = kv_bytes(settings, recipe, most);
    if (plan_total(&plan) <= plan.limit) return most;
    int64_t good = 0, bad = (most + page - 1) / page; // in pages
    while (bad - good > 1) {
        const int64_t middle = good + (bad - good) / 2;
        plan.kv = kv_bytes(settings, recipe, middle * page);
        *(plan_total(&plan) <= plan.limit ? &good : &bad) = middle;
    }
    return good * page;
}

// Fills in context and cache; refuses what does not fit. plan: mapped, resident, work and limit are known.
Err plan_settle(DurePlan *plan, Settings *settings, const Recipe *recipe)
{
    const int64_t made_for = recipe->context > 0 ? recipe->context : INT32_MAX;
    const int64_t wanted = settings->context ? settings->context : made_for;
    const int64_t fits = context_that_fits(*plan, settings, recipe, wanted);
    plan->context = settings->context ? settings->context : fits;
    if (!plan->context) plan->context = settings->kv.page_tokens < wanted ? settings->kv.page_tokens : wanted;
    plan->kv = kv_bytes(settings, recipe, plan->context);
    return fits >= plan->context ? OK : plan_refuse(plan, settings, fits);
}

// The batch's rows, the sampled logits here and in the decoder (device and host), a sampler each, and the cache's tables.
static int64_t own_bytes(const Settings *settings, const Recipe *recipe)
{
    const int64_t rows = bytes_product(settings->most_rows, (int64_t)(2 * sizeof(BatchRow) + sizeof(int32_t)));
    const int64_t logits = bytes_product(recipe->vocab, (int64_t)sizeof(float));
    const int64_t each = bytes_sum(bytes_product(logits, 2), bytes_of(sampler_bytes(recipe->vocab)));
    return bytes_sum(bytes_sum(rows, logits), bytes_sum(bytes_product(settings->sessions, each), TABLES_BYTES));
}

DecoderOptions decoder_options(const Settings *settings)
{
    return (DecoderOptions){ .most_rows = settings->most_rows,
                             .latent = settings->kv.latent,
                             .drafts = settings->kv.drafts };
}

DurePlan plan_start(const Settings *settings, const Recipe *recipe, int64_t mapped)
{
    const DecoderOptions options = decoder_options(settings);
    const BackendLimits limits = decoder_limits(recipe, &options);
    const int64_t scratch = bytes_of(backend_bytes(&limits, settings->threads));
    const int64_t rows = bytes_of(decoder_bytes(recipe, &options));
    return (DurePlan){ .mapped = mapped,
                       .work = bytes_sum(scratch, bytes_sum(rows, own_bytes(settings, recipe))),
                       .limit = settings->limit,
                       .threads = settings->threads,
                       .cpu = cpu_level_name(settings->level),
                       .kv_type = kv_type_name(settings->kv.type) };
}

Err plan_reckon(DurePlan *plan, int64_t *largest, const Recipe *recipe, const DureEngineOptions *options,
                int64_t mapped)
{
    Settings settings;
    Err e = settings_from(&settings, options, recipe);
    if (e.code) return e;
    settings.kv.drafts = recipe->draft_layers > 0;
    *plan = plan_start(&settings, recipe, mapped);
    *largest = context_that_fits(*plan, &settings, recipe, recipe->context);
    plan->context = settings.context ? settings.context : recipe->context;
    plan->kv = kv_bytes(&settings, recipe, plan->context);
    return OK;
}
