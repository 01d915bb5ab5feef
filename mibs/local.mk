# What is installed carries the root that this build was configured with; the source always has the default one.
mibdir = $(datadir)/snmp/mibs
nodist_mib_DATA = mibs/installed/POINTSMAN-MIB.txt
dist_doc_DATA = mibs/README.md
dist_pkgdata_SCRIPTS = mibs/check_pointsman
exporterdir = $(pkgdatadir)/snmp_exporter
dist_exporter_DATA = mibs/snmp_exporter/generator.yml mibs/snmp_exporter/snmp.yml
EXTRA_DIST += mibs/POINTSMAN-MIB.txt mibs/check
CLEANFILES += mibs/installed/POINTSMAN-MIB.txt
TESTS += mibs/check

mibs/installed/POINTSMAN-MIB.txt: mibs/POINTSMAN-MIB.txt config.status
	$(AM_V_GEN)$(MKDIR_P) $(@D) && root=`echo '$(MIB_ROOT)' | $(SED) 's/^1\.3\.6\.1\.4\.1\.//; s/\./ /g'` && \
	if test "$$root" = '8072 9999 9999 7668'; then cat $<; else \
		$(SED) "s/::= { enterprises netSnmp(8072) .* }/::= { enterprises $$root }/" $<; \
	fi > $@.tmp && mv $@.tmp $@
