# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += tests/unit/test-sim
tests_unit_test_sim_SOURCES = tests/unit/test-sim.c tests/unit/test.h
tests_unit_test_sim_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sim_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_sim_LDADD = $(SIM_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/integration/test_sim.py
