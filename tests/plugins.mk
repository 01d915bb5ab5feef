EXTRA_DIST += tests/data/provider_cases.jsonl tests/data/generic_cases.jsonl

UNIT_TESTS += tests/unit/test-providers
tests_unit_test_providers_SOURCES = tests/unit/test-providers.c tests/unit/test.h
tests_unit_test_providers_CPPFLAGS = $(UNIT_CPPFLAGS) -DPLUGINS='"$(abs_top_builddir)/plugins/.libs"'
tests_unit_test_providers_CFLAGS = $(UNIT_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_providers_LDADD = $(DAEMON_LIBS) $(JANSSON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-provider-loader
tests_unit_test_provider_loader_SOURCES = tests/unit/test-provider-loader.c tests/unit/test.h
tests_unit_test_provider_loader_CPPFLAGS = $(UNIT_CPPFLAGS) -DVARIANTS='"$(abs_top_builddir)/tests/plugins/.libs"'
tests_unit_test_provider_loader_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_provider_loader_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)

# Plugins for the loader's tests: one source, a macro for each way to be wrong. With -rpath libtool builds a module,
# though it is never installed.
VARIANT_SOURCES = tests/plugins/variant.c
VARIANT_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere

check_LTLIBRARIES += \
	tests/plugins/acme.la tests/plugins/good.la tests/plugins/other-abi.la tests/plugins/other-size.la tests/plugins/no-symbol.la \
	tests/plugins/function.la tests/plugins/misnamed.la tests/plugins/bad-name.la tests/plugins/bad-table.la \
	tests/plugins/unresolved.la tests/plugins/nonsense.la

# The example of docs/plugins.md.
tests_plugins_acme_la_SOURCES = tests/plugins/acme.c
tests_plugins_acme_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_good_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_good_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_other_abi_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_other_abi_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"other-abi"' -DABI='(PM_PROVIDER_ABI+1)'
tests_plugins_other_abi_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_other_size_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_other_size_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"other-size"' -DSIZE=8
tests_plugins_other_size_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_no_symbol_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_no_symbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"no-symbol"' -DSYMBOL=another_provider
tests_plugins_no_symbol_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_function_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_function_la_CPPFLAGS = $(AM_CPPFLAGS) -DFUNCTION
tests_plugins_function_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_misnamed_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_misnamed_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_bad_name_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_bad_name_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"Bad Name"'
tests_plugins_bad_name_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_bad_table_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_bad_table_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"bad-table"' -DPRICE=-2
tests_plugins_bad_table_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_unresolved_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_unresolved_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"unresolved"' -DUNRESOLVED
tests_plugins_unresolved_la_LDFLAGS = $(VARIANT_LDFLAGS)

tests_plugins_nonsense_la_SOURCES = $(VARIANT_SOURCES)
tests_plugins_nonsense_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME='"nonsense"' -DNONSENSE
tests_plugins_nonsense_la_LDFLAGS = $(VARIANT_LDFLAGS)
