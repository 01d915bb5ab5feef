# SPDX-License-Identifier: Apache-2.0
UNIT_TESTS += tests/unit/test-snmp-rows
tests_unit_test_snmp_rows_SOURCES = tests/unit/test-snmp-rows.c tests/unit/test.h
tests_unit_test_snmp_rows_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_snmp_rows_CFLAGS = $(UNIT_CFLAGS) $(NETSNMP_CFLAGS)
tests_unit_test_snmp_rows_LDADD = snmp/libsnmp-agent.la $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/test-snmp-view
tests_unit_test_snmp_view_SOURCES = tests/unit/test-snmp-view.c tests/unit/test.h
tests_unit_test_snmp_view_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_snmp_view_CFLAGS = $(UNIT_CFLAGS) $(NETSNMP_CFLAGS)
tests_unit_test_snmp_view_LDADD = snmp/libsnmp-agent.la $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/test-snmp-index
tests_unit_test_snmp_index_SOURCES = tests/unit/test-snmp-index.c tests/unit/test.h
tests_unit_test_snmp_index_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_snmp_index_CFLAGS = $(UNIT_CFLAGS) $(NETSNMP_CFLAGS)
tests_unit_test_snmp_index_LDADD = snmp/libsnmp-agent.la $(CMOCKA_LIBS)
