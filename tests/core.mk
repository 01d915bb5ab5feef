# SPDX-License-Identifier: Apache-2.0
# The brain's tests share a small fixture.
CORE_TESTS = tests/unit/test-core-strategies
UNIT_TESTS += $(CORE_TESTS)
check_LTLIBRARIES += tests/unit/libcore.la
tests_unit_libcore_la_SOURCES = tests/unit/core.c tests/unit/core.h tests/unit/test.h
tests_unit_libcore_la_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libcore_la_CFLAGS = $(UNIT_CFLAGS)
tests_unit_libcore_la_LIBADD = daemon/libpointsmand-core.la $(CMOCKA_LIBS)

tests_unit_test_core_strategies_SOURCES = tests/unit/test-core-strategies.c
tests_unit_test_core_strategies_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_strategies_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_strategies_LDADD = tests/unit/libcore.la
