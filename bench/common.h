/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks of the transports share: a daemon of their own, a caller, and how figures are made. All end the program on failure. */
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "basic/macro.h"

#define FRAME_MAX 8192

void die(const char *what) __attribute__((noreturn));
uint64_t now_ns(void);

/* -1: nobody listens there yet. */
int connect_to(const char *path);
/* A listening socket. */
int listen_at(const char *path);
void send_all(int fd, const char *data, size_t n);
/* One frame with its NUL. */
size_t receive_frame(int fd, char *buffer, size_t size);

/* A program that gives up its output; ended with stop(). */
pid_t start(const char *const argv[]);
void stop(pid_t pid);

/* One service, "bench", with three nodes. */
typedef struct BenchDaemon {
        char directory[32]; /* also for what else a benchmark needs; removed with the daemon */
        char socket[64];
        pid_t pid;
        double ready_ms; /* from fork() to READY=1 */
} BenchDaemon;

/* bus: an address, or "none". d: zeroed, or with a directory of the caller's. */
void daemon_start(BenchDaemon *d, const char *program, const char *plugins, const char *bus);
void daemon_stop(BenchDaemon *d);

/* A Route, and before it the oneway Report of the decision before (NULL: none), as a real caller sends them. Returns the size. */
#define ROUTE \
        "{\"method\":\"org.pointsman.routing.Route\",\"parameters\":{\"serviceName\":\"bench\",\"operation\":\"geocode\"}}"
#define ID_MAX 64
size_t write_report(char *buffer, const char *decision);
size_t write_calls(char *buffer, const char *decision);
void find_id(const char *reply, char id[ID_MAX]);

/* Sorts. */
double percentile(double *v, size_t n, double p);
