# SPDX-License-Identifier: Apache-2.0
# The store's tests share a fixture.
check_LTLIBRARIES += tests/unit/libstore.la
tests_unit_libstore_la_SOURCES = tests/unit/store.c tests/unit/store.h tests/unit/test.h
tests_unit_libstore_la_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libstore_la_CFLAGS = $(UNIT_CFLAGS)
tests_unit_libstore_la_LIBADD = daemon/libpointsmand.la $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c
tests_unit_test_store_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_store_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_store_LDADD = tests/unit/libstore.la
