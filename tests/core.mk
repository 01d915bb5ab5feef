# SPDX-License-Identifier: Apache-2.0
# The brain's tests share a small fixture.
check_LIBRARIES += tests/unit/libcore.a
tests_unit_libcore_a_SOURCES = tests/unit/core.c tests/unit/core.h tests/unit/storm.c tests/unit/storm.h tests/unit/test.h
tests_unit_libcore_a_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libcore_a_CFLAGS = $(UNIT_CFLAGS)
UNIT_CORE_LIBS = tests/unit/libcore.a $(CORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-core-strategies
tests_unit_test_core_strategies_SOURCES = tests/unit/test-core-strategies.c
tests_unit_test_core_strategies_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_strategies_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_strategies_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-parts
tests_unit_test_core_parts_SOURCES = tests/unit/test-core-parts.c
tests_unit_test_core_parts_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_parts_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_parts_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-breaker
tests_unit_test_core_breaker_SOURCES = tests/unit/test-core-breaker.c
tests_unit_test_core_breaker_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_breaker_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_breaker_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-account
tests_unit_test_core_account_SOURCES = tests/unit/test-core-account.c
tests_unit_test_core_account_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_account_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_account_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-money
tests_unit_test_core_money_SOURCES = tests/unit/test-core-money.c
tests_unit_test_core_money_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_money_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_money_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-router
tests_unit_test_core_router_SOURCES = tests/unit/test-core-router.c
tests_unit_test_core_router_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_router_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_router_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-random
tests_unit_test_core_random_SOURCES = tests/unit/test-core-random.c
tests_unit_test_core_random_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_random_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_random_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-forecast
tests_unit_test_core_forecast_SOURCES = tests/unit/test-core-forecast.c
tests_unit_test_core_forecast_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_forecast_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_forecast_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-scenarios
tests_unit_test_core_scenarios_SOURCES = tests/unit/test-core-scenarios.c
tests_unit_test_core_scenarios_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_scenarios_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_scenarios_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-analytics
tests_unit_test_core_analytics_SOURCES = tests/unit/test-core-analytics.c
tests_unit_test_core_analytics_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_analytics_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_analytics_LDADD = $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-doubt
tests_unit_test_core_doubt_SOURCES = tests/unit/test-core-doubt.c
tests_unit_test_core_doubt_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_doubt_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_doubt_LDADD = $(UNIT_CORE_LIBS)

# Those of what survives have one more.
check_LIBRARIES += tests/unit/libsurvival.a
tests_unit_libsurvival_a_SOURCES = tests/unit/survival.c tests/unit/survival.h
tests_unit_libsurvival_a_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libsurvival_a_CFLAGS = $(UNIT_CFLAGS)

UNIT_TESTS += tests/unit/test-core-survival
tests_unit_test_core_survival_SOURCES = tests/unit/test-core-survival.c
tests_unit_test_core_survival_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_survival_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_survival_LDADD = tests/unit/libsurvival.a $(UNIT_CORE_LIBS)

UNIT_TESTS += tests/unit/test-core-history
tests_unit_test_core_history_SOURCES = tests/unit/test-core-history.c
tests_unit_test_core_history_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_core_history_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_core_history_LDADD = tests/unit/libsurvival.a $(UNIT_CORE_LIBS)
