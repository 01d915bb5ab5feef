/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/request.h"

#include <arpa/inet.h>
#include <errno.h>

#include "prober/secret.h"
#include "prober/template.h"

/* RFC 9110 section 5.6.2; what a method and a header's name are made of. */
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool is_token(const char *s) {
        return *s && !s[strspn(s, TOKEN)];
}

static bool has_control_characters(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7f)
                        return true;
        return false;
}

Request *request_free(Request *r) {
        if (!r)
                return NULL;
        secret_free(r->url);
        secret_free(r->body);
        secret_free(r->secret);
        curl_slist_free_all(r->headers); /* with secret_release(), see curl-loop.c */
        free(r->method);
        free(r);
        return NULL;
}

bool probe_wants_credential(const Probe *p) {
        if (template_wants_credential(p->url) || template_wants_credential(p->body))
                return true;
        for (size_t i = 0; i < p->n_headers; i++)
                if (template_wants_credential(p->headers[i].value))
                        return true;
        return false;
}

static int add_header(const HttpHeader *h, const char *secret, Request *r, const char **ret_why) {
        _cleanup_(secret_freep) char *value = NULL, *line = NULL;

        if (!is_token(h->name) || has_control_characters(h->value))
                return *ret_why = "a header of it is not allowed in HTTP", -EINVAL;
        if (template_fill(h->value, secret, false, &value) < 0)
                return -ENOMEM;
        line = malloc(strlen(h->name) + strlen(value) + sizeof(": "));
        if (!line)
                return -ENOMEM;
        /* Not with asprintf(), whose buffers keep what was in them. A line that ends in a colon would tell libcurl to leave
         * the header out. */
        stpcpy(stpcpy(stpcpy(line, h->name), *value ? ": " : ";"), value);
        struct curl_slist *longer = curl_slist_append(r->headers, line);
        if (!longer)
                return -ENOMEM;
        r->headers = longer;
        return 0;
}

static bool is_loopback(const char *host) {
        struct in_addr v4;

        if (streq(host, "localhost") || streq(host, "[::1]"))
                return true;
        return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* A secret goes out over TLS only; on loopback it does not go out. */
static int check_url(const Request *r, const char **ret_why) {
        char *scheme = NULL, *host = NULL;
        int k = 0;

        CURLU *u = curl_url();
        if (!u)
                return -ENOMEM;
        if (curl_url_set(u, CURLUPART_URL, r->url, CURLU_NON_SUPPORT_SCHEME) || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
            curl_url_get(u, CURLUPART_HOST, &host, 0))
                k = (*ret_why = "its URL is not valid", -EINVAL);
        else if (!streq(scheme, "https") && !streq(scheme, "http"))
                k = (*ret_why = "its URL is neither https nor http", -EINVAL);
        else if (r->secret && streq(scheme, "http") && !is_loopback(host))
                k = (*ret_why = "its credential would go over the network in clear text; use https", -EPERM);
        curl_free(scheme);
        curl_free(host);
        curl_url_cleanup(u);
        return k;
}

int request_new(const Probe *p, const char *secret, Request **ret, const char **ret_why) {
        _cleanup_(request_freep) Request *r = calloc(1, sizeof(*r));
        const char *filling = secret ?: "";

        *ret_why = "out of memory";
        if (!r)
                return -ENOMEM;
        if (!is_token(p->method))
                return *ret_why = "its method is not allowed in HTTP", -EINVAL;
        r->timeout_ns = p->timeout_ns;
        r->method = strdup(p->method);
        if (!r->method || template_fill(p->url, filling, true, &r->url) < 0)
                return -ENOMEM;
        if (p->body && template_fill(p->body, filling, false, &r->body) < 0)
                return -ENOMEM;
        if (secret) {
                r->secret = strdup(secret);
                if (!r->secret)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < p->n_headers; i++) {
                int k = add_header(&p->headers[i], filling, r, ret_why);
                if (k < 0)
                        return k;
        }
        int k = check_url(r, ret_why);
        if (k < 0)
                return k;
        *ret = TAKE(r);
        return 0;
}
