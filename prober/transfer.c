/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/transfer.h"

#include <errno.h>
#include <strings.h>
#include <time.h>

#include "basic/units.h"
#include "prober/secret.h"

struct Transfer {
        CurlLoop *loop;
        CurlTransfer curl;
        bool running;
        Request *request;
        TransferDone done;
        void *userdata;

        HttpHeader headers[TRANSFER_HEADERS_KEPT];
        size_t n_headers, headers_size, headers_read;
        char *body; /* room for what is kept, and for a secret that lies across that mark */
        size_t body_size, body_room, body_read;
        bool cut;   /* we have read enough, and libcurl's complaint about that is no error */
        char detail[CURL_ERROR_SIZE];
};

const char *transfer_error_name(CURLcode code, bool sent) {
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return "timeout";
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return "dns";
        case CURLE_COULDNT_CONNECT:
        case CURLE_PROXY:
                return "connect";
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS:
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_CLIENTCERT:
        case CURLE_USE_SSL_FAILED:
                return "tls";
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_WEIRD_SERVER_REPLY:
                return "reset";
        case CURLE_ABORTED_BY_CALLBACK:
                return "canceled";
        default:
                /* An answer that is not HTTP comes as CURLE_UNSUPPORTED_PROTOCOL, and so does a URL that is not. */
                return sent ? "reset" : "not_sent";
        }
}

int transfer_parse_expiry(const char *text, char *ret, size_t size) {
        /* As OpenSSL and as GnuTLS write it. */
        static const char *const formats[] = { "%b %d %H:%M:%S %Y GMT", "%Y-%m-%d %H:%M:%S GMT" };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm = {};
                const char *end = strptime(text, formats[i], &tm);
                if (end && !*end && strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
                        return 0;
        }
        return -EINVAL;
}

/* ---- what comes in ---- */

static void forget_headers(Transfer *t) {
        for (size_t i = 0; i < t->n_headers; i++) {
                secret_release(t->headers[i].name);
                secret_release(t->headers[i].value);
        }
        t->n_headers = t->headers_size = 0;
}

/* A name that comes again is one list of values (RFC 9110 section 5.3), as the interface has one value for a name. */
static void keep_header(Transfer *t, const char *name, size_t name_size, const char *value, size_t value_size) {
        HttpHeader *h = NULL;

        /* A session's cookie is nobody's business, and the only header that may not be joined. */
        if (name_size == 10 && strncasecmp(name, "Set-Cookie", 10) == 0)
                return;
        if (t->headers_size + name_size + value_size + 2 > TRANSFER_HEADERS_SIZE)
                return;
        for (size_t i = 0; i < t->n_headers && !h; i++)
                if (strlen(t->headers[i].name) == name_size && strncasecmp(t->headers[i].name, name, name_size) == 0)
                        h = &t->headers[i];
        if (h) {
                char *joined = malloc(strlen(h->value) + 2 + value_size + 1);
                if (!joined)
                        return;
                *(char *) mempcpy(stpcpy(stpcpy(joined, h->value), ", "), value, value_size) = 0;
                secret_release(h->value);
                h->value = joined;
        } else if (t->n_headers < TRANSFER_HEADERS_KEPT) {
                h = &t->headers[t->n_headers];
                h->name = strndup(name, name_size);
                h->value = strndup(value, value_size);
                if (!h->name || !h->value) {
                        free(TAKE(h->name));
                        free(TAKE(h->value));
                        return;
                }
                t->n_headers++;
        } else
                return;
        t->headers_size += name_size + value_size + 2;
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;
        size_t n = one * size;

        t->headers_read += n;
        if (t->headers_read > TRANSFER_HEADERS_READ)
                return t->cut = true, 0;
        if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) {
                forget_headers(t); /* those were of a 1xx, which is not the answer */
                return n;
        }
        const char *colon = memchr(line, ':', n);
        if (!colon || t->body_read > 0) /* the empty line, or a trailer */
                return n;

        const char *value = colon + 1, *end = line + n;
        while (value < end && strchr(" \t", *value))
                value++;
        while (end > value && strchr(" \t\r\n", end[-1]))
                end--;
        keep_header(t, line, (size_t) (colon - line), value, (size_t) (end - value));
        return n;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata) {
        Transfer *t = userdata;
        size_t n = one * size, kept = MIN(n, t->body_room - t->body_size);

        /* At its full size at once: growing would leave pieces behind that nobody scrubs. */
        if (!t->body && !(t->body = malloc(t->body_room + 1)))
                return 0;
        memcpy(t->body + t->body_size, data, kept);
        t->body_size += kept;
        t->body_read += n;
        if (t->body_read >= TRANSFER_BODY_READ)
                return t->cut = true, 0;
        return n;
}

/* ---- what came of it ---- */

static uint64_t cumulative_ns(CURL *easy, CURLINFO what) {
        curl_off_t us = 0;
        curl_easy_getinfo(easy, what, &us);
        return us > 0 ? (uint64_t) us * NSEC_PER_USEC : 0;
}

static uint64_t step(uint64_t from, uint64_t to) {
        return to > 0 ? to - MIN(from, to) : NSEC_INFINITY;
}

/* libcurl counts every time from the start of the transfer; we want each step by itself. */
static void measure(CURL *easy, TransferResult *r) {
        uint64_t dns = cumulative_ns(easy, CURLINFO_NAMELOOKUP_TIME_T), connected = cumulative_ns(easy, CURLINFO_CONNECT_TIME_T),
                 secured = cumulative_ns(easy, CURLINFO_APPCONNECT_TIME_T), sending = cumulative_ns(easy, CURLINFO_PRETRANSFER_TIME_T),
                 first = cumulative_ns(easy, CURLINFO_STARTTRANSFER_TIME_T);
        long connections = 0;

        curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
        bool fresh = connections > 0 || sending == 0; /* a connection that failed does not count as one */
        uint64_t stands = MAX(MAX(dns, connected), secured); /* libcurl takes the time of "sending" when it has sent, maybe long after */
        r->dns_ns = fresh ? step(0, dns) : NSEC_INFINITY;
        r->connect_ns = fresh ? step(dns, connected) : NSEC_INFINITY;
        r->tls_ns = fresh ? step(connected, secured) : NSEC_INFINITY;
        r->first_byte_ns = sending > 0 ? step(stands, first) : NSEC_INFINITY;
        r->total_ns = cumulative_ns(easy, CURLINFO_TOTAL_TIME_T);
}

/* A proxy that answered, but makes no tunnel: the vendor was not reached. */
static bool tunnel_refused(CURL *easy) {
        long status = 0;

        return !curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status) && status >= 300;
}

/* When the vendor's own certificate, the first of the chain, ends. */
static void read_expiry(CURL *easy, TransferResult *r) {
        static const char prefix[] = "Expire date:";
        struct curl_certinfo *chain = NULL;

        if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) || !chain || chain->num_of_certs < 1)
                return;
        for (const struct curl_slist *l = chain->certinfo[0]; l; l = l->next)
                if (strncmp(l->data, prefix, strlen(prefix)) == 0)
                        transfer_parse_expiry(l->data + strlen(prefix), r->certificate_expires, sizeof(r->certificate_expires));
}

/* Vendors quote keys in their error messages. What we hand on must not hold ours. */
static void scrub(Transfer *t) {
        const char *secret = t->request->secret;

        for (size_t i = 0; i < t->n_headers; i++)
                secret_scrub(t->headers[i].value, strlen(t->headers[i].value), secret);
        secret_scrub(t->detail, strlen(t->detail), secret);
        if (!t->body)
                return;
        secret_scrub(t->body, t->body_size, secret);
        t->body_size = MIN(t->body_size, TRANSFER_BODY_KEPT);
        /* JSON cannot carry a NUL to a C string; another byte that is no text either can stand for it. */
        for (char *p = t->body; (p = memchr(p, 0, t->body_size - (size_t) (p - t->body)));)
                *p = '\xff';
        t->body[t->body_size] = 0;
}

static void on_done(void *userdata, CURLcode code) {
        Transfer *t = userdata;
        TransferResult r = {};
        long status = 0;

        t->running = false;
        curl_easy_getinfo(t->curl.easy, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK || t->cut) {
                r.http_status = (int) status;
                read_expiry(t->curl.easy, &r);
        }
        measure(t->curl.easy, &r);
        scrub(t);
        if (r.http_status > 0) {
                r.headers = t->headers;
                r.n_headers = t->n_headers;
                r.body = t->body ?: "";
                r.body_truncated = t->body_read > t->body_size;
        } else {
                r.error = tunnel_refused(t->curl.easy) ? "connect" : transfer_error_name(code, r.first_byte_ns != NSEC_INFINITY);
                r.detail = *t->detail ? t->detail : curl_easy_strerror(code);
        }
        t->done(t->userdata, &r);
}

/* ---- what goes out ---- */

static CURLcode set_request(Transfer *t) {
        const Request *q = t->request;
        CURL *e = t->curl.easy;
        CURLcode k = curl_easy_setopt(e, CURLOPT_URL, q->url);

        if (!k)
                k = curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->headers);
        /* The order matters: a body makes it a POST, and the method's name is put over that. */
        if (!k && (q->body || streq(q->method, "POST"))) {
                k = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long) strlen(q->body ?: ""));
                if (!k)
                        k = curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body ?: "");
        }
        if (!k && streq(q->method, "HEAD"))
                return curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        return k ?: curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
}

static CURLcode set_manners(Transfer *t, const TransferSettings *s) {
        const struct {
                CURLoption option;
                long value;
        } numbers[] = {
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_TIMEOUT_MS, (long) (t->request->timeout_ns / NSEC_PER_MSEC) },
                { CURLOPT_CONNECTTIMEOUT_MS, (long) (t->request->timeout_ns / NSEC_PER_MSEC) },
                { CURLOPT_FOLLOWLOCATION, 0 }, /* a probe answers for that URL, and a credential stays with its host */
                { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
                { CURLOPT_SSL_VERIFYPEER, 1 },
                { CURLOPT_SSL_VERIFYHOST, 2 },
                { CURLOPT_CERTINFO, 1 },
                { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
                { CURLOPT_MAXAGE_CONN, 90 },       /* s idle; then it is likely to be dead */
                { CURLOPT_MAXLIFETIME_CONN, 300 }, /* s; then names, handshakes and certificates are looked at anew */
                { CURLOPT_QUICK_EXIT, 1 },         /* never wait for a name server that a timeout has given up */
        };
        const struct {
                CURLoption option;
                const char *value;
        } strings[] = {
                { CURLOPT_PROTOCOLS_STR, "http,https" },
                { CURLOPT_USERAGENT, s->user_agent },
                { CURLOPT_PROXY, s->proxy ?: "" },
                { CURLOPT_NOPROXY, LOOPBACK_HOSTS }, /* may get a secret in clear text, which is for this host alone */
                { CURLOPT_CAINFO, s->ca_file },
        };
        CURLcode k = CURLE_OK;

        for (size_t i = 0; i < ELEMENTSOF(numbers) && !k; i++)
                k = curl_easy_setopt(t->curl.easy, numbers[i].option, numbers[i].value);
        for (size_t i = 0; i < ELEMENTSOF(strings) && !k; i++)
                if (strings[i].value)
                        k = curl_easy_setopt(t->curl.easy, strings[i].option, strings[i].value);
        /* One source of trust, which libcurl then parses once and not for every handshake. */
        return k ?: curl_easy_setopt(t->curl.easy, CURLOPT_CAPATH, NULL);
}

static CURLcode set_callbacks(Transfer *t) {
        CURL *e = t->curl.easy;
        CURLcode k = curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);

        k = k ?: curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
        k = k ?: curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
        k = k ?: curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
        return k ?: curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
}

int transfer_start(CurlLoop *loop, const TransferSettings *settings, Request *request, TransferDone done, void *userdata,
                   Transfer **ret) {
        _cleanup_(transfer_freep) Transfer *t = calloc(1, sizeof(*t));
        if (!t) {
                request_free(request);
                return -ENOMEM;
        }
        *t = (Transfer) {
                .loop = loop,
                .request = request,
                .done = done,
                .userdata = userdata,
                .body_room = TRANSFER_BODY_KEPT + (request->secret ? 3 * strlen(request->secret) : 0),
        };
        t->curl = (CurlTransfer) { curl_easy_init(), on_done, t };
        if (!t->curl.easy)
                return -ENOMEM;
        if (set_request(t) || set_manners(t, settings) || set_callbacks(t))
                return -ENOMEM;
        int k = curl_loop_add(loop, &t->curl);
        if (k < 0)
                return k;
        t->running = true;
        *ret = TAKE(t);
        return 0;
}

Transfer *transfer_free(Transfer *t) {
        if (!t)
                return NULL;
        if (t->running)
                curl_loop_remove(t->loop, &t->curl);
        if (t->curl.easy)
                curl_easy_cleanup(t->curl.easy);
        forget_headers(t);
        secret_release(t->body);
        request_free(t->request);
        free(t);
        return NULL;
}
