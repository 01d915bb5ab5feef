# SPDX-License-Identifier: Apache-2.0
# Fuzz targets (libFuzzer), each with a corpus to begin with. Built only by configure --enable-fuzzers CC=clang.
FUZZERS = tests/fuzz/fuzz-classify tests/fuzz/fuzz-client tests/fuzz/fuzz-config \
	tests/fuzz/fuzz-trace
EXTRA_DIST += $(FUZZERS:=.c) tests/fuzz/corpus

if ENABLE_FUZZERS
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += $(FUZZERS)
tests_fuzz_fuzz_classify_SOURCES = tests/fuzz/fuzz-classify.c
tests_fuzz_fuzz_classify_CPPFLAGS = $(AM_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"'
tests_fuzz_fuzz_classify_LDADD = daemon/libpointsmand.la
tests_fuzz_fuzz_classify_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_client_SOURCES = tests/fuzz/fuzz-client.c
tests_fuzz_fuzz_client_LDADD = lib/libpointsman-client.la
tests_fuzz_fuzz_client_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_LDADD = daemon/libpointsmand.la
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK)

tests_fuzz_fuzz_trace_SOURCES = tests/fuzz/fuzz-trace.c
tests_fuzz_fuzz_trace_LDADD = bench/libsim.la
tests_fuzz_fuzz_trace_LDFLAGS = $(FUZZ_LINK)
endif
