# SPDX-License-Identifier: Apache-2.0
"""How each vendor answers: bodies from tests/data/provider_samples.jsonl wherever there is one. The few marked "composed"
have the keys that the vendor's reference documents, with values of our own."""

import json
import re
import time
from dataclasses import dataclass, field


@dataclass
class Answer:
    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""


def composed(status, body, **headers):
    return Answer(status, {"Content-Type": "application/json"} | headers, json.dumps(body).encode())


class Samples:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.lines = [json.loads(line) for line in f if line.strip()]

    def pick(self, provider, verdict, status=None, body=""):
        """The first sample of a class; of that status and with that text in its body if there is one."""
        fits = [s for s in self.lines if s["provider"] == provider and s["expected_class"] == verdict and s["http_status"]]
        best = [s for s in fits if status in (None, s["http_status"]) and body in s["body"]] or fits
        if not best:
            return None
        return Answer(best[0]["http_status"], dict(best[0]["headers"]), best[0]["body"].encode())


class Vendor:
    """A vendor in good health. Subclasses know its paths and how it wants its key."""

    name = ""
    outage_status = None  # of the sample to use if the fault names none
    not_found = {"message": "Not Found"}  # composed

    def __init__(self, samples):
        self.samples = samples

    def pick(self, verdict, status=None, body=""):
        return self.samples.pick(self.name, verdict, status, body)

    def key(self, request):
        """The key that the request carries; None: none."""
        bearer = request.headers.get("authorization", "")
        return bearer[7:] if bearer.startswith("Bearer ") else None

    def without_key(self, _request):
        return self.pick("authentication_failure")

    def with_bad_key(self, _request):
        return self.pick("authentication_failure")

    def good(self, request):
        raise NotImplementedError

    def answer(self, request):
        """Keys that begin with "bad" are refused, all others are taken (Mapbox: if they look like a token)."""
        key = self.key(request)
        if self.wants_key(request) and not key:
            return self.without_key(request)
        if key and self.is_bad(key):
            return self.with_bad_key(request)
        return self.good(request) or composed(404, self.not_found)

    def wants_key(self, _request):
        return True

    def is_bad(self, key):
        return key.startswith("bad")

    # ---- what goes wrong at the vendor, by the name of the fault ----

    def outage(self, _request, status=None):
        return self.pick("service_unavailable", status or self.outage_status)

    def rate_limit(self, _request, retry_after=None):
        return self.pick("rate_limit_exceeded", 429)

    def auth(self, request):
        return self.with_bad_key(request)

    def client_error(self, _request):
        return self.pick("client_error")

    def budget(self, _request):
        return self.pick("budget_exhausted")


class Stripe(Vendor):
    name = "stripe"
    outage_status = 500
    objects = {"payment_intents": ("payment_intent", "pi", {"amount": 2000, "currency": "usd", "status": "requires_payment_method",
                                                            "livemode": False, "capture_method": "automatic",
                                                            "confirmation_method": "automatic", "payment_method_types": ["card"]}),
               "refunds": ("refund", "re", {"amount": 2000, "currency": "usd", "status": "succeeded"}),
               "customers": ("customer", "cus", {"livemode": False, "email": None})}
    not_found = {"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}  # composed

    def with_bad_key(self, _request):
        return self.pick("authentication_failure", 401, "Invalid API Key")

    def good(self, request):
        if request.path == "/v1/balance":
            answer = self.pick("ok")  # without a key that the vendor's description requires
            answer.body = json.dumps(json.loads(answer.body) | {"pending": [{"amount": 0, "currency": "usd"}]}).encode()
            return answer
        made = re.match(r"/v1/(payment_intents|refunds|customers)(?:/|$)", request.path)
        if made and request.method == "POST":
            kind, prefix, rest = self.objects[made[1]]
            return composed(200, {"id": f"{prefix}_1", "object": kind, "created": 1700000000, **rest},
                            **{"Request-Id": "req_123"})
        return None


class Samsara(Vendor):
    name = "samsara"
    outage_status = 502

    def rate_limit(self, request, retry_after=None):
        # No sample: the vendor documents the status, a fractional Retry-After and its envelope.
        return composed(429, {"message": "Exceeded rate limit.", "requestId": "8916e1c1"}, **{"Retry-After": str(retry_after or 0.40235)})

    def good(self, request):
        if request.path == "/me":
            return self.pick("ok", body="carrierSettings")
        if request.path.startswith("/fleet/"):
            return self.pick("ok", body="pagination")
        return None


class Mapbox(Vendor):
    name = "mapbox"

    def key(self, request):
        return request.query.get("access_token")

    def is_bad(self, key):
        return key[:3] not in ("pk.", "sk.", "tk.")

    def without_key(self, request):
        if request.path == "/tokens/v2":
            return composed(422, {"message": "access_token is required"})
        return composed(401, {"message": "Not Authorized - No Token"})

    def with_bad_key(self, request):
        if request.path == "/tokens/v2":
            return composed(200, {"code": "TokenMalformed"})
        return composed(401, {"message": "Not Authorized - Invalid Token"})

    def rate_limit(self, request, retry_after=None):
        answer = self.pick("rate_limit_exceeded", 429)
        answer.headers["X-Rate-Limit-Reset"] = str(int(time.time() + (retry_after or 60)))
        return answer

    def budget(self, _request):
        return composed(403, {"message": "Account over limit."})

    def good(self, request):
        if request.path == "/tokens/v2":
            return self.pick("ok")
        if request.path.startswith("/search/geocode/v6/"):
            place = {"type": "Feature", "id": "dXJu", "geometry": {"type": "Point", "coordinates": [-122.08, 37.42]},
                     "properties": {"name": "1600 Amphitheatre Parkway"}}
            return composed(200, {"type": "FeatureCollection", "features": [place], "attribution": "Mapbox"})
        if request.path.startswith(("/directions/v5/", "/matching/v5/", "/optimized-trips/v1/")):
            return composed(200, {"code": "Ok", "uuid": "u1", "waypoints": [], "matchings": [], "tracepoints": [], "trips": [],
                                  "routes": [{"distance": 1200.0, "duration": 126.0, "weight": 126.0, "legs": []}]})
        if request.path.startswith("/directions-matrix/v1/"):
            return composed(200, {"code": "Ok", "durations": [[0.0]], "distances": [[0.0]], "sources": [], "destinations": []})
        if request.path.startswith("/isochrone/v1/"):
            return composed(200, {"type": "FeatureCollection", "features": []})
        return None


class Google(Vendor):
    name = "google"
    classic_answers = {"directions": {"routes": []}, "distancematrix": {"origin_addresses": [], "destination_addresses": [], "rows": []},
                       "elevation": {"results": []}, "timezone": {"timeZoneId": "America/Los_Angeles"},
                       "place/details": {"html_attributions": [], "result": {}}, "place/textsearch": {"html_attributions": [], "results": []}}

    def classic(self, request):
        return request.path.startswith("/maps/api/")

    def key(self, request):
        return request.query.get("key") or request.headers.get("x-goog-api-key")

    def without_key(self, request):
        return self.pick("authentication_failure", 200 if self.classic(request) else 403)

    with_bad_key = without_key

    def outage(self, request, status=None):
        return self.pick("service_unavailable", status or 500)

    def rate_limit(self, request, retry_after=None):
        return self.pick("rate_limit_exceeded", 200 if self.classic(request) else 429)

    def good(self, request):
        if request.path == "/maps/api/geocode/json":
            return self.pick("ok")
        made = re.match(r"/maps/api/([a-z/]+)/json", request.path)
        if made and made[1] in self.classic_answers:
            return composed(200, {"status": "OK"} | self.classic_answers[made[1]])
        if request.path == "/directions/v2:computeRoutes":
            return composed(200, {"routes": [{"distanceMeters": 1200, "duration": "126s"}]})
        return None


class Here(Vendor):
    name = "here"
    outage_status = 503

    def key(self, request):
        return request.query.get("apiKey") or super().key(request)

    def wants_key(self, request):
        return request.path != "/v8/health"

    def with_bad_key(self, _request):
        return self.pick("authentication_failure", 401, "apiKey invalid")

    def rate_limit(self, request, retry_after=None):
        answer = self.pick("rate_limit_exceeded", 429)
        if retry_after:
            answer.headers["Retry-After"] = str(retry_after)
        return answer

    def budget(self, _request):
        return composed(403, {"error": "Forbidden", "error_description": "Please upgrade your account"})

    def good(self, request):
        if request.path == "/v8/health":
            return composed(200, {"status": "ok"})
        if request.path == "/v8/routes":
            return self.pick("ok")
        if request.path.startswith("/v1/"):
            return composed(200, {"items": [{"title": "1600 Amphitheatre Pkwy", "position": {"lat": 37.42, "lng": -122.08}}]})
        return None


VENDORS = {v.name: v for v in (Stripe, Samsara, Mapbox, Google, Here)}
