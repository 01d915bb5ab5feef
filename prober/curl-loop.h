/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on an sd-event loop: any number of transfers at once, none of which blocks. */
#pragma once

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct CurlLoop CurlLoop;
typedef void (*CurlLoopDone)(void *userdata, CURLcode code);

/* connections_max: how many idle connections are kept for the next request to the same host. */
int curl_loop_new(sd_event *event, unsigned connections_max, CurlLoop **ret);
/* Every transfer must have been ended or removed before. */
CurlLoop *curl_loop_free(CurlLoop *l);
DEFINE_CLEANUP(CurlLoop *, curl_loop_free);

/* Starts a transfer; done is called once, from the event loop, when it has ended and been removed. Sets CURLOPT_PRIVATE. */
typedef struct CurlTransfer {
        CURL *easy;
        CurlLoopDone done;
        void *userdata;
} CurlTransfer;

int curl_loop_add(CurlLoop *l, CurlTransfer *t);
/* Gives a transfer up; done is not called. */
void curl_loop_remove(CurlLoop *l, CurlTransfer *t);
