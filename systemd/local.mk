# SPDX-License-Identifier: Apache-2.0
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

dist_systemdsystemunit_DATA = systemd/pointsman.socket
nodist_systemdsystemunit_DATA = systemd/pointsman.service systemd/pointsman-prober.service systemd/pointsman-snmp.service
dist_sysusers_DATA = systemd/sysusers.d/pointsman.conf systemd/sysusers.d/pointsman-prober.conf systemd/sysusers.d/pointsman-snmp.conf
dist_tmpfiles_DATA = systemd/tmpfiles.d/pointsman.conf systemd/tmpfiles.d/pointsman-snmp.conf

EXTRA_DIST += $(nodist_systemdsystemunit_DATA:=.in)
CLEANFILES += $(nodist_systemdsystemunit_DATA)

SUFFIXES = .service .service.in
.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' -e 's|@prefix[@]|$(prefix)|g' $< > $@.tmp && mv $@.tmp $@
