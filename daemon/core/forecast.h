/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Will this node fail within the next 30 s? An online logistic model for each node, trained by stochastic gradient
 * descent on what then happened. It keeps its own score (Brier) beside that of the plain base rate, and is trusted only
 * while it is the better of the two. What all nodes have taught is where a new node starts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_NS (30 * NSEC_PER_SEC)
#define FORECAST_EVERY_NS (5 * NSEC_PER_SEC) /* between two forecasts that are checked afterwards */
#define FORECAST_PENDING 6                   /* FORECAST_NS / FORECAST_EVERY_NS */

typedef enum ForecastFeature {
        FEATURE_BIAS,
        FEATURE_ERRORS,        /* ratio of the last seconds */
        FEATURE_ERRORS_SLOPE,  /* against the last half minute */
        FEATURE_LATENCY,       /* logarithm, against what is typical for the node */
        FEATURE_LATENCY_SLOPE, /* against the last half minute */
        FEATURE_LIMITED,       /* ratio of rate limits */
        FEATURE_IN_FLIGHT,     /* logarithm, against what is usual */
        FEATURE_LAST_FAILURE,  /* 1 just now, fading */
        FEATURE_DAY_SIN,       /* time of day */
        FEATURE_DAY_COS,
        _FEATURE_MAX,
} ForecastFeature;

/* How good a model is: sums that fade, a forecast at a time. */
typedef struct ForecastScore {
        double n, positives;
        double brier, brier_base; /* squared errors of the model, and of always saying the base rate */
        double predicted;         /* against positives: calibration */
} ForecastScore;

typedef struct ForecastModel {
        float weights[_FEATURE_MAX];
        ForecastScore score;
} ForecastModel;

/* Sums over calls that fade with a time of their own. */
typedef struct ForecastHorizon {
        double weight, errors, limited, latency, successes, in_flight;
} ForecastHorizon;

typedef struct Forecast {
        bool trusted; /* see forecast_is_trusted(); as of the last forecast that was checked */
        float day_sin, day_cos;
        uint64_t at_ns, failed_ns, sampled_ns;
        ForecastHorizon fast, slow;
        ForecastModel model;
        struct ForecastSample {
                uint64_t at_ns; /* 0: none */
                float features[_FEATURE_MAX];
                float probability;
        } pending[FORECAST_PENDING];
        uint8_t next;
} Forecast;

void forecast_model_init(ForecastModel *m);
void forecast_init(Forecast *f, const ForecastModel *shared);

typedef struct ForecastCall {
        bool failed, limited;
        double latency_ns, typical_ns; /* of a success; 0: unknown */
        uint32_t in_flight;
} ForecastCall;

/* A call came back. Learns from forecasts whose time is over. */
void forecast_call(Forecast *f, ForecastModel *shared, const ForecastCall *c, uint64_t now_ns, uint64_t utc_ns);
/* The node failed: those who said so were right. */
void forecast_failed(Forecast *f, ForecastModel *shared, uint64_t now_ns);

/* Probability 0..1 of a failure within FORECAST_NS; NAN: the model has not earned trust. */
double forecast_probability(const Forecast *f, uint64_t now_ns);
/* Whether the model has beaten the base rate; a node that never failed goes by what the others showed. */
bool forecast_is_trusted(const Forecast *f, const ForecastModel *shared);
