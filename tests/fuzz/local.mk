# SPDX-License-Identifier: Apache-2.0
# Fuzz targets (libFuzzer), each with a corpus to begin with. Built only by configure --enable-fuzzers CC=clang.
FUZZERS = tests/fuzz/fuzz-agentx tests/fuzz/fuzz-audit tests/fuzz/fuzz-client tests/fuzz/fuzz-config tests/fuzz/fuzz-core \
	tests/fuzz/fuzz-dbus tests/fuzz/fuzz-probe tests/fuzz/fuzz-trace tests/fuzz/fuzz-varlink
EXTRA_DIST += $(FUZZERS:=.c) tests/fuzz/fuzz-classify.c tests/fuzz/corpus

if ENABLE_FUZZERS
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += $(FUZZERS)

# One for each plugin, called after it, so that each gets its share of the time.
FUZZ_CLASSIFY_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"'
noinst_PROGRAMS += tests/fuzz/fuzz-classify-generic
tests_fuzz_fuzz_classify_generic_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_generic_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_generic_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_generic_LDFLAGS = $(FUZZ_LINK)

noinst_PROGRAMS += tests/fuzz/fuzz-classify-google
tests_fuzz_fuzz_classify_google_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_google_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_google_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_google_LDFLAGS = $(FUZZ_LINK)

noinst_PROGRAMS += tests/fuzz/fuzz-classify-here
tests_fuzz_fuzz_classify_here_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_here_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_here_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_here_LDFLAGS = $(FUZZ_LINK)

noinst_PROGRAMS += tests/fuzz/fuzz-classify-mapbox
tests_fuzz_fuzz_classify_mapbox_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_mapbox_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_mapbox_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_mapbox_LDFLAGS = $(FUZZ_LINK)

noinst_PROGRAMS += tests/fuzz/fuzz-classify-samsara
tests_fuzz_fuzz_classify_samsara_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_samsara_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_samsara_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_samsara_LDFLAGS = $(FUZZ_LINK)

noinst_PROGRAMS += tests/fuzz/fuzz-classify-stripe
tests_fuzz_fuzz_classify_stripe_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_stripe_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_classify_stripe_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_classify_stripe_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_agentx_SOURCES = tests/fuzz/fuzz-agentx.c
tests_fuzz_fuzz_agentx_CFLAGS = $(AM_CFLAGS) $(NETSNMP_CFLAGS)
tests_fuzz_fuzz_agentx_LDADD = $(SUBAGENT_LIBS)
tests_fuzz_fuzz_agentx_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_audit_SOURCES = tests/fuzz/fuzz-audit.c
tests_fuzz_fuzz_audit_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_audit_LDADD = $(CTL_LIBS) $(JANSSON_LIBS)
tests_fuzz_fuzz_audit_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_client_SOURCES = tests/fuzz/fuzz-client.c
tests_fuzz_fuzz_client_LDADD = lib/libpointsman-client.la
tests_fuzz_fuzz_client_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_LDADD = $(DAEMON_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_core_SOURCES = tests/fuzz/fuzz-core.c
tests_fuzz_fuzz_core_LDADD = $(UNIT_CORE_LIBS)
tests_fuzz_fuzz_core_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_dbus_SOURCES = tests/fuzz/fuzz-dbus.c
tests_fuzz_fuzz_dbus_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_fuzz_fuzz_dbus_LDADD = $(DAEMON_LIBS) $(SYSTEMD_LIBS)
tests_fuzz_fuzz_dbus_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_probe_SOURCES = tests/fuzz/fuzz-probe.c
tests_fuzz_fuzz_probe_LDADD = $(PROBER_LIBS)
tests_fuzz_fuzz_probe_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_varlink_SOURCES = tests/fuzz/fuzz-varlink.c
tests_fuzz_fuzz_varlink_CPPFLAGS = $(FUZZ_CLASSIFY_CPPFLAGS)
tests_fuzz_fuzz_varlink_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_fuzz_fuzz_varlink_LDADD = $(DAEMON_LIBS) $(SYSTEMD_LIBS)
tests_fuzz_fuzz_varlink_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_trace_SOURCES = tests/fuzz/fuzz-trace.c
tests_fuzz_fuzz_trace_LDADD = $(SIM_LIBS)
tests_fuzz_fuzz_trace_LDFLAGS = $(FUZZ_LINK)
endif
