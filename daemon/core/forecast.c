/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/forecast.h"

#include <math.h>
#include <string.h>

#include "basic/macro.h"
#include "basic/units.h"
#include "daemon/core/stats.h"

#define FAST_TAU_NS (5 * NSEC_PER_SEC)
#define SLOW_TAU_NS (30 * NSEC_PER_SEC)
/* So many recent calls make half of what a ratio says believed. */
#define BELIEF_CALLS 3.0

#define LEARNING_RATE 0.05
#define SHARED_LEARNING_RATE 0.02
#define SHRINK 1e-4  /* of each step towards where the weights came from */
#define SCORE_FADE 0.999
#define SAMPLES_MIN 12.0
/* The model must be better than the base rate by so much, or it is luck. */
#define BETTER_THAN_BASE 0.95

/* Before anything was learned: errors and slowness that grow mean trouble, calm means little of it. */
static const float first_weights[_FEATURE_MAX] = {
        [FEATURE_BIAS] = -4,        [FEATURE_ERRORS] = 6,           [FEATURE_ERRORS_SLOPE] = 8,
        [FEATURE_LATENCY] = 1.5F,   [FEATURE_LATENCY_SLOPE] = 2.5F, [FEATURE_LIMITED] = 3,
        [FEATURE_IN_FLIGHT] = 0.3F, [FEATURE_LAST_FAILURE] = 0.5F,
};

void forecast_model_init(ForecastModel *m) {
        *m = (ForecastModel) {};
        memcpy(m->weights, first_weights, sizeof(m->weights));
}

void forecast_init(Forecast *f, const ForecastModel *shared) {
        *f = (Forecast) {};
        memcpy(f->model.weights, shared->weights, sizeof(f->model.weights));
}

static void fade(ForecastHorizon *h, double w) {
        h->weight *= w;
        h->errors *= w;
        h->limited *= w;
        h->latency *= w;
        h->successes *= w;
        h->in_flight *= w;
}

static void add(ForecastHorizon *h, const ForecastCall *c) {
        h->weight += 1;
        h->errors += c->failed;
        h->limited += c->limited;
        h->in_flight += c->in_flight;
        if (!c->failed && c->latency_ns > 0 && c->typical_ns > 0) {
                h->successes += 1;
                h->latency += log(c->latency_ns / c->typical_ns);
        }
}

/* A mean that says nothing until there is something to say. */
static double mean(double sum, double n) {
        return sum / (n + BELIEF_CALLS);
}

static void features(const Forecast *f, uint64_t now_ns, float ret[_FEATURE_MAX]) {
        uint64_t idle = now_ns > f->at_ns ? now_ns - f->at_ns : 0;
        double w = decay(idle, FAST_TAU_NS), v = decay(idle, SLOW_TAU_NS);
        double errors = mean(f->fast.errors * w, f->fast.weight * w),
               errors_slow = mean(f->slow.errors * v, f->slow.weight * v);
        double latency = mean(f->fast.latency * w, f->fast.successes * w);
        double latency_slow = mean(f->slow.latency * v, f->slow.successes * v);
        double usual = f->slow.weight > 0 ? f->slow.in_flight / f->slow.weight : 0;
        double flying = f->fast.weight > 0 ? f->fast.in_flight / f->fast.weight : 0;

        ret[FEATURE_BIAS] = 1;
        ret[FEATURE_ERRORS] = (float) errors;
        ret[FEATURE_ERRORS_SLOPE] = (float) (errors - errors_slow);
        ret[FEATURE_LATENCY] = (float) CLAMP(latency, -3.0, 3.0);
        ret[FEATURE_LATENCY_SLOPE] = (float) CLAMP(latency - latency_slow, -3.0, 3.0);
        ret[FEATURE_LIMITED] = (float) mean(f->fast.limited * w, f->fast.weight * w);
        ret[FEATURE_IN_FLIGHT] = (float) CLAMP(log((flying + 1) / (usual + 1)), -3.0, 3.0);
        ret[FEATURE_LAST_FAILURE] =
                f->failed_ns > 0 ? (float) decay(now_ns > f->failed_ns ? now_ns - f->failed_ns : 0, SLOW_TAU_NS) : 0;
        ret[FEATURE_DAY_SIN] = f->day_sin;
        ret[FEATURE_DAY_COS] = f->day_cos;
}

static double probability(const ForecastModel *m, const float x[_FEATURE_MAX]) {
        float sum = 0;

        for (int i = 0; i < _FEATURE_MAX; i++)
                sum += m->weights[i] * x[i];
        return 1 / (1 + exp(-CLAMP((double) sum, -30.0, 30.0)));
}

static void keep_score(ForecastScore *s, double said, bool failed) {
        double base = (s->positives + 0.02) / (s->n + 1);

        s->n *= SCORE_FADE;
        s->positives *= SCORE_FADE;
        s->brier *= SCORE_FADE;
        s->brier_base *= SCORE_FADE;
        s->predicted *= SCORE_FADE;
        s->brier += (failed - said) * (failed - said);
        s->brier_base += (failed - base) * (failed - base);
        s->n += 1;
        s->positives += failed;
        s->predicted += said;
}

static void step(ForecastModel *m, const float *towards, const float x[_FEATURE_MAX], bool failed, double rate) {
        double error = (double) failed - probability(m, x);

        for (int i = 0; i < _FEATURE_MAX; i++) {
                m->weights[i] += (float) (rate * error) * x[i] + (float) SHRINK * (towards[i] - m->weights[i]);
                m->weights[i] = CLAMP(m->weights[i], -30.0F, 30.0F);
        }
}

static bool beats_base(const ForecastScore *s) {
        return s->n >= SAMPLES_MIN && s->positives > 0.5 && s->brier < BETTER_THAN_BASE * s->brier_base;
}

bool forecast_is_trusted(const Forecast *f, const ForecastModel *shared) {
        const ForecastScore *own = &f->model.score;

        /* A node that never failed cannot have shown anything; for it, what the others showed counts. */
        return own->positives > 0.5 ? beats_base(own) : beats_base(&shared->score);
}

static void resolve(Forecast *f, ForecastModel *shared, struct ForecastSample *s, bool failed) {
        keep_score(&f->model.score, (double) s->probability, failed);
        keep_score(&shared->score, (double) s->probability, failed);
        step(&f->model, shared->weights, s->features, failed, LEARNING_RATE);
        step(shared, first_weights, s->features, failed, SHARED_LEARNING_RATE);
        s->at_ns = 0;
        f->trusted = forecast_is_trusted(f, shared);
}

static void sample(Forecast *f, ForecastModel *shared, uint64_t now_ns, uint64_t utc_ns) {
        struct ForecastSample *s;
        double day;

        for (int i = 0; i < FORECAST_PENDING; i++)
                if (f->pending[i].at_ns > 0 && now_ns - f->pending[i].at_ns >= FORECAST_NS)
                        resolve(f, shared, &f->pending[i], false);
        s = &f->pending[f->next];
        if (s->at_ns > 0) /* not yet known; the clock did not move evenly */
                return;
        day = 2 * M_PI * (double) (utc_ns % (24 * NSEC_PER_HOUR)) / (double) (24 * NSEC_PER_HOUR);
        f->day_sin = (float) sin(day);
        f->day_cos = (float) cos(day);
        f->sampled_ns = now_ns;
        f->next = (uint8_t) ((f->next + 1) % FORECAST_PENDING);
        s->at_ns = MAX(now_ns, UINT64_C(1));
        features(f, now_ns, s->features);
        s->probability = (float) probability(&f->model, s->features);
}

void forecast_call(Forecast *f, ForecastModel *shared, const ForecastCall *c, uint64_t now_ns, uint64_t utc_ns) {
        uint64_t elapsed = now_ns > f->at_ns ? now_ns - f->at_ns : 0;

        if (elapsed > 0) {
                fade(&f->fast, decay(elapsed, FAST_TAU_NS));
                fade(&f->slow, decay(elapsed, SLOW_TAU_NS));
                f->at_ns = now_ns;
        }
        add(&f->fast, c);
        add(&f->slow, c);
        if (c->failed)
                f->failed_ns = MAX(now_ns, UINT64_C(1));
        if (now_ns - f->sampled_ns >= FORECAST_EVERY_NS || f->sampled_ns == 0)
                sample(f, shared, now_ns, utc_ns);
}

void forecast_failed(Forecast *f, ForecastModel *shared, uint64_t now_ns) {
        for (int i = 0; i < FORECAST_PENDING; i++)
                if (f->pending[i].at_ns > 0)
                        resolve(f, shared, &f->pending[i], now_ns - f->pending[i].at_ns < FORECAST_NS);
        /* What led to it is over; what comes next starts from nothing. */
        f->fast = f->slow = (ForecastHorizon) {};
}

double forecast_probability(const Forecast *f, uint64_t now_ns) {
        float x[_FEATURE_MAX];

        if (!f->trusted)
                return NAN;
        features(f, now_ns, x);
        return probability(&f->model, x);
}
