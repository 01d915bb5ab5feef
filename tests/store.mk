# SPDX-License-Identifier: Apache-2.0
# The store's tests share a fixture.
check_LIBRARIES += tests/unit/libstore.a
tests_unit_libstore_a_SOURCES = tests/unit/store.c tests/unit/store.h tests/unit/test.h
# To be loaded into a program: LD_PRELOAD=…/slow-disk.so
noinst_LTLIBRARIES += tests/harness/slow-disk.la
tests_harness_slow_disk_la_SOURCES = tests/harness/slow-disk.c
tests_harness_slow_disk_la_LDFLAGS = -module -avoid-version -rpath /nowhere
tests_unit_libstore_a_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libstore_a_CFLAGS = $(UNIT_CFLAGS)
UNIT_STORE_LIBS = tests/unit/libstore.a $(DAEMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c
tests_unit_test_store_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_store_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_store_LDADD = $(UNIT_STORE_LIBS)

UNIT_TESTS += tests/unit/test-store-faults
tests_unit_test_store_faults_SOURCES = tests/unit/test-store-faults.c tests/harness/slow-disk.c
tests_unit_test_store_faults_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_store_faults_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_store_faults_LDADD = $(UNIT_STORE_LIBS) $(SQLITE_LIBS)

UNIT_TESTS += tests/unit/test-store-damage
tests_unit_test_store_damage_SOURCES = tests/unit/test-store-damage.c
tests_unit_test_store_damage_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_store_damage_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_store_damage_LDADD = $(UNIT_STORE_LIBS) $(SQLITE_LIBS)
EXTRA_DIST += tests/data/ledger-version-1.sql tests/integration/test_ledger.py

UNIT_TESTS += tests/unit/test-learned
tests_unit_test_learned_SOURCES = tests/unit/test-learned.c
tests_unit_test_learned_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_learned_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_learned_LDADD = $(UNIT_CORE_LIBS) $(DAEMON_LIBS)
